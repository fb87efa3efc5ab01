"""The asset checks that hold a batch against what is usual for its preset or platform; none of them blocks (14.4)."""

from collections.abc import Sequence
from functools import partial

import dagster as dg

from socialanalyzer_dagster.checks.batch_checks import STAGE_ASSETS
from socialanalyzer_dagster.checks.check_groups import CheckOf, CheckVerdict
from socialanalyzer_dagster.domain.baseline_texts import comparison_text
from socialanalyzer_dagster.domain.baselines import Comparison, Grade, worse_than_usual
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.regressions import compared_stage
from socialanalyzer_dagster.storage.database import Database

_STAGES = (Stage.DISCOVERED, Stage.SCREENED, Stage.ENRICHED, Stage.ANALYZED, Stage.SCORED)


def baseline_checks() -> list[CheckOf]:
    """One per stage."""
    return [
        CheckOf(
            name=figures_usual.__name__,
            asset=STAGE_ASSETS[stage],
            about=figures_usual.__doc__,
            look=partial(figures_usual, stage=stage),
            blocking=False,
        )
        for stage in _STAGES
    ]


def figures_usual(database: Database, key: str, *, stage: Stage) -> CheckVerdict:
    """No figure of this stage is worse than usual: a quarter worse warns, half is an error, each beyond chance.

    Usual is the median of the batches of the last 30 days: of the preset where there are enough, else of the
    platform. A figure that got worse little by little warns too.
    """
    found = compared_stage(database, key, stage)
    worse = worse_than_usual(found)
    told = " ".join(map(comparison_text, worse))
    return CheckVerdict(
        passed=not worse,
        is_error=any(each.is_bad and each.grade is Grade.SIGNIFICANT for each in worse),
        sentence=told or _nothing_worse(found),
        figures={"batch": key, "figures": dg.MetadataValue.md(_table(found)), **_numbers(found)},
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
