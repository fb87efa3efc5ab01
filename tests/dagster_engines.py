"""Engines of Dagster's SQLite instances, shared by all who ask for a file: each question has one of its own else.

Opening and closing a file for every question took a twentieth of a run's processor time, setting up each connection to
a database in memory half of that. What is stored, and in which transactions, stays as Dagster does it. A file is not
to be deleted and made anew under the same name within a process.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from dagster._core.storage.event_log import in_memory as events_in_memory
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs import in_memory as runs_in_memory
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from sqlalchemy import Connection, Engine, QueuePool, create_engine, event

_MOST = 32


def share_engines() -> None:
    """From now on in this process; safe to repeat."""
    for module in (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage):
        module.create_engine = _engine_of  # type: ignore[attr-defined]
    for module in (events_in_memory, runs_in_memory):
        module.create_engine = _engine_in_memory  # type: ignore[attr-defined]
    events_in_memory.InMemoryEventLogStorage._connect = _connect_to_events  # type: ignore[method-assign,assignment]
    runs_in_memory.InMemoryRunStorage.connect = _connect  # type: ignore[method-assign,assignment]


def _engine_of(url: str, *, connect_args: dict[str, Any] | None = None, **_pool: object) -> Engine:
    return _shared(url, tuple((connect_args or {}).items()))


@lru_cache(maxsize=_MOST)
def _shared(url: str, connect_args: tuple[tuple[str, Any], ...]) -> Engine:
    engine = create_engine(url, pool_size=2, connect_args={**dict(connect_args), "check_same_thread": False})
    engine.dispose = _stay  # type: ignore[method-assign]
    return engine


def _stay(close: bool = True) -> None:
    """Whoever asks next for the file goes on with its connections."""


def _engine_in_memory(url: str, **_pool: object) -> Engine:
    engine = create_engine(url, pool_size=2, poolclass=QueuePool, connect_args={"check_same_thread": False})
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys=ON"))
    return engine


@contextmanager
def _connect_to_events(storage: events_in_memory.InMemoryEventLogStorage) -> Iterator[Connection]:
    with storage._db_lock, _connect(storage) as connection:
        yield connection


@contextmanager
def _connect(storage: Any) -> Iterator[Connection]:
    with storage._engine.connect() as connection, connection.begin():
        yield connection
