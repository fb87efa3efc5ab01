"""Results on their way to the database: committed in small groups soon after they came (spec 2.2)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy.exc import InterfaceError, OperationalError

from socialanalyzer_dagster.domain.outcomes import failed
from socialanalyzer_dagster.domain.policy_crm import RuntimePolicy
from socialanalyzer_dagster.domain.ports import LeadResult
from socialanalyzer_dagster.pipeline.outcome_writes import Finished, StoreResults
from socialanalyzer_dagster.pipeline.writer import GroupWriter

DATABASE_FAULTS = (OperationalError, InterfaceError)
"""Errors that say nothing about the row that was written, but that the database itself cannot be used."""
_GROUPS_IN_FLIGHT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferParts:
    """`write` makes the write of a group; `stored` is told the results that were committed."""

    writer: GroupWriter
    runtime: RuntimePolicy
    write: Callable[[tuple[Finished, ...]], StoreResults]
    stored: Callable[[tuple[Finished, ...]], None]


class StorageFault(RuntimeError):
    """The database failed while results were stored: the stage ends visibly, nothing is swallowed (I-35)."""


class ResultBuffer:
    """Holds results until a group is full or old enough, at most 25 leads or 100 ms as shipped.

    A result that the database refuses becomes that lead's failed(internal_error); a failure of the database itself
    raises StorageFault from the next `add` and from `drain`.
    """

    def __init__(self, parts: BufferParts) -> None:
        self._parts = parts
        self._waiting: list[Finished] = []
        self._timer: asyncio.TimerHandle | None = None
        self._groups: set[asyncio.Task[None]] = set()
        self._fault: BaseException | None = None
        self._room = asyncio.Event()
        self._room.set()

    async def add(self, finished: Finished) -> None:
        """Take a result; waits only while the database is far behind."""
        self._raise_fault()
        self._waiting.append(finished)
        if len(self._waiting) >= self._parts.runtime.commit_leads:
            self._flush()
        elif self._timer is None:
            delay = self._parts.runtime.commit_milliseconds / 1000
            self._timer = asyncio.get_running_loop().call_later(delay, self._flush)
        await self._room.wait()
        self._raise_fault()

    async def drain(self) -> None:
        """Return when everything is committed."""
        self._flush()
        while self._groups:
            await asyncio.wait(self._groups)
        self._raise_fault()

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            group, self._waiting = tuple(self._waiting), []
            task = asyncio.create_task(self._store(group))
            self._groups.add(task)
            if len(self._groups) > _GROUPS_IN_FLIGHT:
                self._room.clear()
            task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._groups.discard(task)
        if len(self._groups) <= _GROUPS_IN_FLIGHT:
            self._room.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fault = self._fault or error

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise StorageFault(f"results could not be stored: {type(self._fault).__name__}") from self._fault

    async def _store(self, group: tuple[Finished, ...]) -> None:
        try:
            await self._parts.writer.submit(self._parts.write(group))
        except DATABASE_FAULTS:
            raise
        except Exception as error:  # noqa: BLE001 - a bad row must harm only itself (I-35)
            if len(group) > 1:
                for each in group:
                    await self._store((each,))
                return
            group = (_not_storable(group[0], error),)
            await self._parts.writer.submit(self._parts.write(group))
        self._parts.stored(group)


def _not_storable(finished: Finished, error: Exception) -> Finished:
    stage = finished.result.outcome.stage
    outcome = failed(stage, "internal_error", error=type(error).__name__, where="storage")
    return replace(finished, result=LeadResult(uid=finished.result.uid, outcome=outcome))
