"""A batch beside the batches that completed before it, of its preset where there are enough, else of its platform."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import TypeAlias

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.baseline_texts import comparison_text
from socialanalyzer_dagster.domain.baselines import Comparison, Figure, Grade, compared, worse_than_usual
from socialanalyzer_dagster.domain.batch_metrics import BatchTotals, figures_of, names_of
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.types import STAGES, PlatformKey, Stage
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.storage import batch_totals, batches, presets
from socialanalyzer_dagster.storage.batches import Batch

_TotalsOf: TypeAlias = Callable[[Connection, Sequence[str]], dict[str, BatchTotals]]
_CUT_SHORT = frozenset({BatchStatus.FAILED, BatchStatus.STOPPED})


def comparisons(connection: Connection, batch: Batch, policy: Policy) -> list[Comparison]:
    """Every figure that the batch gives so far, beside its baseline (spec 14.3, 14.4); eight queries."""
    return _compared(connection, batch, policy, batch_totals.totals_of)


def stage_comparisons(connection: Connection, batch: Batch, policy: Policy, stage: Stage) -> list[Comparison]:
    """As `comparisons`, only what stands when a stage has ended: scores and costs are read for the last one alone."""
    totals_of = batch_totals.totals_of if stage is Stage.SCORED else partial(batch_totals.stage_totals_of, stage=stage)
    return of_stage(_compared(connection, batch, policy, totals_of), stage)


def _compared(connection: Connection, batch: Batch, policy: Policy, totals_of: _TotalsOf) -> list[Comparison]:
    since = batch.created_at - timedelta(days=policy.metrics.window_days)
    earlier = batch_totals.completed_between(connection, PlatformKey(batch.platform), since, batch.created_at)
    totals = totals_of(connection, [*(each.batch_id for each in earlier), batch.batch_id])
    own = totals.pop(batch.batch_id)
    figures = {batch_id: figures_of(each, policy) for batch_id, each in totals.items()}
    of_preset = [each.batch_id for each in earlier if each.preset_id is not None and each.preset_id == batch.preset_id]
    preset = presets.preset_by_id(connection, batch.preset_id) if batch.preset_id is not None and of_preset else None
    by_platform = _values(figures, [each.batch_id for each in earlier])
    by_preset = _values(figures, of_preset)
    found = []
    for name, figure in figures_of(own, policy).items():
        narrow = None
        if preset is not None:
            narrow = compared(figure, by_preset[name], f"preset {preset.name}", policy.metrics)
        if narrow is None or narrow.grade is Grade.NO_BASELINE:
            narrow = compared(figure, by_platform[name], f"all batches on {batch.platform}", policy.metrics)
        found.append(narrow)
    return found


def of_stage(found: Sequence[Comparison], stage: Stage) -> list[Comparison]:
    """Those that stand when a stage has ended; the scored stage has those of the whole batch beside its own."""
    others = frozenset[str]().union(*(names_of(each) for each in Stage if each is not stage))
    wanted = [each for each in found if each.figure.name not in others]
    return wanted if stage is Stage.SCORED else [each for each in wanted if each.figure.name in names_of(stage)]


def deviations(connection: Connection, batch: Batch, policy: Policy) -> tuple[str, ...]:
    """Sentences about what is worse than usual, for the batch's summary (spec 14.1, 14.4); () when nothing is.

    Only stages that have ended are looked at, and no batch that a cap, a stop or a failure cut short: its figures are
    not those of a whole search.
    """
    progress = batches.stage_progress(connection, batch.batch_id)
    ended = [stage for stage, each in progress.items() if each.finished_at is not None]
    if not ended or batch.capped or batch.status in _CUT_SHORT:
        return ()
    found = comparisons(connection, batch, policy)
    usual = (each for stage in STAGES if stage in ended for each in of_stage(found, stage))
    return tuple(map(comparison_text, worse_than_usual(list(usual))))


def _values(figures: dict[str, dict[str, Figure]], batch_ids: Sequence[str]) -> dict[str, list[float]]:
    values: dict[str, list[float]] = defaultdict(list)
    for batch_id in batch_ids:
        for name, figure in figures[batch_id].items():
            values[name].append(figure.value)
    return values
