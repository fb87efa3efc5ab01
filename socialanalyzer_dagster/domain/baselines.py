"""What is usual for a platform or preset, and whether a batch differs from it by more than chance (spec 14.3, 14.4)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from statistics import median

from socialanalyzer_dagster.domain.policy_metrics import MetricsPolicy

_MAD_TO_SIGMA = 1.4826
"""A normal distribution's standard deviation, in median absolute deviations."""
_MEDIAN_VARIANCE = math.pi / 2
"""Variance of a median over that of a mean of as many values."""


class Kind(StrEnum):
    """How a figure is counted, which says how far chance alone may move it."""

    SHARE = "share"
    MEAN = "mean"
    PER_LEAD = "per_lead"


class Unit(StrEnum):
    """What a figure is shown in."""

    PERCENT = "percent"
    SCORE = "score"
    MICROS = "micros"
    SECONDS = "seconds"


class Good(StrEnum):
    """The direction that is wanted (spec 14.3)."""

    UP = "up"
    DOWN = "down"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One metric of one batch, or of one stage of it.

    `leads` is what it was counted over, `spread` the standard deviation among leads of a mean. For an amount per lead
    `kept` is the share of leads that the amount is divided by (1 when it is all of them).
    """

    name: str
    kind: Kind
    unit: Unit
    good: Good
    value: float
    leads: int
    spread: float = 0.0
    kept: float = 1.0

    def sampling_variance(self, usual: float) -> float:
        """How much the figure varies by chance in a batch of this size when `usual` holds."""
        if self.kind is Kind.SHARE:
            edge = 1 / (2 * self.leads)  # a share that was always 0 or 1 still is so by chance in part
            expected = min(max(usual, edge), 1 - edge)
            return expected * (1 - expected) / self.leads
        if self.kind is Kind.MEAN:
            return self.spread**2 / self.leads
        return usual**2 * (1 - self.kept) / (self.leads * self.kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Median and median absolute deviation of a figure over `batches` batches."""

    of: str
    middle: float
    deviation: float
    batches: int
    is_young: bool


class Grade(StrEnum):
    """How a batch stands to its baseline; chance is ruled out for the last two alone."""

    NO_BASELINE = "no_baseline"
    USUAL = "usual"
    TOO_FEW = "too_few"
    NOTABLE = "notable"
    SIGNIFICANT = "significant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A figure that moved batch by batch: by which share over the whole window, and the two-sided p of the trend."""

    change: float
    chance: float
    batches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A figure beside its baseline: `change` is (value - median) / median, `chance` the two-sided p.

    `drift` is set where the window shows a trend that chance does not explain.
    """

    figure: Figure
    baseline: Baseline | None
    grade: Grade
    change: float | None = None
    chance: float | None = None
    drift: Drift | None = None

    @property
    def is_bad(self) -> bool:
        """True for a change in the direction that nobody wants."""
        return _is_unwanted(self.figure.good, self.change)

    @property
    def is_bad_drift(self) -> bool:
        """True for a trend in the direction that nobody wants."""
        return _is_unwanted(self.figure.good, self.drift.change if self.drift is not None else None)


def worse_than_usual(found: Sequence[Comparison]) -> list[Comparison]:
    """What a person should look at: figures that are worse beyond chance, then those that only got worse slowly."""
    worse = [each for each in found if each.is_bad and each.grade in (Grade.NOTABLE, Grade.SIGNIFICANT)]
    return [*worse, *(each for each in found if each.is_bad_drift and each not in worse)]


def _is_unwanted(good: Good, change: float | None) -> bool:
    if change is None or good is Good.NEITHER:
        return False
    return change < 0 if good is Good.UP else change > 0


def baseline_of(values: Sequence[float], of: str, policy: MetricsPolicy) -> Baseline | None:
    """None for fewer batches than the policy asks for, and for a median of zero: nothing is a share of nothing."""
    if len(values) < policy.least_batches or (middle := median(values)) == 0:
        return None
    return Baseline(
        of=of,
        middle=middle,
        deviation=median(abs(value - middle) for value in values),
        batches=len(values),
        is_young=len(values) < policy.settled_batches,
    )


def compared(figure: Figure, earlier: Sequence[float], of: str, policy: MetricsPolicy) -> Comparison:
    """The figure beside those of earlier batches, the oldest first: `of` a platform or preset.

    Notable from 25 %, significant from 50 %, each only where chance is ruled out (14.4).
    """
    baseline = baseline_of(earlier, of, policy)
    if baseline is None:
        return Comparison(figure=figure, baseline=None, grade=Grade.NO_BASELINE)
    change = (figure.value - baseline.middle) / baseline.middle
    chance = _chance(figure, baseline)
    return Comparison(
        figure=figure,
        baseline=baseline,
        grade=_grade(abs(change), chance, policy),
        change=change,
        chance=chance,
        drift=drift_of([*earlier, figure.value], policy),
    )


def drift_of(values: Sequence[float], policy: MetricsPolicy) -> Drift | None:
    """The trend of values in the order of time, by Mann and Kendall's test and Theil and Sen's slope.

    None where there are too few, where chance explains it, and where it is less than notable. A slow decline takes its
    own baseline along, so that no single batch differs from it.
    """
    count = len(values)
    if count < policy.drift_batches:
        return None
    pairs = list(combinations(range(count), 2))
    steps = [(values[later] - values[earlier]) / (later - earlier) for earlier, later in pairs]
    rises = sum((step > 0) - (step < 0) for step in steps)
    variance = count * (count - 1) * (2 * count + 5) / 18
    chance = math.erfc(max(abs(rises) - 1, 0) / math.sqrt(2 * variance))
    slope = median(steps)
    start = median(value - slope * at for at, value in enumerate(values))
    if chance >= policy.chance_below or start == 0:
        return None
    change = slope * (count - 1) / start
    return Drift(change=change, chance=chance, batches=count) if abs(change) >= policy.notable else None


def _grade(change: float, chance: float, policy: MetricsPolicy) -> Grade:
    if change < policy.notable:
        return Grade.USUAL
    if chance >= policy.chance_below:
        return Grade.TOO_FEW
    return Grade.SIGNIFICANT if change >= policy.significant else Grade.NOTABLE


def _chance(figure: Figure, baseline: Baseline) -> float:
    """Two-sided p of Student's t: the sampling error of the batch and the spread between batches together.

    The degrees of freedom are Welch and Satterthwaite's, with the sampling error taken as known.
    """
    from scipy.special import stdtr  # a sixth of a command's start, and most commands compare nothing

    sampling = figure.sampling_variance(baseline.middle)
    between = (_MAD_TO_SIGMA * baseline.deviation) ** 2 * (1 + _MEDIAN_VARIANCE / baseline.batches)
    total = sampling + between
    if total == 0:
        return 0.0 if figure.value != baseline.middle else 1.0
    freedom = math.inf if between == 0 else (baseline.batches - 1) * (total / between) ** 2
    distance = abs(figure.value - baseline.middle) / math.sqrt(total)
    return float(2 * stdtr(min(freedom, 1e9), -distance))
