"""The asset checks that hold a batch against what is usual for its preset or platform; none of them blocks (14.4)."""

import warnings
from collections.abc import Sequence

import dagster as dg

from socialanalyzer_dagster.checks.batch_checks import STAGE_ASSETS
from socialanalyzer_dagster.domain.baseline_texts import comparison_text
from socialanalyzer_dagster.domain.baselines import Comparison, Grade, worse_than_usual
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.pipeline.regressions import compared_stage
from socialanalyzer_dagster.resources.pipeline import DatabaseResource

_STAGES = (Stage.DISCOVERED, Stage.SCREENED, Stage.ENRICHED, Stage.ANALYZED, Stage.SCORED)


def baseline_checks() -> list[dg.AssetChecksDefinition]:
    """One per stage, made in a factory because partitioned checks are a preview of Dagster."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [_figures_usual(stage) for stage in _STAGES]


def _figures_usual(stage: Stage) -> dg.AssetChecksDefinition:
    @dg.asset_check(name="figures_usual", asset=STAGE_ASSETS[stage], blocking=False, partitions_def=LEAD_BATCHES)
    def figures_usual(context: dg.AssetCheckExecutionContext, database: DatabaseResource) -> dg.AssetCheckResult:
        """No figure of this stage is worse than usual: a quarter worse warns, half is an error, each beyond chance.

        Usual is the median of the batches of the last 30 days: of the preset where there are enough, else of the
        platform. A figure that got worse little by little warns too.
        """
        with database.opened() as opened:
            found = compared_stage(opened, context.partition_key, stage)
        return _result(context.partition_key, found)

    return figures_usual


def _result(key: str, found: Sequence[Comparison]) -> dg.AssetCheckResult:
    worse = worse_than_usual(found)
    is_error = any(each.is_bad and each.grade is Grade.SIGNIFICANT for each in worse)
    told = " ".join(map(comparison_text, worse))
    return dg.AssetCheckResult(
        passed=not worse,
        severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
        description=told or _nothing_worse(found),
        metadata={"batch": key, "figures": dg.MetadataValue.md(_table(found)), **_numbers(found)},
    )


def _nothing_worse(found: Sequence[Comparison]) -> str:
    known = [each for each in found if each.baseline is not None]
    if not known:
        return "There is no baseline yet: too few batches completed in the last weeks."
    return f"None of {len(known)} figures is worse than usual."


def _table(found: Sequence[Comparison]) -> str:
    rows = [f"- {comparison_text(each)}" for each in found]
    return "\n".join(rows) or "No figure yet."


def _numbers(found: Sequence[Comparison]) -> dict[str, float]:
    """Plotted over time on the check's page."""
    values = {each.figure.name: float(each.figure.value) for each in found}
    usual = {f"{each.figure.name}_usual": each.baseline.middle for each in found if each.baseline is not None}
    return {**values, **usual}
