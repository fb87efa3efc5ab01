"""What one process needs to work on batches, and an opened batch: locked, recovered and with a heartbeat (spec 2.4)."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from socialanalyzer_dagster.domain.log_fields import logged_as
from socialanalyzer_dagster.domain.types import BatchKey
from socialanalyzer_dagster.pipeline.batch_actions import RETRIED, end_if_stopped
from socialanalyzer_dagster.pipeline.batch_entry import Entry, enter_batch
from socialanalyzer_dagster.pipeline.batch_log import BatchLog
from socialanalyzer_dagster.pipeline.batches import batch_from_key
from socialanalyzer_dagster.pipeline.collector import spare_collector
from socialanalyzer_dagster.pipeline.gate import GateOptions, spending_gate
from socialanalyzer_dagster.pipeline.locks import BatchLock, BatchLocked, LockLost, batch_lock
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch, OpenParts
from socialanalyzer_dagster.pipeline.policies import policy_of_hash
from socialanalyzer_dagster.pipeline.traces import span
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.pipeline.writer import GroupWriter
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.storage import audit_log, batches
from socialanalyzer_dagster.storage.breakers import resume_breakers
from socialanalyzer_dagster.storage.database import SharedTime
from socialanalyzer_dagster.vendors.bundle import Vendors

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionParts:
    """What the caller configured; the session opens nothing that is in here and closes nothing of it."""

    workplace: Workplace
    vendors: Vendors
    gate: GateOptions
    boundary_secret: bytes


def session_parts(workplace: Workplace, vendors: Vendors, settings: Settings) -> SessionParts:
    """The parts as the settings describe them."""
    return SessionParts(
        workplace=workplace,
        vendors=vendors,
        gate=GateOptions(
            clock=workplace.clock,
            suppression_key=settings.suppression_key,
            live=not settings.is_sandbox,
        ),
        boundary_secret=settings.boundary_secret,
    )


def refuse_if_held(workplace: Workplace, batch_id: str, key: BatchKey) -> None:
    """Raises BatchLocked, naming the holder, while a run works on the batch; asked before a run of one's own is made.

    The lock is ours for a moment: a run that begins in it is refused, as it would be by the run that follows here.
    """
    lock = batch_lock(workplace.database, workplace.home, batch_id)
    if not lock.acquire():
        raise BatchLocked(key, _holder_of(workplace, key))
    lock.release()


class PipelineSession:
    """`async with PipelineSession(parts) as session, session.open_batch(key, run_id=...) as batch: ...`"""

    def __init__(self, parts: SessionParts) -> None:
        self.parts = parts
        self.writer = GroupWriter(parts.workplace.database)

    async def __aenter__(self) -> Self:
        spare_collector()
        await self.writer.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.writer.__aexit__(kind, error, trace)

    @asynccontextmanager
    async def open_batch(
        self,
        key: str,
        *,
        run_id: str,
        confirm_estimate_micro: int | None = None,
        launched_attempt: int | None = None,
        is_rerun: bool = False,
    ) -> AsyncIterator[OpenBatch]:
        """The batch of a partition key, made from the preset it names when there is none yet, locked for this run.

        `launched_attempt` is the batch's attempt that a sensor launched this run for, None for a run started by hand;
        `is_rerun` when the orchestrator started it in place of one that crashed: nobody asked for it then.
        Raises BadBatchKey, BatchLocked (naming the holder), NeedsConfirmation, StaleLaunch, and what create_batch does.
        """
        workplace = self.parts.workplace
        made = await asyncio.to_thread(batch_from_key, workplace, key, confirm_estimate_micro=confirm_estimate_micro)
        lock = batch_lock(workplace.database, workplace.home, made.batch_id)
        async with AsyncExitStack() as stack:
            if not await asyncio.to_thread(lock.acquire):
                raise BatchLocked(BatchKey(key), await asyncio.to_thread(_holder_of, workplace, key))
            stack.push_async_callback(asyncio.to_thread, end_if_stopped, workplace, key)
            stack.push_async_callback(asyncio.to_thread, lock.release)
            entry = Entry(
                run_id=run_id, confirm_estimate_micro=confirm_estimate_micro, launched_attempt=launched_attempt
            )
            stack.enter_context(logged_as(run_id=run_id, batch=key, batch_id=made.batch_id, platform=made.platform))
            stack.enter_context(logged_as(attempt=made.attempt))
            stack.enter_context(span("batch run"))
            await stack.enter_async_context(BatchLog(self.writer, made.batch_id))
            entered = await asyncio.to_thread(enter_batch, workplace, key, entry)
            if launched_attempt is None and not is_rerun:
                await asyncio.to_thread(_resume_vendors, workplace, self.parts.gate.shared_time)
                asked_at: datetime | None = workplace.clock.now()
            else:
                asked_at = await asyncio.to_thread(_asked_at, workplace, key)
            stack.push_async_callback(asyncio.to_thread, _let_go, workplace, made.batch_id, run_id)
            policy = policy_of_hash(workplace.database, entered.row.policy_hash)
            gate = await stack.enter_async_context(
                spending_gate(workplace.database, self.writer, policy, self.parts.gate, holder=entered.row.batch_id)
            )
            await gate.recover(entered.row.batch_id)
            await gate.recover_stray()
            parts = OpenParts(
                workplace=workplace,
                writer=self.writer,
                gate=gate,
                policy=policy,
                vendors=self.parts.vendors,
                boundary_secret=self.parts.boundary_secret,
                email_key=self.parts.gate.suppression_key,
                asked_at=asked_at,
            )
            batch = OpenBatch(entered=entered, run_id=run_id, parts=parts)
            heartbeat = asyncio.create_task(_beat(batch, lock), name="heartbeat")
            try:
                yield batch
            except Exception as error:
                _LOG.error("the run ended with %s", type(error).__name__)
                raise
            finally:
                heartbeat.cancel()
                with suppress(asyncio.CancelledError):
                    await heartbeat


async def _beat(batch: OpenBatch, lock: BatchLock) -> None:
    """Write the sign of life until cancelled; a lost lock stops all new work of this run.

    So does a database that takes no sign for as long as makes others think that the run is dead.
    """
    runtime = batch.policy.runtime
    silent_beats, most = 0, max(1, runtime.stale_heartbeat_minutes * 60 // runtime.heartbeat_seconds)
    while True:
        await asyncio.sleep(runtime.heartbeat_seconds)
        try:
            await asyncio.to_thread(lock.check)
            await asyncio.to_thread(_touch, batch)
            silent_beats = 0
        except LockLost:
            _LOG.exception("the run no longer holds the lock of batch %s", batch.row.partition_key)
            batch.brake.pull("the lock of the batch was lost")
            return
        except SQLAlchemyError as error:
            silent_beats += 1
            _LOG.warning("no sign of life for batch %s: %s", batch.row.partition_key, type(error).__name__)
            if silent_beats >= most:
                batch.brake.pull("the database took no sign of life")
                return


def _touch(batch: OpenBatch) -> None:
    with batch.workplace.database.write() as connection:
        batches.touch(connection, batch.row.batch_id, batch.workplace.clock.now())


def _resume_vendors(workplace: Workplace, time: SharedTime) -> None:
    """A run started by hand is a person's word that a vendor that refused its service may be tried again."""
    with workplace.database.write() as connection:
        resume_breakers(connection, time)


def _asked_at(workplace: Workplace, key: str) -> datetime | None:
    """When a person last asked for the batch; None when nobody did since it was made."""
    with workplace.database.read() as connection:
        return audit_log.last_at(connection, action=RETRIED, subject=key)


def _holder_of(workplace: Workplace, key: str) -> dict[str, object] | None:
    with workplace.database.read() as connection:
        found = batches.batch_by_key(connection, key)
    return dict(found.holder) if found and found.holder else None


def _let_go(workplace: Workplace, batch_id: str, run_id: str) -> None:
    with workplace.database.write() as connection:
        batches.let_go(connection, batch_id, run_id)
