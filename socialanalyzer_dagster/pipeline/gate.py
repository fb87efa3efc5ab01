"""The spending gate: the one way out to a vendor, where money, reuse, limits and health meet (architecture 4)."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

from socialanalyzer_dagster.domain.calls import VendorCall, VendorJob
from socialanalyzer_dagster.domain.leads import Identifier
from socialanalyzer_dagster.domain.operations import OPERATIONS, Operation
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import Answer, Clock, StoredJob
from socialanalyzer_dagster.domain.types import LeadUid, Stage
from socialanalyzer_dagster.pipeline.call_health import CallHealth
from socialanalyzer_dagster.pipeline.gate_breaker import BreakerParts, Breakers
from socialanalyzer_dagster.pipeline.gate_calls import Desk, Exchange, decoded
from socialanalyzer_dagster.pipeline.gate_doors import Doors
from socialanalyzer_dagster.pipeline.gate_parts import (
    BatchIdentity,
    CallKeys,
    CallSite,
    GateParts,
    Sending,
    log_cap_warning,
)
from socialanalyzer_dagster.pipeline.gate_rereads import Rereads
from socialanalyzer_dagster.pipeline.jobs import JobRun
from socialanalyzer_dagster.pipeline.limit_rates import Sleep
from socialanalyzer_dagster.pipeline.limit_source import SharedSource
from socialanalyzer_dagster.pipeline.limits import Limits
from socialanalyzer_dagster.pipeline.pricing import PriceTable
from socialanalyzer_dagster.pipeline.stop_flags import StopFlags
from socialanalyzer_dagster.pipeline.suppression import SuppressionList
from socialanalyzer_dagster.pipeline.writer import GroupWriter
from socialanalyzer_dagster.storage.attempts import FindAnswer, StoredAnswer
from socialanalyzer_dagster.storage.budget_scopes import CapSource, CapWarning
from socialanalyzer_dagster.storage.database import Database, SharedTime, shared_seconds
from socialanalyzer_dagster.storage.recovery import Recover, Recovered
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

    `async with SpendingGate(parts) as gate:` - at the end of the block the last cost re-reads are made.
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
            await self._rereads.close(wait=error is None)
        finally:
            await self.parts.doors.close()

    def bind(self, batch: BatchIdentity, stage: Stage) -> "StageGate":
        """The gate that one stage of one batch calls through."""
        return StageGate(self, batch, stage)

    async def recover(self, batch_id: str) -> Recovered:
        """Account for what an earlier, dead run of the batch left in flight; called once by the new lock holder.

        Lost calls become unknown with their worst case still held; jobs whose id is stored wait to be resumed.
        """
        await self.parts.doors.limits.take_over(batch_id)
        write = Recover(batch_id=batch_id, owner=self.parts.owner, at=self.parts.clock.now())
        return await self.parts.writer.submit(write)

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
        doors=_doors(database, writer, policy, options, holder),
        suppression=SuppressionList(database, options.suppression_key, monotonic=options.monotonic),
        stop_flags=StopFlags(database, monotonic=options.monotonic),
        clock=options.clock,
        owner=str(uuid.uuid4()),
        on_cap_warning=options.on_cap_warning,
        sleep=options.sleep,
        monotonic=options.monotonic,
    )
    return SpendingGate(parts)


def _doors(database: Database, writer: GroupWriter, policy: Policy, options: GateOptions, holder: str) -> Doors:
    breakers = BreakerParts(
        database=database,
        writer=writer,
        policy=policy.breakers,
        shared_time=options.shared_time,
        sleep=options.sleep,
        monotonic=options.monotonic,
    )
    source = SharedSource(writer, options.shared_time)
    return Doors(
        breakers=Breakers(breakers),
        limits=Limits(policy.limits, source, holder=holder, sleep=options.sleep, monotonic=options.monotonic),
        health=CallHealth(writer, options.clock),
        longest_wait_seconds=policy.retries.longest_wait_seconds,
        monotonic=options.monotonic,
    )


class StageGate:
    """domain.ports.Gate for one stage of one batch."""

    def __init__(self, gate: SpendingGate, batch: BatchIdentity, stage: Stage) -> None:
        self._gate = gate
        self._parts = gate.parts
        self._desk = gate._desk  # noqa: SLF001 - the two halves of one gate
        self._rereads = gate._rereads  # noqa: SLF001
        self._batch = batch
        self._stage = stage

    async def call(self, call: VendorCall[T], *, leads: Sequence[LeadUid], step: str, ordinal: int = 0) -> Answer[T]:
        """Send, or answer from the store; `leads` share the cost exactly, none = the batch pays."""
        operation, site = OPERATIONS[call.operation], self._site(leads, step)
        await self._admit(site)
        keys = site.keys(operation, call.request, ordinal)
        if not operation.spends and operation.key not in self._parts.policy.cache.reuse_days:
            return await self._free(call, site, keys)
        async with self._gate.alone(keys):
            history = await self._parts.writer.submit(self._find(operation, keys))
            if history.answer is not None:
                return await self._again(call, history.answer, site, keys)
            return await Exchange(self._desk, call, site, keys).run(history)

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
                leads=tuple(LeadUid(lead) for lead in job.attempt.leads),
                request=job.request,
                is_open=job.phase in OPEN_PHASES,
            )
            for job in jobs
        )

    async def identify(self, lead: LeadUid, identifiers: Sequence[Identifier]) -> None:
        """Tell the gate a new spelling of the person; raises PersonSuppressed when it is on the list (gate 2)."""
        await self._parts.suppression.identify(lead, identifiers)

    def _read_jobs(self, step: str) -> Sequence[StoredVendorJob]:
        with self._parts.database.read() as connection:
            return jobs_of_step(connection, self._batch.batch_id, self._stage.value, step)

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
            owner=self._parts.owner,
            reusable_since=self._parts.reusable_since(operation),
        )

    async def _free(self, call: VendorCall[T], site: CallSite, keys: CallKeys) -> Answer[T]:
        operation = OPERATIONS[call.operation]
        reply = await self._desk.read(operation, site, call.send)
        return Answer(
            value=decoded(call.decode, operation.vendor, reply.body),
            attempt_key=keys.call_key,
            cost_micros=0,
            reused=False,
            fetched_at=self._parts.clock.now(),
        )

    async def _again(self, call: VendorCall[T], stored: StoredAnswer, site: CallSite, keys: CallKeys) -> Answer[T]:
        operation = OPERATIONS[call.operation]
        value = decoded(call.decode, operation.vendor, stored.body)
        asked = Sending(site=site, operation=operation, keys=keys, issue=1, worst_micros=0)
        await self._desk.till.record_reuse(asked, stored.attempt_key, stored.cost_micros)
        return Answer(
            value=value,
            attempt_key=stored.attempt_key,
            cost_micros=0,
            reused=True,
            fetched_at=stored.answered_at,
        )
