"""What a preview counts: tiers, BDRs and days under the active policy and under another one, lead by lead (spec 4)."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from socialanalyzer_dagster.domain.policy_metrics import TargetsPolicy
from socialanalyzer_dagster.domain.preview_days import SIDES, PlatformDays, days_between
from socialanalyzer_dagster.domain.rescreening import Rejudged, Ruling
from socialanalyzer_dagster.domain.scoring import BELOW_MIN_SCORE
from socialanalyzer_dagster.domain.sentences import counted, leads

SCREENED_OUT = "screened_out"
"""Stands where a tier would: the policy would not have let the lead through screening."""
ENROLLED, WAITING = "(enrolled, no BDR)", "(to be dealt)"
"""Where a lead with a tier is when it is with no BDR."""
_NO_TIER = frozenset({BELOW_MIN_SCORE, SCREENED_OUT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Who a lead is, as every list of this program says it."""

    lead_uid: str
    lead: str
    handle: str
    platform: str
    batch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one policy makes of a scored lead; `place` is a BDR, one of the two places above, or None."""

    tier: str
    score: str | None
    place: str | None

    @property
    def is_scored(self) -> bool:
        """True when the lead goes on to the CRM."""
        return self.tier not in _NO_TIER


@dataclass(slots=True)
class Moves:
    """Leads that end elsewhere: all are counted, the first ones named."""

    most_named: int
    count: int = 0
    named: list[dict[str, Any]] = field(default_factory=list)

    def add(self, who: Named, change: Mapping[str, Any]) -> None:
        """One lead more."""
        self.count += 1
        if len(self.named) < self.most_named:
            self.named.append({"lead_uid": who.lead_uid, "lead": who.lead, "handle": who.handle, "batch": who.batch})
            self.named[-1] |= change

    def as_json(self) -> dict[str, Any]:
        """Sorted by lead and batch."""
        return {
            "moved_count": self.count,
            "moved": sorted(self.named, key=lambda each: (each["lead"], each["batch"])),
            "moved_left_off": self.count - len(self.named),
        }


@dataclass(slots=True)
class ScoreTally:
    """The scored leads, each counted once; `enrolled` are the tiers that need no BDR, of now and of then."""

    enrolled: tuple[str, str]
    moves: Moves
    leads: int = 0
    older: int = 0
    flow: Counter[tuple[str, str]] = field(default_factory=Counter)
    load: dict[str, Counter[str]] = field(default_factory=dict)
    days: dict[str, PlatformDays] = field(default_factory=dict)
    first_day: date | None = None

    def add(self, who: Named, now: Side, then: Side, day: date) -> None:
        """One lead, scored on a UTC day."""
        self.leads += 1
        self.first_day = min(self.first_day or day, day)
        self.flow[now.tier, then.tier] += 1
        platform = self.days.setdefault(who.platform, PlatformDays())
        for name, side, enrolled in zip(SIDES, (now, then), self.enrolled, strict=True):
            platform.add(name, day, is_scored=side.is_scored, is_enrolled=side.tier == enrolled)
            if side.place is not None:
                self.load.setdefault(side.place, Counter())[name] += 1
        if now.tier != then.tier:
            scores = {"from": now.score, "to": then.score}
            self.moves.add(who, {"from": now.tier, "to": then.tier, "lead_score": scores})

    def as_json(self) -> dict[str, Any]:
        """Tier flow, moved leads and load per BDR."""
        flow = [{"from": old, "to": new, "leads": count} for (old, new), count in sorted(self.flow.items())]
        bdrs = [
            {"bdr": name, "now": found["now"], "then": found["then"], "change": found["then"] - found["now"]}
            for name, found in sorted(self.load.items())
        ]
        return {
            "scores": self.leads,
            "decided_by_earlier_versions": self.older,
            "tier_flow": flow,
            **self.moves.as_json(),
            "bdrs": bdrs,
        }

    def per_day(self, until: date, targets: tuple[TargetsPolicy, TargetsPolicy]) -> dict[str, Any]:
        """Each platform's days since the first of these leads, under the targets of both policies."""
        span = days_between(self.first_day, until) if self.first_day is not None else ()
        return {
            "since": self.first_day,
            "platforms": [found.as_json(name, span, targets) for name, found in sorted(self.days.items()) if span],
        }


@dataclass(slots=True)
class ScreenTally:
    """The screened leads, each counted once: what both policies say, and why; `unclear` ones only one of them tells.

    A rejection that falls is a move, although nobody asked what comes after it.
    """

    moves: Moves
    leads: int = 0
    unclear: int = 0
    flow: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def add(self, who: Named, now: Rejudged, then: Rejudged) -> None:
        """One lead with the rulings of both policies."""
        self.leads += 1
        self.flow[now.ruling, then.ruling] += 1
        if now.ruling is then.ruling:
            return
        if Ruling.REJECTED not in (now.ruling, then.ruling):
            self.unclear += 1
            return
        code = then.code or now.code
        self.reasons[now.ruling, then.ruling, code or ""] += 1
        self.moves.add(who, {"from": now.ruling, "to": then.ruling, "code": code})

    def as_json(self) -> dict[str, Any]:
        """Flow, reasons and moved leads."""
        flow = [{"from": old, "to": new, "leads": count} for (old, new), count in sorted(self.flow.items())]
        reasons = [
            {"from": old, "to": new, "code": code or None, "leads": count}
            for (old, new, code), count in sorted(self.reasons.items())
        ]
        return {
            "judged": self.leads,
            "flow": flow,
            "reasons": reasons,
            "unclear": self.unclear,
            **self.moves.as_json(),
        }


_SHOWN = (
    "scoring.weights.", "scoring.weights_by_platform.", "scoring.boosts", "scoring.penalties.", "scoring.engagement.",
    "scoring.travel_floor.", "scoring.keep_tier_within", "tiers.", "screening.max_inactive_days",
    "screening.max_gap_days", "screening.reject_confidence", "screening.text_triage", "search.defaults.",
)  # fmt: skip
"""Keys whose effect on stored leads can be computed."""
_JUDGES = (
    "analysis.", "categories.", "discovery.", "emails.", "enrichment.", "hosts.", "llm.", "models.", "prompts.",
    "scoring.", "screening.",
)  # fmt: skip
"""Sections that decide about leads; what they change beyond that would need new answers or a new search."""


def unseen_changes(paths: Iterable[str]) -> list[str]:
    """Changed keys that decide about leads and whose effect nobody can tell from what is stored."""
    return sorted(path for path in paths if path.startswith(_JUDGES) and not path.startswith(_SHOWN))


def headline(scores: ScoreTally, screened: ScreenTally, days: int) -> str:
    """The preview in one line."""
    change = counted(days, "day")
    moved = f"{scores.moves.count:,} of {leads(scores.leads)} scored in the last {change} would change tier"
    biggest = [(pair, count) for pair, count in scores.flow.most_common() if pair[0] != pair[1]][:2]
    told = "".join(f", {count:,} from {old} to {new}" for (old, new), count in biggest)
    judged = f"{screened.moves.count:,} of {screened.leads:,} screened would be judged differently"
    unclear = f" and {screened.unclear:,} cannot be told" if screened.unclear else ""
    return f"{moved}{told}; {judged}{unclear}; $0.00"
