"""How a stage run ends: what leads that were not worked on get, what the batch becomes, and the report (spec 2.4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.money import usd_text
from socialanalyzer_dagster.domain.outcomes import ItemResult, skipped
from socialanalyzer_dagster.domain.refusals import (
    BatchStopped,
    BudgetExceeded,
    JobStillRunning,
    ProviderUnavailable,
    Refusal,
    UnknownPrice,
)
from socialanalyzer_dagster.domain.sentences import leads
from socialanalyzer_dagster.domain.types import STAGES, Stage
from socialanalyzer_dagster.pipeline.batch_finish import Ending, is_still_capped
from socialanalyzer_dagster.pipeline.batch_status import CANCELLED, BatchStatus
from socialanalyzer_dagster.pipeline.cap_news import tell_refused
from socialanalyzer_dagster.pipeline.counters import StageCounters, stage_counters, verify
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.pipeline.resume_questions import ask_to_resume
from socialanalyzer_dagster.pipeline.runner_waits import fill_rest, wait_for_missed, wait_for_provider
from socialanalyzer_dagster.storage import batch_figures, batches, found_items, outcome_sets, outcomes
from socialanalyzer_dagster.storage.outcome_sets import LATEST_POSITION
from socialanalyzer_dagster.storage.statistics import refresh_statistics

_MANY_LEADS = 100
"""Stored by one stage run: from here on it pays that the database knows of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEnd:
    """Why the work ended (`reason` None: everything was done), leads stored, and the last position it was to reach."""

    reason: Refusal | None
    worked: int
    within: int = LATEST_POSITION


@dataclass(frozen=True, slots=True, kw_only=True)
class StageReport:
    """What a materialization shows.

    `counters` count the whole batch, `worked` only the leads of this run. `halt` is a sentence when the batch waits or
    was ended early, None when the next stage may go on. `items` is filled at discovered. Money is of this stage of the
    batch, all runs together; seconds are work time per lead, None when nothing was measured.
    """

    stage: Stage
    status: str
    counters: StageCounters
    worked: int
    spend_micros: int
    reused_micros: int
    seconds_p50: float | None
    seconds_p95: float | None
    halt: str | None = None
    capped: str | None = None
    items: Mapping[ItemResult, int] = field(default_factory=dict)
    rules: tuple[str, ...] = ()
    """What rules chose after the stage."""

    @property
    def yield_rate(self) -> float | None:
        """Passed / entered; None when nobody entered."""
        return self.counters.passed / self.counters.entered if self.counters.entered else None

    @property
    def micros_per_lead(self) -> float | None:
        """Spend / leads the stage judged, whatever the judgement; None when it judged none (I-58)."""
        judged = self.counters.accounted - self.counters.skipped
        return self.spend_micros / judged if judged else None


def end_stage(batch: OpenBatch, stage: Stage, ended: StageEnd) -> StageReport:
    """Close a stage run; raises AccountingBroken when outcomes and leads do not add up."""
    halt = _halt(batch, stage, ended)
    database = batch.workplace.database
    if ended.worked >= _MANY_LEADS:
        refresh_statistics(database)
    with database.write() as connection:
        outcomes.settle_costs(connection, batch.row.batch_id)
        is_unbought = stage is Stage.DISCOVERED and ended.reason is not None
        if halt is None and not is_unbought:
            batches.end_stage(connection, batch.row.batch_id, stage, batch.workplace.clock.now())
    with database.read() as connection:
        is_out_of_date = batch.row.capped and not is_still_capped(connection, batch.row)
        counters = stage_counters(connection, batch.row.batch_id)
    verify(counters)
    if is_out_of_date:
        batch.forget_cap()
    if ended.reason is None:
        forget_ended_wait(batch)
    if halt is None:
        wait_for_missed(batch, stage)
    if halt is None and not counters[stage].goes_on and not batch.refresh().is_terminal:
        out_of_reach = batch.reach.out_of_reach and batch.row.waits_for is None
        halt = _wait_for_vendors(batch, stage) if out_of_reach else None
        if halt is None and _is_empty(counters, stage):
            _finish_empty(batch)
    return stage_report(batch, stage, ended.worked, halt=halt)


def forget_ended_wait(batch: OpenBatch) -> None:
    """Work was done to its end: the batch waits for a vendor only where leads were skipped because of it."""
    if batch.row.waits_for is None:
        return
    with batch.workplace.database.read() as connection:
        still_waits = outcome_sets.waits_for_vendor(connection, batch.row.batch_id)
    if not still_waits:
        batch.forget_wait()


def _halt(batch: OpenBatch, stage: Stage, ended: StageEnd) -> str | None:
    """Carry out what the reason asks for; the sentence when the batch does not go on."""
    reason = ended.reason
    if reason is None:
        return None
    if isinstance(reason, BudgetExceeded):
        _skip_for_money(batch, stage, reason, ended.within)
        return None
    if isinstance(reason, ProviderUnavailable) and reason.retry_at is not None:
        return wait_for_provider(batch, stage, reason, until=reason.retry_at, within=ended.within)
    batch.halt()
    if isinstance(reason, BatchStopped):
        return _stop(batch, reason)
    if isinstance(reason, JobStillRunning):
        sentence = f"{reason}; the batch goes on by itself when it is done"
        batch.become(BatchStatus.AWAITING_PROVIDER, sentence)
        return sentence
    todo = "add the price" if isinstance(reason, UnknownPrice) else "put that right"
    sentence = f"{reason}; {todo} and retry the batch: nothing done so far is lost or paid again"
    batch.become(BatchStatus.PAUSED, sentence)
    if isinstance(reason, ProviderUnavailable):
        ask_to_resume(batch, stage, reason)
    return sentence


def _skip_for_money(batch: OpenBatch, stage: Stage, reason: BudgetExceeded, within: int) -> None:
    left = 0
    if stage is not Stage.DISCOVERED:
        caps = {"cap_micros": reason.cap_micros, "needed_micros": reason.needed_micros}
        left = fill_rest(batch, stage, skipped(stage, "budget_stopped", scope=reason.scope, **caps), within)
    batch.mark_capped(capped_sentence(stage, reason, left))
    tell_refused(batch.workplace, batch.row, reason)


def capped_sentence(stage: Stage, reason: BudgetExceeded, left: int) -> str:
    """One plain sentence about a cap that was reached."""
    kind = reason.scope.split(":", maxsplit=1)[0].replace("-", " ")
    cap = f"the {kind} cap of {usd_text(reason.cap_micros)}"
    if stage is Stage.DISCOVERED:
        return (
            f"The search was not bought, because it may cost {usd_text(reason.needed_micros)} and {cap} has no room "
            "for it: raise the cap and run the batch again."
        )
    return (
        f"{leads(left)} could not be {stage}, because {cap} was reached: raise it and run the batch again to finish "
        "exactly those."
    )


def _stop(batch: OpenBatch, reason: BatchStopped) -> str:
    row = batch.refresh()
    if not row.stop_requested:  # the run lost its lock: whoever has it now decides about the batch
        return str(reason)
    ending = Ending(status=BatchStatus.STOPPED, cause=row.cause, now=batch.workplace.clock.now())
    batch.finish(ending)
    return batch.row.cause or str(reason)


def _is_empty(counters: Mapping[Stage, StageCounters], stage: Stage) -> bool:
    """True when no lead goes on from the stage and none is pending there or before."""
    up_to_here = STAGES[: STAGES.index(stage) + 1]
    return counters[stage].goes_on == 0 and not any(counters[each].pending for each in up_to_here)


def _wait_for_vendors(batch: OpenBatch, stage: Stage) -> str:
    """Nobody goes on because vendors could not be reached: that says nothing about the leads, so the batch waits."""
    sentence = (
        f"{' and '.join(batch.reach.out_of_reach)} could not be reached, so no lead could be {stage}: retry the batch "
        "when the connection is back; nothing done so far is lost or paid again"
    )
    batch.halt()
    batch.become(BatchStatus.PAUSED, sentence)
    return sentence


def _finish_empty(batch: OpenBatch) -> None:
    row = batch.refresh()
    has_more = row.capped or row.waits_for is not None
    status = BatchStatus.COMPLETED if has_more else BatchStatus.COMPLETED_EMPTY
    ending = Ending(status=status, cause=row.cause, now=batch.workplace.clock.now())
    batch.finish(ending)
    batch.halt()


def pause_cancelled(batch: OpenBatch) -> None:
    """The batch's state after its run was cancelled: stopped when a person stopped it, else paused."""
    with batch.workplace.database.write() as connection:
        outcomes.settle_costs(connection, batch.row.batch_id)
    row = batch.refresh()
    batch.halt()
    if row.is_terminal:
        return
    if row.stop_requested:
        ending = Ending(status=BatchStatus.STOPPED, cause=row.cause, now=batch.workplace.clock.now())
        batch.finish(ending)
        return
    batch.become(BatchStatus.PAUSED, CANCELLED)


def stage_report(batch: OpenBatch, stage: Stage, worked: int, *, halt: str | None = None) -> StageReport:
    """The report of a stage as it stands."""
    row = batch.refresh()
    with batch.workplace.database.read() as connection:
        counters = stage_counters(connection, row.batch_id)
        spend, reused = batch_figures.stage_money(connection, row.batch_id, stage)
        seconds = outcomes.seconds_per_lead(connection, row.batch_id, stage)
        items = _items(connection, row.batch_id) if stage is Stage.DISCOVERED else {}
    if halt is None and batch.is_halted:
        halt = row.cause or f"the batch is {row.status}"
    return StageReport(
        stage=stage,
        status=row.status,
        counters=counters[stage],
        worked=worked,
        spend_micros=spend,
        reused_micros=reused,
        seconds_p50=percentile(seconds, 0.50),
        seconds_p95=percentile(seconds, 0.95),
        halt=halt,
        capped=row.cause if row.capped else None,
        items=items,
    )


def _items(connection: Connection, batch_id: str) -> Mapping[ItemResult, int]:
    return found_items.item_counts(connection, batch_id)


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value below which a share of the values lies (nearest rank); None without values."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
