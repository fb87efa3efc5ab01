"""How well scores tell good hosts from others: precision, calibration, confusion, whatever the truth comes from."""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

DECILES = 10
_Z = 1.959964
"""Standard normal quantile of a two-sided interval of 95 %."""
REJECTED = "rejected"
"""Stands for 'no tier': below the minimum, or found unfit by triage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedLead:
    """One lead that was judged, and what it turned out to be.

    `score` (0..1) and `tier` are None where no tier was given; `is_good` is None while nobody knows. The truth may come
    from the sandbox's world or from outcomes in the CRM.
    """

    platform: str
    score: Decimal | None
    tier: str | None
    is_good: bool | None


@dataclass(slots=True)
class Share:
    """How many of some leads are good."""

    good: int = 0
    of: int = 0

    def add(self, *, is_good: bool) -> None:
        """Count one lead more."""
        self.good += is_good
        self.of += 1

    @property
    def value(self) -> float | None:
        """0..1; None of nobody."""
        return self.good / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's interval of 95 %, which is honest for few leads too; None of nobody."""
        if not self.of:
            return None
        share, count = self.good / self.of, self.of
        middle = share + _Z**2 / (2 * count)
        spread = _Z * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
        scale = 1 + _Z**2 / count
        return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)

    @property
    def text(self) -> str:
        """For people: '83 % (41 of 49; 95 % interval 70 to 91 %)'."""
        if self.value is None or self.interval is None:
            return "nobody"
        low, high = self.interval
        return (
            f"{100 * self.value:.0f} % ({self.good} of {self.of}; 95 % interval {100 * low:.0f} to {100 * high:.0f} %)"
        )


@dataclass(frozen=True, slots=True)
class Band:
    """One point of the calibration curve: leads with neighbouring scores, all of 0..1."""

    lowest: Decimal
    highest: Decimal
    mean: Decimal
    share: Share


@dataclass(frozen=True, slots=True)
class ScoreQuality:
    """What is known about the quality of scores.

    `precision` is by tier, `confusion` by platform and tier: how many leads a tier got right and wrong. `unknown` leads
    are in no figure, because their truth is not known.
    """

    precision: dict[str, Share] = field(default_factory=dict)
    confusion: dict[str, dict[str, Share]] = field(default_factory=dict)
    curve: tuple[Band, ...] = ()
    unknown: int = 0


def score_quality(leads: Iterable[JudgedLead]) -> ScoreQuality:
    """Precision per tier, confusion by platform and the calibration curve of these leads, in any order."""
    precision: dict[str, Share] = {}
    confusion: dict[str, dict[str, Share]] = {}
    points: list[tuple[Decimal, bool]] = []
    unknown = 0
    for lead in leads:
        if lead.is_good is None:
            unknown += 1
            continue
        tier = lead.tier or REJECTED
        for shares in (precision, confusion.setdefault(lead.platform, {})):
            shares.setdefault(tier, Share()).add(is_good=lead.is_good)
        if lead.score is not None:
            points.append((lead.score, lead.is_good))
    return ScoreQuality(precision=precision, confusion=confusion, curve=calibration(points), unknown=unknown)


def calibration(points: Sequence[tuple[Decimal, bool]], bands: int = DECILES) -> tuple[Band, ...]:
    """Ten groups of equally many leads by score, lowest first; with fewer leads than groups, one lead each."""
    ordered = sorted(points)
    count = len(ordered)
    edges = [count * number // bands for number in range(bands + 1)]
    return tuple(_band(ordered[low:high]) for low, high in itertools.pairwise(edges) if high > low)


def _band(points: Sequence[tuple[Decimal, bool]]) -> Band:
    scores = [score for score, _ in points]
    share = Share(good=sum(is_good for _, is_good in points), of=len(points))
    return Band(scores[0], scores[-1], sum(scores, Decimal(0)) / len(scores), share)
