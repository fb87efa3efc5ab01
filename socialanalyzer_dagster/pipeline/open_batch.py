"""A batch that this run holds: its row, its policy and platform, and the brake that ends all new work."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel
from sqlalchemy import Connection

from socialanalyzer_dagster.domain.calls import VendorCall, VendorJob
from socialanalyzer_dagster.domain.filters import SearchFilters, validate_filters
from socialanalyzer_dagster.domain.leads import Identifier
from socialanalyzer_dagster.domain.log_fields import logged_as
from socialanalyzer_dagster.domain.operations import OPERATIONS
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import Answer, CallFailed, Gate, StepResult, StoredJob
from socialanalyzer_dagster.domain.refusals import BatchStopped
from socialanalyzer_dagster.domain.types import LeadUid, Stage
from socialanalyzer_dagster.pipeline.batch_actions import reopen
from socialanalyzer_dagster.pipeline.batch_entry import Entered
from socialanalyzer_dagster.pipeline.batch_finish import Ending, finish_batch, stage_of
from socialanalyzer_dagster.pipeline.batch_status import (
    RUNNING,
    BatchStatus,
    ChangedMeanwhile,
    Transition,
    change,
    transition,
)
from socialanalyzer_dagster.pipeline.gate import SpendingGate
from socialanalyzer_dagster.pipeline.gate_log import withdraw
from socialanalyzer_dagster.pipeline.gate_parts import BatchIdentity
from socialanalyzer_dagster.pipeline.outcome_writes import StoreSteps
from socialanalyzer_dagster.pipeline.reach import Reach
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.pipeline.writer import GroupWriter
from socialanalyzer_dagster.platforms.base import Platform, StageContext
from socialanalyzer_dagster.storage import batches, claims, searches
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.outcomes import StageOf
from socialanalyzer_dagster.storage.steps import StepsOf
from socialanalyzer_dagster.vendors.bundle import Vendors

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
_TRIES = 10


class Brake:
    """Ends all new work of a run; what is in flight may settle."""

    def __init__(self) -> None:
        self.reason: str | None = None

    @property
    def is_pulled(self) -> bool:
        """True when nothing new may begin."""
        return self.reason is not None

    def pull(self, reason: str) -> None:
        """Stop; the first reason stays."""
        self.reason = self.reason or reason


@dataclass(frozen=True, slots=True)
class BrakedGate:
    """A stage's gate that makes no call after the brake was pulled, and notes what calls cost and whom they reached."""

    inner: Gate
    brake: Brake
    reach: Reach
    count: Callable[[int], None]

    async def call(self, call: VendorCall[T], *, leads: Sequence[LeadUid], step: str, ordinal: int = 0) -> Answer[T]:
        """As the inner gate; raises BatchStopped after the brake was pulled."""
        self._check()
        with _logged_as(call.operation, leads, step):
            asked = self.inner.call(call, leads=leads, step=step, ordinal=ordinal)
            return await self._noted(asked, call.operation, leads)

    async def run_job(self, job: VendorJob[T], *, leads: Sequence[LeadUid], step: str) -> Answer[T]:
        """As the inner gate; raises BatchStopped after the brake was pulled."""
        self._check()
        with _logged_as(job.operation, leads, step):
            asked = self.inner.run_job(job, leads=leads, step=step)
            return await self._noted(asked, job.operation, leads)

    async def stored_jobs(self, step: str) -> Sequence[StoredJob]:
        """As the inner gate."""
        return await self.inner.stored_jobs(step)

    async def identify(self, lead: LeadUid, identifiers: Sequence[Identifier]) -> None:
        """As the inner gate."""
        await self.inner.identify(lead, identifiers)

    async def _noted(self, asked: Awaitable[Answer[T]], operation: str, leads: Sequence[LeadUid]) -> Answer[T]:
        try:
            answer = await asked
        except CallFailed as failure:
            self.reach.failed(failure.error, leads)
            raise
        if not answer.reused:
            self.reach.answered(OPERATIONS[operation].vendor)
        self.count(answer.cost_micros)
        return answer

    def _check(self) -> None:
        if self.brake.reason is not None:
            raise BatchStopped(self.brake.reason)


def _logged_as(operation: str, leads: Sequence[LeadUid], step: str) -> AbstractContextManager[None]:
    lead = leads[0] if len(leads) == 1 else None
    return logged_as(provider=OPERATIONS[operation].vendor, step=step, lead_uid=lead)


@dataclass(frozen=True, slots=True)
class WriterCheckpoint:
    """domain.ports.Checkpoint over the group writer."""

    writer: GroupWriter
    of: StepsOf
    workplace: Workplace

    async def save_steps(self, results: Mapping[LeadUid, StepResult]) -> None:
        """Return when the results are committed."""
        await self.writer.submit(StoreSteps(of=self.of, results=results, now=self.workplace.clock.now()))


class OpenBatch:
    """What stage runs work on; `row` is the batch as last read or written by this run."""

    def __init__(self, *, entered: Entered, run_id: str, parts: "OpenParts") -> None:
        self.workplace = parts.workplace
        self.writer = parts.writer
        self.gate = parts.gate
        self.policy = parts.policy
        self.vendors = parts.vendors
        self.boundary_secret = parts.boundary_secret
        self.email_key = parts.email_key
        self.asked_at = parts.asked_at
        self.row = entered.row
        self.is_halted = entered.is_halted
        self.dead_run_id = entered.dead_run_id
        self.run_id = run_id
        self.brake = Brake()
        self.reach = Reach()
        self.spent_micros = 0
        self.platform: Platform = parts.workplace.platforms[entered.row.platform]
        self.is_list = self._read(lambda connection: searches.search_kind(connection, self.row.search_fingerprint)) == (
            searches.LIST
        )

    @property
    def filters(self) -> BaseModel | None:
        """The typed filters of the search; None for a creator list."""
        if self.is_list:
            return None
        model = self.platform.filter_model
        if not issubclass(model, SearchFilters):
            raise TypeError(f"the filter model of {self.platform.key} is no SearchFilters")
        return validate_filters(model, self.row.filters, self.policy)

    def of(self, stage: Stage) -> StageOf:
        """Whose outcomes a stage writes."""
        return stage_of(self.row, stage)

    def context(self, stage: Stage) -> StageContext:
        """What the platform's function of a stage may use; `reach` tells from now on whom this stage got through to."""
        self.reach = Reach()
        identity = BatchIdentity(
            batch_id=self.row.batch_id,
            platform=self.row.platform,
            policy_version=self.row.policy_version,
            asked_at=self.asked_at,
        )
        return StageContext(
            policy=self.policy,
            filters=self.filters,
            gate=BrakedGate(self.gate.bind(identity, stage), self.brake, self.reach, self._count),
            clock=self.workplace.clock,
            vendors=self.vendors,
            checkpoint=WriterCheckpoint(self.writer, StepsOf(self.row.batch_id, stage), self.workplace),
            boundary_secret=self.boundary_secret,
        )

    def begin(self, stage: Stage) -> None:
        """The batch runs this stage now; an ended one is opened again, which raises StatusRefused without work left."""

        def start(connection: Connection, batch: Batch) -> Batch:
            reopened = reopen(connection, self.workplace, batch) if batch.is_terminal else batch
            withdraw(connection, batch.batch_id, self.workplace.clock.now())
            if stage is not Stage.DISCOVERED:  # claims that lapsed while the batch waited
                claims.claim_again(connection, batch.batch_id, self.workplace.clock.now())
            cause = reopened.cause if reopened.capped or reopened.waits_for is not None else None
            wanted = Transition(to=RUNNING[stage], cause=cause, now=self.workplace.clock.now())
            return transition(connection, reopened, wanted)

        self._change(start)
        _LOG.info("batch %s is %s", self.row.partition_key, self.row.status)

    def become(self, to: BatchStatus, cause: str | None) -> None:
        """Move to a status."""
        wanted = Transition(to=to, cause=cause, now=self.workplace.clock.now())
        self._change(lambda connection, batch: transition(connection, batch, wanted))
        level = logging.ERROR if to is BatchStatus.FAILED else logging.INFO
        _LOG.log(level, "batch %s is %s", self.row.partition_key, self.row.status)

    def mark_capped(self, cause: str) -> None:
        """Say that a spending cap ended the work of some leads."""
        self._change(lambda connection, batch: change(connection, batch, {"capped": True, "cause": cause}))

    def forget_cap(self) -> None:
        """Say that no cap leaves leads out any more."""
        self._change(lambda connection, batch: change(connection, batch, {"capped": False, "cause": None}))

    def wait_for(self, vendor: str, until: datetime, cause: str) -> None:
        """Say that leads of the batch wait for a vendor; the words about a reached cap stay."""

        def note(connection: Connection, batch: Batch) -> Batch:
            kept = batch.cause if batch.capped else cause
            return change(connection, batch, {"waits_for": vendor, "waits_until": until, "cause": kept})

        self._change(note)

    def forget_wait(self) -> None:
        """Say that no lead waits for a vendor any more."""

        def note(connection: Connection, batch: Batch) -> Batch:
            kept = batch.cause if batch.capped else None
            return change(connection, batch, {"waits_for": None, "waits_until": None, "cause": kept})

        self._change(note)

    def halt(self) -> None:
        """Nothing more is done by this run, in this stage or in those that follow."""
        self.is_halted = True
        with self.workplace.database.write() as connection:
            batches.halt_run(connection, self.row.batch_id, self.run_id)

    def refresh(self) -> Batch:
        """Read the row again."""
        found = self._read(lambda connection: batches.batch_by_id(connection, self.row.batch_id))
        if found is None:
            raise LookupError(f"batch {self.row.partition_key} is gone")
        self.row = found
        return found

    def finish(self, ending: Ending) -> None:
        """End the batch, also when somebody asked for a stop or another cap in that moment; raises StatusRefused."""
        for _ in range(_TRIES):
            try:
                self.row = finish_batch(self.workplace, self.refresh(), ending)
            except ChangedMeanwhile:
                continue
            return
        raise ChangedMeanwhile(f"batch {self.row.partition_key} keeps changing")

    def _change(self, act: Callable[[Connection, Batch], Batch]) -> None:
        for _ in range(_TRIES):
            try:
                with self.workplace.database.write() as connection:
                    current = batches.batch_by_id(connection, self.row.batch_id)
                    if current is None:
                        raise LookupError(f"batch {self.row.partition_key} is gone")
                    self.row = act(connection, current)
                    return
            except ChangedMeanwhile:
                continue
        raise ChangedMeanwhile(f"batch {self.row.partition_key} keeps changing")

    def _read(self, query: Callable[[Connection], T]) -> T:
        with self.workplace.database.read() as connection:
            return query(connection)

    def _count(self, cost_micros: int) -> None:
        self.spent_micros += cost_micros


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenParts:
    """What the session hands to an opened batch."""

    workplace: Workplace
    writer: GroupWriter
    gate: SpendingGate
    policy: Policy
    vendors: Vendors
    boundary_secret: bytes
    email_key: bytes
    asked_at: datetime | None
    """When a person last asked for the batch, by starting this run or by a retry."""
