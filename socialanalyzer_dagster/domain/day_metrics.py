"""What several batches came to together: ratios are ratios of sums (spec 14.3)."""

from collections import Counter
from collections.abc import Iterable, Sequence

from socialanalyzer_dagster.domain.batch_metrics import BatchTotals, StageTotals
from socialanalyzer_dagster.domain.types import STAGES, Stage


def summed(several: Sequence[BatchTotals]) -> BatchTotals:
    """The counts of several batches together, and the mean score of all their scored leads; spreads are left out."""
    with_score = [(each.scored, each.mean_score) for each in several if each.mean_score is not None]
    scored = sum(number for number, _ in with_score)
    tiers: Counter[str] = Counter()
    for each in several:
        tiers.update(each.tiers)
    return BatchTotals(
        found=sum(each.found for each in several),
        new=sum(each.new for each in several),
        stages={stage: _stage(each.of(stage) for each in several) for stage in STAGES},
        mean_score=sum(number * mean for number, mean in with_score) / scored if scored else None,
        tiers=dict(tiers),
        cost_micros=sum(each.cost_micros for each in several),
    )


def day_metrics(completed: Sequence[BatchTotals], *, enrolled: str) -> dict[str, float]:
    """The row of a day over the batches that completed in it; what nothing was counted for is left out.

    Shares lie in [0, 1], scores in [0, 1], amounts are micro-USD; `enrolled` names the best tier.
    """
    total = summed(completed)
    screened, synced = total.of(Stage.SCREENED), total.of(Stage.SYNCED).passed
    batches = len(completed)
    row: dict[str, float] = {"batches": batches, "cost_micros": total.cost_micros}
    row |= _ratio("yield_rate", screened.passed, screened.judged)
    row |= _ratio("avg_found", total.found, batches)
    row |= _ratio("avg_scored", total.scored, batches)
    row |= _ratio("avg_synced", synced, batches)
    row |= {} if total.mean_score is None else {"avg_score": round(total.mean_score, 4)}
    row |= _ratio(f"{enrolled}_rate", total.tiers.get(enrolled, 0), total.scored)
    row |= _ratio("funnel_conversion", synced, total.found)
    row |= _ratio("cost_per_lead_micros", total.cost_micros, synced)
    return row | _ratio("novelty_rate", total.new, total.found)


def _ratio(name: str, part: float, whole: float) -> dict[str, float]:
    return {name: round(part / whole, 4)} if whole else {}


def _stage(several: Iterable[StageTotals]) -> StageTotals:
    known = list(several)
    return StageTotals(
        judged=sum(each.judged for each in known),
        passed=sum(each.passed for each in known),
        failed=sum(each.failed for each in known),
        busy_seconds=sum(each.busy_seconds for each in known),
    )
