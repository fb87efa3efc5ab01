"""One run works on a batch at a time, whoever started it (spec 2.4)."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from socialanalyzer_dagster.domain.types import BatchKey
from socialanalyzer_dagster.storage.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who works on a batch: a run in a process of this machine, since when."""

    run_id: str
    pid: int
    since: datetime

    @classmethod
    def this_process(cls, run_id: str, now: datetime) -> "Holder":
        """The holder that this process is."""
        return cls(run_id=run_id, pid=os.getpid(), since=now)

    def as_json(self) -> dict[str, Any]:
        """The form stored with the batch."""
        return {"run_id": self.run_id, "pid": self.pid, "since": self.since.isoformat()}


class BatchLocked(RuntimeError):
    """Another run works on the batch; the text names it."""

    def __init__(self, key: BatchKey, holder: Mapping[str, Any] | None) -> None:
        who = (
            f"run {holder['run_id']} (process {holder['pid']}, since {holder['since']})"
            if holder
            else "a run that is just starting"
        )
        super().__init__(f"batch {key} is being worked on by {who}; wait for it or stop it first")
        self.key = key
        self.holder = holder


class LockLost(RuntimeError):
    """The database connection that held the batch's lock is gone: somebody else may work on the batch now."""


class BatchLock(Protocol):
    """A lock that ends with its process at the latest."""

    def acquire(self) -> bool:
        """True when it is ours now; never waits."""
        ...

    def check(self) -> None:
        """Raises LockLost when it is ours no longer."""
        ...

    def release(self) -> None:
        """Give it back; nothing happens when it is not ours."""
        ...


def batch_lock(database: Database, home: Path, batch_id: str) -> BatchLock:
    """The lock of a batch: an advisory lock on PostgreSQL, a file under the home on SQLite."""
    return _FileBatchLock(home, batch_id) if database.is_sqlite else _AdvisoryBatchLock(database, batch_id)


class _FileBatchLock:
    def __init__(self, home: Path, batch_id: str) -> None:
        folder = home / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / f"batch-{batch_id}.lock", timeout=0, thread_local=False)

    def acquire(self) -> bool:
        try:
            self._lock.acquire()
        except Timeout:
            return False
        return True

    def check(self) -> None:
        if not self._lock.is_locked:
            raise LockLost("the lock file of the batch was released")

    def release(self) -> None:
        self._lock.release()


class _AdvisoryBatchLock:
    def __init__(self, database: Database, batch_id: str) -> None:
        self._database = database
        digest = hashlib.sha256(f"batch:{batch_id}".encode()).digest()
        self._key = int.from_bytes(digest[:8], "big", signed=True)
        self._connection: Connection | None = None

    def acquire(self) -> bool:
        connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": self._key}).scalar_one():
            self._connection = connection
            return True
        connection.close()
        return False

    def check(self) -> None:
        if self._connection is None:
            raise LockLost("the advisory lock of the batch was released")
        try:
            self._connection.execute(text("SELECT 1"))
        except DBAPIError as error:
            raise LockLost("the connection that held the lock of the batch is gone") from error

    def release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": self._key})
        except DBAPIError:
            connection.invalidate()  # the lock ended with its connection
        finally:
            connection.close()
