"""The figures of one batch that are held against what is usual (spec 14.3)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from socialanalyzer_dagster.domain.baselines import Figure, Good, Kind, Unit
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.types import Stage

NOVELTY, AVERAGE_SCORE, COST_PER_LEAD = "novelty", "average_score", "cost_per_scored_lead"
JUDGED_STAGES = (Stage.SCREENED, Stage.ENRICHED, Stage.ANALYZED, Stage.SCORED)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTotals:
    """Leads a stage judged, those that passed and failed, and the seconds its leads took together."""

    judged: int = 0
    passed: int = 0
    failed: int = 0
    busy_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTotals:
    """What one batch came to.

    `found` counts distinct identities, `new` those of them nobody knew; `mean_score` and `score_spread` (standard
    deviation) are None while nothing was scored.
    """

    found: int = 0
    new: int = 0
    stages: Mapping[Stage, StageTotals] = field(default_factory=dict)
    mean_score: float | None = None
    score_spread: float | None = None
    tiers: Mapping[str, int] = field(default_factory=dict)
    cost_micros: int = 0

    @property
    def scored(self) -> int:
        """Leads that passed scored."""
        return self.of(Stage.SCORED).passed

    def of(self, stage: Stage) -> StageTotals:
        """Totals of a stage, zeros when it was not begun."""
        return self.stages.get(stage, StageTotals())


def figures_of(totals: BatchTotals, policy: Policy) -> dict[str, Figure]:
    """Every figure that the batch gives, by name; what nothing was counted for is left out."""
    tiers = dict.fromkeys(row.tier for row in policy.tiers.rows)
    of_scored = _of_scored(totals, tiers, policy.tiers.enrolled)
    return {figure.name: figure for figure in (*_of_stages(totals), *of_scored)}


def names_of(stage: Stage) -> frozenset[str]:
    """Names of the figures that stand when a stage has ended, beside those of scored leads."""
    if stage is Stage.DISCOVERED:
        return frozenset({NOVELTY})
    return frozenset({f"{stage}_yield", f"{stage}_failures", f"{stage}_seconds_per_lead"})


def _of_stages(totals: BatchTotals) -> Iterator[Figure]:
    if totals.found:
        yield _share(NOVELTY, Good.UP, totals.new, totals.found)
    for stage in JUDGED_STAGES:
        counts = totals.of(stage)
        if not counts.judged:
            continue
        yield _share(f"{stage}_yield", Good.UP, counts.passed, counts.judged)
        yield _share(f"{stage}_failures", Good.DOWN, counts.failed, counts.judged)
        yield Figure(
            name=f"{stage}_seconds_per_lead",
            kind=Kind.PER_LEAD,
            unit=Unit.SECONDS,
            good=Good.DOWN,
            value=counts.busy_seconds / counts.judged,
            leads=counts.judged,
        )


def _of_scored(totals: BatchTotals, tiers: Iterable[str], enrolled: str) -> Iterator[Figure]:
    scored = totals.scored
    if not scored or totals.mean_score is None:
        return
    yield Figure(
        name=AVERAGE_SCORE,
        kind=Kind.MEAN,
        unit=Unit.SCORE,
        good=Good.UP,
        value=totals.mean_score,
        leads=scored,
        spread=totals.score_spread or 0.0,
    )
    for tier in tiers:
        good = Good.UP if tier == enrolled else Good.NEITHER
        yield _share(f"{tier}_share", good, totals.tiers.get(tier, 0), scored)
    entered = max(totals.new, scored)
    yield Figure(
        name=COST_PER_LEAD,
        kind=Kind.PER_LEAD,
        unit=Unit.MICROS,
        good=Good.DOWN,
        value=totals.cost_micros / scored,
        leads=entered,
        kept=scored / entered,
    )


def _share(name: str, good: Good, part: int, whole: int) -> Figure:
    return Figure(name=name, kind=Kind.SHARE, unit=Unit.PERCENT, good=good, value=part / whole, leads=whole)
