"""The spending gate: the one way out to a vendor, where money, reuse, limits and health meet (architecture 4)."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from socialanalyzer_dagster.domain.calls import VendorCall, VendorJob
from socialanalyzer_dagster.domain.leads import Identifier
from socialanalyzer_dagster.domain.operations import OPERATIONS, Operation
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import Answer, Clock, StoredJob
from socialanalyzer_dagster.domain.types import LeadUid, PlatformKey, Stage
from socialanalyzer_dagster.pipeline.gate_calls import Desk, Exchange, decoded, free_answer
from socialanalyzer_dagster.pipeline.gate_doors import DoorParts, doors_of
from socialanalyzer_dagster.pipeline.gate_parts import (
    BatchIdentity,
    CallKeys,
    CallSite,
    GateParts,
    NoBatch,
    Sending,
    log_cap_warning,
)
from socialanalyzer_dagster.pipeline.gate_rereads import Rereads
from socialanalyzer_dagster.pipeline.jobs import JobRun
from socialanalyzer_dagster.pipeline.limit_rates import Sleep
from socialanalyzer_dagster.pipeline.model_batches import LineDesk
from socialanalyzer_dagster.pipeline.pricing import PriceTable
from socialanalyzer_dagster.pipeline.stop_flags import StopFlags
from socialanalyzer_dagster.pipeline.suppression import SuppressionList
from socialanalyzer_dagster.pipeline.writer import GroupWriter
from socialanalyzer_dagster.storage.attempts import CallHistory, FindAnswer, StoredAnswer
from socialanalyzer_dagster.storage.budget_scopes import CapSource, CapWarning
from socialanalyzer_dagster.storage.database import Database, SharedTime, shared_seconds
from socialanalyzer_dagster.storage.recovery import Recover, Recovered, RecoverStray
from socialanalyzer_dagster.storage.vendor_jobs import OPEN_PHASES, FindJob, StoredVendorJob, jobs_of_step

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOptions:
    """What differs between installations and tests.

    `live` refuses prices that nobody confirmed; `sleep`, `monotonic` and `shared_time`, the clock of all processes, are
    for tests.
    """

    clock: Clock
    suppression_key: bytes
    live: bool = False
    on_cap_warning: Callable[[CapWarning], None] = log_cap_warning
    sleep: Sleep = asyncio.sleep
    monotonic: Callable[[], float] = time.monotonic
    shared_time: SharedTime = shared_seconds


class SpendingGate:
    """Opens gates of stages for one process and run.

    `async with SpendingGate(parts) as gate:` - at the end of the block the last cost re-reads are made, unless the run
    is being cancelled.
    """

    def __init__(self, parts: GateParts) -> None:
        self.parts = parts
        self._desk = Desk(parts)
        self._rereads = Rereads(self._desk)
        self._in_flight: dict[str, tuple[asyncio.Lock, list[None]]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._rereads.close(wait=error is None or isinstance(error, Exception))
        finally:
            await self.parts.doors.close()

    def bind(self, batch: BatchIdentity, stage: Stage) -> "StageGate":
        """The gate that one stage of one batch calls through."""
        return StageGate(self, batch, stage)

    def without_batch(self, platform: PlatformKey) -> "CallWindow":
        """The gate for calls that belong to no batch: the caps of platform, day, month and provider bound them."""
        nobody = NoBatch(platform=platform, policy_version=self.parts.policy.policy_version, run=self.parts.owner)
        return CallWindow(self, nobody, None)

    async def recover(self, batch_id: str) -> Recovered:
        """Account for what an earlier, dead run of the batch left in flight; called once by the new lock holder.

        Lost calls become unknown with their worst case still held; jobs whose id is stored wait to be resumed.
        """
        await self.parts.doors.limits.take_over(batch_id)
        write = Recover(batch_id=batch_id, owner=self.parts.owner, at=self.parts.clock.now())
        return await self.parts.writer.submit(write)

    async def recover_stray(self) -> int:
        """Account for calls of no batch that dead processes left in flight; how many became unknown, still held.

        Nobody holds a lock for them: one is given up when it was reserved longer ago than a batch may be silent, which
        is far beyond what a call may take. Everybody who begins to work does this, for a batch or for none.
        """
        now = self.parts.clock.now()
        silent = timedelta(minutes=self.parts.policy.runtime.stale_heartbeat_minutes)
        return await self.parts.writer.submit(RecoverStray(reserved_before=now - silent, at=now))

    @asynccontextmanager
    async def alone(self, keys: CallKeys) -> AsyncIterator[None]:
        """Equal requests of this process one after the other: the second finds the first one's answer."""
        lock, users = self._in_flight.setdefault(keys.fingerprint, (asyncio.Lock(), []))
        users.append(None)
        try:
            async with lock:
                yield
        finally:
            users.pop()
            if not users:
                del self._in_flight[keys.fingerprint]


def spending_gate(
    database: Database, writer: GroupWriter, policy: Policy, options: GateOptions, *, holder: str = ""
) -> SpendingGate:
    """A gate for one run under one policy; call it inside the event loop that will use it.

    `holder` is the batch whose next run may take over the limits this run holds (`SpendingGate.recover`).
    """
    parts = GateParts(
        database=database,
        writer=writer,
        policy=policy,
        prices=PriceTable(policy, live=options.live),
        caps=CapSource(policy.budgets),
        doors=doors_of(
            DoorParts(
                database=database,
                writer=writer,
                policy=policy,
                clock=options.clock,
                holder=holder,
                sleep=options.sleep,
                monotonic=options.monotonic,
                shared_time=options.shared_time,
            )
        ),
        suppression=SuppressionList(database, options.suppression_key, monotonic=options.monotonic),
        stop_flags=StopFlags(database, monotonic=options.monotonic),
        clock=options.clock,
        owner=str(uuid.uuid4()),
        on_cap_warning=options.on_cap_warning,
        sleep=options.sleep,
        monotonic=options.monotonic,
    )
    return SpendingGate(parts)


class CallWindow:
    """domain.ports.CallGate for one batch and stage, or for no batch."""

    def __init__(self, gate: SpendingGate, batch: BatchIdentity | NoBatch, stage: Stage | None) -> None:
        self._gate = gate
        self._parts = gate.parts
        self._desk = gate._desk  # noqa: SLF001 - the two halves of one gate
        self._batch = batch
        self._stage = stage

    async def call(self, call: VendorCall[T], *, leads: Sequence[LeadUid], step: str, ordinal: int = 0) -> Answer[T]:
        """Send, or answer from the store; `leads` share the cost exactly, none = no lead bears it."""
        operation, site = OPERATIONS[call.operation], self._site(leads, step)
        await self._admit(site)
        keys = site.keys(operation, call.request, ordinal)
        if not operation.spends and operation.key not in self._parts.policy.cache.reuse_days:
            return await self._free(call, site, keys)
        async with self._gate.alone(keys):
            return await self._paid(call, site, keys)

    async def _paid(self, call: VendorCall[T], site: CallSite, keys: CallKeys) -> Answer[T]:
        history = await self._parts.writer.submit(self._find(OPERATIONS[call.operation], keys))
        if history.answer is not None:
            return await self._again(call, history.answer, site, keys)
        return await self._bought(call, site, keys, history)

    async def _bought(self, call: VendorCall[T], site: CallSite, keys: CallKeys, history: CallHistory) -> Answer[T]:
        return await Exchange(self._desk, call, site, keys).run(history)

    def _site(self, leads: Sequence[LeadUid], step: str) -> CallSite:
        return CallSite(batch=self._batch, stage=self._stage, step=step, leads=tuple(leads))

    async def _admit(self, site: CallSite) -> None:
        await self._parts.stop_flags.check(site.batch.batch_id)
        await self._parts.suppression.check(site.leads)

    def _find(self, operation: Operation, keys: CallKeys) -> FindAnswer:
        return FindAnswer(
            fingerprint=keys.fingerprint,
            call_key=keys.call_key,
            batch_id=self._batch.batch_id,
            reusable_since=self._parts.reusable_since(operation),
            asked_at=self._batch.asked_at,
        )

    async def _free(self, call: VendorCall[T], site: CallSite, keys: CallKeys) -> Answer[T]:
        operation = OPERATIONS[call.operation]
        free = await self._desk.read(operation, site, partial(free_answer, call))
        return Answer(
            value=free.value,
            attempt_key=keys.call_key,
            cost_micros=0,
            reused=False,
            fetched_at=self._parts.clock.now(),
        )

    async def _again(self, call: VendorCall[T], stored: StoredAnswer, site: CallSite, keys: CallKeys) -> Answer[T]:
        operation = OPERATIONS[call.operation]
        value = decoded(call.decode, operation.vendor, stored.body)
        asked = Sending(site=site, operation=operation, keys=keys, issue=1, worst_micros=0)
        saved = 0 if stored.same_batch else stored.cost_micros
        await self._desk.till.record_reuse(asked, stored.attempt_key, saved)
        return Answer(
            value=value,
            attempt_key=stored.attempt_key,
            cost_micros=0,
            reused=True,
            fetched_at=stored.answered_at,
        )


class StageGate(CallWindow):
    """domain.ports.Gate for one stage of one batch."""

    _batch: BatchIdentity
    _stage: Stage

    def __init__(self, gate: SpendingGate, batch: BatchIdentity, stage: Stage) -> None:
        super().__init__(gate, batch, stage)
        self._rereads = gate._rereads  # noqa: SLF001
        is_batched = stage is Stage.ANALYZED and self._parts.policy.analysis.mode == "batch"
        self._lines = LineDesk(self._desk, self._rereads, batch, stage) if is_batched else None

    async def run_job(self, job: VendorJob[T], *, leads: Sequence[LeadUid], step: str) -> Answer[T]:
        """Start or resume a vendor job and read all of its items; raises JobStillRunning in discovery."""
        operation, site = OPERATIONS[job.operation], self._site(leads, step)
        await self._admit(site)
        keys = site.keys(operation, job.request, 0)
        async with self._gate.alone(keys):
            find = FindJob(call=self._find(operation, keys), stage=self._stage.value, step=step)
            return await JobRun(self._desk, job, site, keys).run(find, self._rereads)

    async def stored_jobs(self, step: str) -> Sequence[StoredJob]:
        """Jobs this stage stored for a step, oldest first, so that a resume replays their composition (spec 8.1)."""
        jobs = await asyncio.to_thread(self._read_jobs, step)
        return tuple(
            StoredJob(
                key=job.attempt.attempt_key,
                leads=tuple(LeadUid(lead) for lead in job.attempt.leads),
                request=job.request,
                is_open=job.phase in OPEN_PHASES,
            )
            for job in jobs
        )

    async def identify(self, lead: LeadUid, identifiers: Sequence[Identifier]) -> None:
        """Tell the gate a new spelling of the person; raises PersonSuppressed when it is on the list (gate 2)."""
        await self._parts.suppression.identify(lead, identifiers)

    async def _paid(self, call: VendorCall[T], site: CallSite, keys: CallKeys) -> Answer[T]:
        if self._lines is not None and call.line is not None:
            await self._lines.finish_open(call.line)
        return await super()._paid(call, site, keys)

    async def _bought(self, call: VendorCall[T], site: CallSite, keys: CallKeys, history: CallHistory) -> Answer[T]:
        if self._lines is None or call.line is None:
            return await super()._bought(call, site, keys, history)
        return await self._lines.answer(call, site, keys, history)

    def _read_jobs(self, step: str) -> Sequence[StoredVendorJob]:
        with self._parts.database.read() as connection:
            return jobs_of_step(connection, self._batch.batch_id, self._stage.value, step)
