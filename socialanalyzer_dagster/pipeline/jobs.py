"""A paid vendor job from its purchase or resumption to its last item: polled, read page by page, settled (I-25)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Generic, TypeVar, cast

from socialanalyzer_dagster.domain.calls import ErrorClass, JobState, JobStatus, VendorError, VendorJob
from socialanalyzer_dagster.domain.operations import OPERATIONS
from socialanalyzer_dagster.domain.ports import Answer, CallFailed
from socialanalyzer_dagster.domain.refusals import BatchStopped, JobStillRunning, ProviderUnavailable
from socialanalyzer_dagster.domain.types import JsonObject, JsonValue, Stage
from socialanalyzer_dagster.pipeline.gate_calls import Desk, decoded, outcome_unknown
from socialanalyzer_dagster.pipeline.gate_parts import CallKeys, CallSite, Sending
from socialanalyzer_dagster.pipeline.gate_purchase import Purchase, Purchased
from socialanalyzer_dagster.pipeline.gate_rereads import EndedJob, Rereads
from socialanalyzer_dagster.pipeline.job_abort import aborted
from socialanalyzer_dagster.storage.attempts import Attempt, packed
from socialanalyzer_dagster.storage.vendor_jobs import (
    FindJob,
    JobHistory,
    JobPhase,
    SaveJob,
    SavePage,
    StoredVendorJob,
    load_items,
)

T = TypeVar("T")
U = TypeVar("U")
Book = Callable[[Attempt, Sequence[JsonObject]], Awaitable[int]]
"""Books the items of a job one by one under attempts of their own; returns what of the reservation is left."""
_STOPPED, _TOOK_TOO_LONG = "stopped", "took_too_long"
_PASSING = frozenset({ErrorClass.TRANSIENT, ErrorClass.THROTTLED, ErrorClass.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """How a job differs from the usual: its items are booked apart by `book`, or it is only resumed, never bought."""

    book: Book | None = None
    buys: bool = True


_USUAL = JobOptions()


class JobRun(Generic[T]):
    """One job of one stage, new or stored."""

    def __init__(
        self, desk: Desk, job: VendorJob[T], site: CallSite, keys: CallKeys, *, options: JobOptions = _USUAL
    ) -> None:
        self._desk = desk
        self._parts = desk.parts
        self._job = job
        self._site = site
        self._keys = keys
        self._operation = OPERATIONS[job.operation]
        self._purchase = Purchase(desk, job, site, keys)
        self._options = options
        self._is_over = asyncio.Event()
        self._waits_outside = job.outlives_runs or site.stage is Stage.DISCOVERED

    async def run(self, find: FindJob, rereads: Rereads) -> Answer[T]:
        """All items, decoded; raises CallFailed, the refusals, and JobStillRunning in discovery.

        Those of a job that ended early, or was ended because nobody waits for it any more, are handed over and called
        partial: they are paid for (vendor-contracts 4.1). Only a job that ended without any may be bought again.
        """
        history, resumed = await self._known(find)
        stored = history.job
        if resumed is None and stored is not None and stored.phase is JobPhase.READ and stored.settled:
            return await self._reused(stored)
        async with AsyncExitStack() as slots:
            slots.callback(self._is_over.set)
            bought = resumed or await self._begun(history, slots)
            status = await self._ended_or_stopped(bought, rereads)
            await self._settle_reported(bought.attempt, status, rereads)
            items = await self._items(bought.attempt, status, stored)
        cost = await self._settle_counted(bought.attempt, status, items, rereads)
        if status.state is JobState.FAILED and not items:
            await self._save(bought.attempt, JobPhase.FAILED)
            if stored is not None and stored.error_code == _STOPPED:  # by a person, who asks for it again now
                return await self.run(find, rereads)
            raise CallFailed(VendorError(self._operation.vendor, ErrorClass.TRANSIENT, _reason(status) or ""))
        return Answer(
            value=self._decoded(items),
            attempt_key=bought.attempt.attempt_key,
            cost_micros=cost,
            reused=False,
            fetched_at=self._parts.clock.now(),
            partial=_reason(status),
        )

    async def _known(self, find: FindJob) -> tuple[JobHistory, Purchased | None]:
        """What is stored about the request once every interrupted start is cleared up, and the job one of them began.

        A start that came to nothing may stand beside a job that was bought after it: that one is found then.
        """
        history: JobHistory = await self._parts.writer.submit(find)
        while (stored := history.job) is not None and stored.job_id is None:
            if resumed := await self._purchase.resume(stored):
                return history, resumed
            history = await self._parts.writer.submit(find)
        return history, None

    async def _begun(self, history: JobHistory, slots: AsyncExitStack) -> Purchased:
        stored = history.job
        if stored is not None and stored.job_id is not None:
            status = JobStatus(job_id=stored.job_id, state=JobState.RUNNING, dataset_id=stored.dataset_id)
            return Purchased(stored.attempt, status)
        if not self._options.buys:
            raise CallFailed(VendorError(self._operation.vendor, ErrorClass.TRANSIENT, "never_started", sent=False))
        return await self._purchase.buy(history.calls, slots)

    async def _ended_or_stopped(self, bought: Purchased, rereads: Rereads) -> JobStatus:
        """The terminal status; the meter of a job whose batch is stopped is stopped too, and what it cost is booked."""
        try:
            return await self._ended(bought)
        except BatchStopped:
            await self._stop(bought, rereads)
            raise

    async def _stop(self, bought: Purchased, rereads: Rereads) -> None:
        """Abort the job and book what it reports once it has ended.

        It stays open: the next run that wants it reads what it holds instead of buying another. One that cannot be
        aborted, or does not say what it cost, goes on and is billed: its worst case becomes unknown until that run.
        """
        status = await self._aborted(bought, _STOPPED)
        if status is None or status.reported_micros is None:
            await self._desk.till.lose(bought.attempt, _STOPPED)
            return
        await self._settle_reported(bought.attempt, status, rereads)
        await self._save(bought.attempt, JobPhase.SUCCEEDED, status)

    async def _ended(self, bought: Purchased) -> JobStatus:
        """The terminal status; polls until then, at most as long as the policy lets a run wait."""
        status, discovery = bought.status, self._parts.policy.discovery
        began = self._parts.monotonic()
        while status.state is JobState.RUNNING:
            polled = await self._poll(bought)
            status = replace(polled, dataset_id=polled.dataset_id or status.dataset_id)
            if status.state is not JobState.RUNNING:
                break
            if self._parts.monotonic() - began >= discovery.wait_seconds:
                return await self._too_long(bought)
            await self._parts.sleep(float(discovery.poll_seconds))
            await self._parts.stop_flags.check(self._site.batch.batch_id)
        return status

    async def _poll(self, bought: Purchased) -> JobStatus:
        job_id = bought.status.job_id
        return await self._read(bought.attempt, job_id, partial(self._job.poll, job_id))

    async def _read(self, attempt: Attempt, job_id: str, send: Callable[[], Awaitable[U]]) -> U:
        try:
            return await self._desk.read(self._purchase.reads, self._site, send)
        except CallFailed as failure:
            raise await self._interrupted(attempt, job_id, failure) from failure
        except ProviderUnavailable as away:
            if away.retry_at is None:
                raise
            error = VendorError(away.vendor, ErrorClass.TRANSIENT, away.code)
            raise await self._interrupted(attempt, job_id, CallFailed(error)) from away

    async def _too_long(self, bought: Purchased) -> JobStatus:
        """The status of the job once it is ended for taking so long; one that cannot be ended stays open, unknown."""
        job_id, age = bought.status.job_id, self._parts.clock.now() - bought.attempt.reserved_at
        give_up = timedelta(hours=self._parts.policy.discovery.give_up_hours)
        if self._waits_outside and age < give_up:
            raise JobStillRunning(self._operation.vendor, job_id)
        if (status := await self._aborted(bought, _TOOK_TOO_LONG)) is not None:
            return status
        await self._desk.till.lose(bought.attempt, _TOOK_TOO_LONG)
        raise outcome_unknown(VendorError(self._operation.vendor, ErrorClass.TRANSIENT, _TOOK_TOO_LONG))

    async def _aborted(self, bought: Purchased, why: str) -> JobStatus | None:
        """The terminal status of a job that is ended early, with our reason for it; None when it goes on."""
        status = await aborted(cast("VendorJob[object]", self._job), bought.status.job_id, self._parts.sleep)
        return replace(status, reason=why) if status is not None and status.state is JobState.FAILED else status

    async def _items(self, attempt: Attempt, status: JobStatus, stored: StoredVendorJob | None) -> list[JsonObject]:
        """Every item of the job, from the stored pages and the pages still to read."""
        readable = status.state is JobState.SUCCEEDED or status.dataset_id is not None
        if readable and (stored is None or stored.phase is not JobPhase.READ):
            if stored is None or stored.phase is not JobPhase.SUCCEEDED:
                await self._save(attempt, JobPhase.SUCCEEDED, status)
            await self._read_pages(attempt, status, (stored.next_offset if stored else None) or 0)
        return await asyncio.to_thread(self._load, attempt.attempt_key)

    async def _read_pages(self, attempt: Attempt, status: JobStatus, first_offset: int) -> None:
        offset: int | None = first_offset
        while offset is not None:
            page = await self._read(attempt, status.job_id, partial(self._job.page, status, offset))
            if page.next_offset is not None and page.next_offset <= offset:
                error = VendorError(self._operation.vendor, ErrorClass.PERMANENT_ITEM, "paging_does_not_advance")
                raise await self._interrupted(attempt, status.job_id, CallFailed(error))
            write = SavePage(
                attempt_key=attempt.attempt_key,
                offset=offset,
                body=packed(list(page.items)),
                next_offset=page.next_offset,
            )
            await self._parts.writer.submit(write)
            offset = page.next_offset

    async def _interrupted(self, attempt: Attempt, job_id: str, failure: CallFailed) -> Exception:
        """What to raise when a running job cannot be read: some wait outside the run, others count it as lost."""
        if self._waits_outside and failure.error.error_class in _PASSING:
            return JobStillRunning(self._operation.vendor, job_id)
        await self._desk.till.lose(attempt, failure.error.code)
        return outcome_unknown(failure.error)

    async def _settle_reported(self, attempt: Attempt, status: JobStatus, rereads: Rereads) -> None:
        """Book the vendor's own figure before anything else can go wrong, and plan its second reading.

        A job that an earlier run booked already is corrected by what it reports now.
        """
        if status.reported_micros is not None:
            if not await self._desk.till.settle(attempt, status.reported_micros, error_code=_reason(status)):
                await self._desk.till.correct(attempt, status.reported_micros)
            self._read_cost_again(attempt, status, rereads)

    async def _settle_counted(
        self, attempt: Attempt, status: JobStatus, items: Sequence[JsonObject], rereads: Rereads
    ) -> int:
        """What the job itself cost: as reported, else the price of its items, beside those that are booked apart."""
        if status.reported_micros is not None:
            return status.reported_micros
        if self._options.book is not None:
            attempt = replace(attempt, reserved_micros=await self._options.book(attempt, items))
        units = self._job.units(len(items))
        cost = self._desk.till.billed(lambda: self._parts.prices.price(units), attempt.reserved_micros)
        await self._desk.till.settle(attempt, cost, error_code=_reason(status))
        self._read_cost_again(attempt, status, rereads)
        return cost

    def _read_cost_again(self, attempt: Attempt, status: JobStatus, rereads: Rereads) -> None:
        if self._job.reports_cost:
            ended = EndedJob(attempt, status.job_id, self._is_over)
            rereads.plan(cast("VendorJob[object]", self._job), self._site, ended)

    async def _reused(self, stored: StoredVendorJob) -> Answer[T]:
        items = await asyncio.to_thread(self._load, stored.attempt.attempt_key)
        value = self._decoded(items)
        sending = Sending(site=self._site, operation=self._operation, keys=self._keys, issue=1, worst_micros=0)
        saved = 0 if stored.attempt.batch_id == self._site.batch.batch_id else stored.cost_micros
        await self._desk.till.record_reuse(sending, stored.attempt.attempt_key, saved)
        return Answer(
            value=value,
            attempt_key=stored.attempt.attempt_key,
            cost_micros=0,
            reused=True,
            fetched_at=stored.finished_at or stored.created_at,
            partial=stored.error_code,
        )

    def _decoded(self, items: list[JsonObject]) -> T:
        return decoded(self._job.decode, self._operation.vendor, cast("JsonValue", items))

    def _load(self, attempt_key: str) -> list[JsonObject]:
        with self._parts.database.read() as connection:
            return load_items(connection, attempt_key)

    async def _save(self, attempt: Attempt, phase: JobPhase, status: JobStatus | None = None) -> None:
        write = SaveJob(
            attempt_key=attempt.attempt_key,
            phase=phase,
            polled_at=self._parts.clock.now(),
            dataset_id=status.dataset_id if status else None,
        )
        await self._parts.writer.submit(write)


def _reason(status: JobStatus) -> str | None:
    if status.state is not JobState.FAILED:
        return None
    return status.reason or "job_failed"
