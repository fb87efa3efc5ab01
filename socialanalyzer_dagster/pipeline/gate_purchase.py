"""Buying a vendor job: stored before it is bought, its id stored at once, a lost start looked up first (I-25)."""

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from socialanalyzer_dagster.domain.calls import ErrorClass, JobStatus, VendorError, VendorJob
from socialanalyzer_dagster.domain.log_fields import logged_as
from socialanalyzer_dagster.domain.operations import OPERATIONS, Operation
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.pipeline.gate_calls import Again, Desk, lost_before, outcome_unknown
from socialanalyzer_dagster.pipeline.gate_doors import Passage, PermitLapsed
from socialanalyzer_dagster.pipeline.gate_flight import Flight, let_settle
from socialanalyzer_dagster.pipeline.gate_parts import CallKeys, CallSite, Sending
from socialanalyzer_dagster.pipeline.retries import Charge, Tries, charge_of
from socialanalyzer_dagster.pipeline.traces import call_span
from socialanalyzer_dagster.storage.attempts import Attempt, CallHistory
from socialanalyzer_dagster.storage.vendor_jobs import JobPhase, SaveJob, StoredVendorJob, known_job_ids

T = TypeVar("T")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Purchased:
    """A job that runs at the vendor under a stored id."""

    attempt: Attempt
    status: JobStatus


class Purchase(Generic[T]):
    """Starts one job, or finds one whose start was interrupted."""

    def __init__(self, desk: Desk, job: VendorJob[T], site: CallSite, keys: CallKeys) -> None:
        self._desk = desk
        self._parts = desk.parts
        self._job = job
        self._site = site
        self._keys = keys
        self._operation = OPERATIONS[job.operation]
        self._tries = Tries(self._parts.policy.retries)

    @property
    def reads(self) -> Operation:
        """The free operation that polls and reads this job."""
        return OPERATIONS[self._operation.reads or self._operation.key]

    async def buy(self, history: CallHistory, slots: AsyncExitStack) -> Purchased:
        """A new job; raises CallFailed and the refusals.

        Where starts have a bucket of their own, its slot is the running job: `slots` frees it when the job has ended.
        """
        if not self._desk.till.may_repeat_lost(self._operation, history):
            raise outcome_unknown(lost_before(self._operation.vendor))
        worst = self._parts.prices.worst_case(self._operation.key, self._job.max_units)
        issue = history.issues
        while True:
            issue += 1
            sending = Sending(
                site=self._site, operation=self._operation, keys=self._keys, issue=issue, worst_micros=worst
            )
            passage = await self._desk.passage(self._operation, self._site)
            async with AsyncExitStack() as held:
                await held.enter_async_context(passage)
                result = await let_settle(
                    partial(self._start, sending, passage), self._parts.policy.runtime.settle_seconds
                )
                if isinstance(result, Purchased):
                    if self.reads.bucket != self._operation.bucket:
                        slots.push_async_callback(held.pop_all().aclose)
                    return result
            await self._parts.sleep(result.wait_seconds)
            await self._parts.stop_flags.check(self._site.batch.batch_id)

    async def resume(self, stored: StoredVendorJob) -> Purchased | None:
        """The job of an interrupted start; None when it does not run at the vendor, or nobody can tell.

        Raises CallFailed with `outcome_unknown` when the vendor cannot be asked now.
        """
        status = await self._found(stored.attempt) if self._job.find is not None else None
        if status is not None:
            return await self._stored(stored.attempt, status)
        if self._job.find is not None:
            await self._desk.till.release(stored.attempt, "never_started")
        else:
            await self._desk.till.lose(stored.attempt, "interrupted")
        await self._save(stored.attempt, JobPhase.FAILED)
        return None

    async def _start(self, sending: Sending, passage: Passage, flight: Flight) -> Purchased | Again:
        try:
            attempt = await self._desk.reserved(sending, passage, flight, job_request=self._job.request)
        except PermitLapsed:
            return Again(0.0)
        with logged_as(attempt_key=attempt.attempt_key), call_span(self._operation):
            return await self._sent(attempt, passage)

    async def _sent(self, attempt: Attempt, passage: Passage) -> Purchased | Again:
        try:
            status = await self._job.start(attempt.reserved_micros)
            passage.answered()
            return await self._stored(attempt, status)
        except VendorError as error:
            passage.failed(error)
            return await self._failed(attempt, error)
        except BaseException:  # the row stays planned, so that the next run looks for the job
            await self._desk.till.lose(attempt, "interrupted")
            raise

    async def _failed(self, attempt: Attempt, error: VendorError) -> Purchased | Again:
        if charge_of(self._operation, error) is Charge.NONE:
            await self._desk.till.release(attempt, error.code)
            await self._save(attempt, JobPhase.FAILED)
            return Again(self._desk.judge(self._operation, self._site, error, self._tries))
        await self._desk.till.lose(attempt, error.code)
        _LOG.warning("whether %s was charged is not known after %s", self._operation.key, error)
        if self._job.find is None:
            raise outcome_unknown(error) from error
        await self._parts.sleep(self._tries.backoff_seconds())
        if status := await self._found(attempt):
            return await self._stored(attempt, status)
        await self._desk.till.release(attempt, "never_started")
        await self._save(attempt, JobPhase.FAILED)
        again = VendorError(error.vendor, ErrorClass.TRANSIENT, error.code, sent=False)
        return Again(self._desk.judge(self._operation, self._site, again, self._tries))

    async def _found(self, attempt: Attempt) -> JobStatus | None:
        """The run that this sending started, unless another row already names it."""
        find = self._job.find
        if find is None:
            return None
        try:
            status = await self._desk.read(self.reads, self._site, partial(find, attempt.reserved_at))
        except CallFailed as failure:
            raise outcome_unknown(failure.error) from failure
        if status is None or status.job_id in await asyncio.to_thread(self._known, status.job_id):
            return None
        return status

    def _known(self, job_id: str) -> frozenset[str]:
        with self._parts.database.read() as connection:
            return known_job_ids(connection, self._operation.vendor, [job_id])

    async def _stored(self, attempt: Attempt, status: JobStatus) -> Purchased:
        await self._save(attempt, JobPhase.RUNNING, status)
        return Purchased(attempt, status)

    async def _save(self, attempt: Attempt, phase: JobPhase, status: JobStatus | None = None) -> None:
        write = SaveJob(
            attempt_key=attempt.attempt_key,
            phase=phase,
            polled_at=self._parts.clock.now(),
            job_id=status.job_id if status else None,
            dataset_id=status.dataset_id if status else None,
        )
        await self._parts.writer.submit(write)
