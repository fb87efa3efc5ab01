"""The stage runner: brings a batch's leads up to date at one stage, and every lead's outcome to the database (2.2)."""

import asyncio
import logging
from collections.abc import Awaitable, Mapping

from socialanalyzer_dagster.domain.log_fields import logged_as
from socialanalyzer_dagster.domain.outcomes import skipped
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.refusals import BatchStopped, Refusal
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.enriched_lookup import with_crm_lookup
from socialanalyzer_dagster.pipeline.gate_stops import is_held_at, until_gate
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.pipeline.outcome_writes import Finished, StoreResults
from socialanalyzer_dagster.pipeline.preconditions import check_preconditions
from socialanalyzer_dagster.pipeline.progress import Progress, ProgressMeter, Report
from socialanalyzer_dagster.pipeline.runner_buffer import BufferParts, ResultBuffer
from socialanalyzer_dagster.pipeline.runner_end import StageEnd, StageReport, end_stage, pause_cancelled, stage_report
from socialanalyzer_dagster.pipeline.runner_pool import Pool, PoolParts
from socialanalyzer_dagster.pipeline.runner_work import Source
from socialanalyzer_dagster.pipeline.stage_gates import within_canary
from socialanalyzer_dagster.pipeline.traces import span
from socialanalyzer_dagster.platforms.base import Platform, Process
from socialanalyzer_dagster.storage import batches, outcome_fills, outcome_sets
from socialanalyzer_dagster.storage.outcome_fills import Fill
from socialanalyzer_dagster.storage.outcome_sets import Pending

_LOG = logging.getLogger(__name__)
_WINDOW = 100


class MissingCheckpoint(RuntimeError):
    """The stage before never ended for this batch: nothing starts over by itself (I-37)."""


def log_progress(progress: Progress) -> None:
    """The default way to tell how far a stage is."""
    _LOG.info(progress.sentence)


async def run_stage(batch: OpenBatch, stage: Stage, tell: Report = log_progress) -> StageReport:
    """Work on the pending leads of screened, enriched, analyzed or scored; discovery has its own function.

    A lead that has an outcome is not done again; one that failed retryably, or was skipped for the money, a vendor or a
    stop, is. Raises MissingCheckpoint before discovery has ended, StorageFault when the database fails, CancelledError
    after letting calls in flight settle. Everything else is in the report: `halt` says why the batch waits or ended.
    """
    with logged_as(stage=stage.value), span(f"stage {stage.value}"):
        return await until_gate(batch, await _bring_up_to_date(batch, stage, tell))


async def _bring_up_to_date(batch: OpenBatch, stage: Stage, tell: Report) -> StageReport:
    if batch.is_halted:
        return await asyncio.to_thread(stage_report, batch, stage, 0)
    pending = await asyncio.to_thread(_pending, batch, stage)
    if await asyncio.to_thread(is_held_at, batch, stage):
        return await asyncio.to_thread(stage_report, batch, stage, 0)
    waiting = await asyncio.to_thread(_prepare, batch, stage, pending)
    if not waiting:
        return await asyncio.to_thread(stage_report, batch, stage, 0)
    run = _StageRun(batch, stage, pending, waiting, tell)
    try:
        await check_preconditions(batch, stage)
        await run.work()
    except Refusal as refused:
        ended = StageEnd(reason=refused, worked=0, within=pending.within)
        return await asyncio.to_thread(end_stage, batch, stage, ended)
    except asyncio.CancelledError:
        await shielded(asyncio.to_thread(pause_cancelled, batch))
        raise
    return await asyncio.to_thread(run.close)


def _pending(batch: OpenBatch, stage: Stage) -> Pending:
    discovered = _progress(batch).get(Stage.DISCOVERED)
    if discovered is None or discovered.finished_at is None:
        raise MissingCheckpoint(f"discovery of batch {batch.row.partition_key} has not ended; materialize it first")
    with batch.workplace.database.read() as connection:
        within = within_canary(connection, batch.refresh())
    return Pending(batch_id=batch.row.batch_id, stage=stage, within=within)


def _progress(batch: OpenBatch) -> Mapping[Stage, batches.StageProgress]:
    with batch.workplace.database.read() as connection:
        return batches.stage_progress(connection, batch.row.batch_id)


def _prepare(batch: OpenBatch, stage: Stage, pending: Pending) -> int:
    """Open the stage when there is something to do; returns how many leads wait."""
    now = batch.workplace.clock.now()
    with batch.workplace.database.write() as connection:
        if stage is Stage.SCREENED and not batch.row.is_terminal:
            last = outcome_sets.position_of_rank(connection, batch.row.batch_id, stage, batch.row.max_leads)
            if last is not None:
                over = Fill(of=batch.of(stage), outcome=skipped(stage, "over_lead_cap"), now=now, after_position=last)
                outcome_fills.fill(connection, over)
        waiting = outcome_sets.count_pending(connection, pending)
    if waiting:
        batch.begin(stage)
        with batch.workplace.database.write() as connection:
            batches.begin_stage(connection, batch.row.batch_id, stage, total=waiting, now=now)
    return waiting


class _StageRun:
    """One run of one stage over its pending leads."""

    def __init__(self, batch: OpenBatch, stage: Stage, pending: Pending, waiting: int, tell: Report) -> None:
        self._batch = batch
        self._stage = stage
        runtime = batch.policy.runtime
        self._meter = ProgressMeter(
            stage,
            total=waiting,
            clock=batch.workplace.clock,
            report=tell,
        )
        self._spent_before = batch.spent_micros
        self.worked = 0
        parts = BufferParts(writer=batch.writer, runtime=runtime, write=self._write, stored=self._count)
        self._buffer = ResultBuffer(parts)
        size = batch.policy.enrichment.chunk_size if stage is Stage.ENRICHED else 1
        width = leads_in_work(batch.policy, stage)
        self._width = max(1, width // size)
        self._source = Source(
            database=batch.workplace.database,
            of=batch.of(stage),
            pending=pending,
            chunk_size=size,
            window=max(_WINDOW, size),
        )
        self._pool = Pool(
            PoolParts(
                stage=stage,
                process=process_of(batch.platform, stage),
                context=batch.context(stage),
                buffer=self._buffer,
                brake=batch.brake,
                reload=self._source.reload,
            )
        )

    async def work(self) -> None:
        """Everything that can be done now; all results are committed when it returns or raises."""
        telling = asyncio.create_task(self._tell_regularly(), name="progress")
        try:
            await self._pool.run(self._source.chunks(), self._width)
        finally:
            telling.cancel()
            await shielded(self._buffer.drain())
        self._meter.tell(self._spent)

    def close(self) -> StageReport:
        """Write what concerns the leads that were not worked on, and say how the stage ended."""
        reason: Refusal | None = self._pool.halt or self._pool.budget
        if self._batch.brake.is_pulled and reason is None:
            reason = BatchStopped(self._batch.brake.reason or "stopped")
        ended = StageEnd(reason=reason, worked=self.worked, within=self._source.pending.within)
        return end_stage(self._batch, self._stage, ended)

    @property
    def _spent(self) -> int:
        return self._batch.spent_micros - self._spent_before

    def _write(self, group: tuple[Finished, ...]) -> StoreResults:
        return StoreResults(
            of=self._source.of,
            policy_hash=self._batch.row.policy_hash,
            email_key=self._batch.email_key,
            group=group,
        )

    def _count(self, group: tuple[Finished, ...]) -> None:
        for finished in group:
            self._batch.reach.ended(finished.result.uid, finished.result.outcome)
        self.worked += len(group)
        self._meter.advance(len(group))

    async def _tell_regularly(self) -> None:
        while True:
            self._meter.tell(self._spent)
            await asyncio.sleep(self._batch.policy.runtime.progress_seconds)


def leads_in_work(policy: Policy, stage: Stage) -> int:
    """How many leads are worked on at once; many where their model calls are gathered into batches."""
    analysis = policy.analysis
    if stage is Stage.ANALYZED and analysis.mode == "batch":
        return analysis.model_batch.leads_in_work
    return policy.limits.leads_in_work[stage]


async def shielded(work: Awaitable[None]) -> None:
    """Let it end even when this task is cancelled meanwhile."""
    await asyncio.shield(asyncio.ensure_future(work))


def process_of(platform: Platform, stage: Stage) -> Process:
    """The platform's function of a stage; raises KeyError for discovered and synced, which are no lead-by-lead work."""
    by_stage: Mapping[Stage, Process] = {
        Stage.SCREENED: platform.screen,
        Stage.ENRICHED: with_crm_lookup(platform.enrich),
        Stage.ANALYZED: platform.analyze,
        Stage.SCORED: platform.score,
    }
    return by_stage[stage]
