"""Group commit: one writer per event loop commits what gathered during the commit before (architecture section 4)."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import InterfaceError, OperationalError

from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.writes import Write

R = TypeVar("R")
_Pending: TypeAlias = tuple[Write[Any], asyncio.Future[Any]]
_ApplyKind: TypeAlias = Callable[[Connection, type[Write[Any]], Sequence[Write[Any]]], Sequence[Any]]
_DATABASE_FAULTS = (OperationalError, InterfaceError)
_DEADLOCK_CODES = frozenset({"40P01", "40001"})
_TRANSACTION_TRIES = 3
_FULL = 1000
"""Writes that need not wait for more of them."""


class WriterClosed(RuntimeError):
    """A write came after the writer was closed."""


class GroupWriter:
    """Commits writes of many tasks in few transactions, in a thread of its own: those that came during the last one.

    `async with GroupWriter(database) as writer: result = await writer.submit(write)`. A submitted write is applied even
    when the task that waits for it is cancelled. At the end of the block everything submitted has been committed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pending: list[_Pending] = []
        self._wake = asyncio.Event()
        self._closing = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="group-writer")
        self._worker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._worker = asyncio.create_task(self._work(), name="group-writer")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._wake.set()
        if self._worker is not None:
            await asyncio.shield(self._worker)
        self._thread.shutdown(wait=False)

    def submit(self, write: Write[R]) -> asyncio.Future[R]:
        """Queue a write; the future has its result after the commit, or the exception that refused it.

        A failure of the database itself is raised to everybody whose write was in that transaction.
        """
        if self._closing or self._worker is None:
            raise WriterClosed("the group writer is not open")
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._pending.append((write, future))
        self._wake.set()
        return future

    async def _work(self) -> None:
        """Commit until closed: cancelling every task of the loop does not end it, for the others have to write yet."""
        while True:
            try:
                return await self._commit_all()
            except asyncio.CancelledError:
                self._wake.set()

    async def _commit_all(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                await self._gather()
                await self._commit(self._take())
            if self._closing:
                return

    async def _gather(self) -> None:
        """Let ready tasks submit what they have: a commit costs nearly the same for one write as for many."""
        before = -1
        while before < len(self._pending) < _FULL:
            before = len(self._pending)
            await asyncio.sleep(0)

    def _take(self) -> list[_Pending]:
        """The next transaction: everything gathered, in order, up to what each kind allows in one."""
        taken: list[_Pending] = []
        left: list[_Pending] = []
        counts: dict[type[Write[Any]], int] = defaultdict(int)
        for pending in self._pending:
            kind = type(pending[0])
            counts[kind] += 1
            (taken if counts[kind] <= kind.most_per_transaction else left).append(pending)
        self._pending = left
        return taken

    async def _commit(self, group: Sequence[_Pending]) -> None:
        loop = asyncio.get_running_loop()
        transaction = loop.run_in_executor(self._thread, self._apply, [write for write, _ in group])
        while not transaction.done():
            with suppress(asyncio.CancelledError):  # of this worker; the transaction goes on in its thread
                await asyncio.wait({transaction})
        try:
            results = transaction.result()
        except Exception as error:  # noqa: BLE001 - handed to everybody who waits for this transaction
            results = [error] * len(group)
        for (_, future), result in zip(group, results, strict=True):
            if future.done():
                continue
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)

    def _apply(self, writes: Sequence[Write[Any]]) -> list[Any]:
        try:
            return self._in_transaction(writes, _apply_kind)
        except _DATABASE_FAULTS:
            raise
        except Exception:  # noqa: BLE001 - nothing is stored yet: again, so that it reaches only its author (I-35)
            return self._in_transaction(writes, _apply_kind_carefully)

    def _in_transaction(self, writes: Sequence[Write[Any]], apply_kind: _ApplyKind) -> list[Any]:
        for left in reversed(range(_TRANSACTION_TRIES)):
            try:
                with self._database.write() as connection:
                    return _apply_by_kind(connection, writes, apply_kind)
            except OperationalError as error:
                if not left or getattr(error.orig, "pgcode", None) not in _DEADLOCK_CODES:
                    raise
        raise AssertionError("unreachable")


def _apply_by_kind(connection: Connection, writes: Sequence[Write[Any]], apply_kind: _ApplyKind) -> list[Any]:
    kinds: dict[type[Write[Any]], list[int]] = defaultdict(list)
    for index, write in enumerate(writes):
        kinds[type(write)].append(index)
    results: list[Any] = [None] * len(writes)
    for kind, indexes in sorted(kinds.items(), key=lambda each: each[0].turn):
        found = apply_kind(connection, kind, [writes[index] for index in indexes])
        for index, result in zip(indexes, found, strict=True):
            results[index] = result
    return results


def _apply_kind(connection: Connection, kind: type[Write[Any]], writes: Sequence[Write[Any]]) -> Sequence[Any]:
    return kind.apply(connection, writes)


def _apply_kind_carefully(
    connection: Connection, kind: type[Write[Any]], writes: Sequence[Write[Any]]
) -> Sequence[Any]:
    """All writes of a kind behind a savepoint; when that fails, one by one."""
    try:
        with connection.begin_nested():
            return kind.apply(connection, writes)
    except _DATABASE_FAULTS:
        raise
    except Exception as error:  # noqa: BLE001 - the result of its author
        if len(writes) == 1:
            return [error]
        return [_apply_kind_carefully(connection, kind, [write])[0] for write in writes]
