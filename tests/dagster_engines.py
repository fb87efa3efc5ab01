"""Engines of Dagster's SQLite instances, shared by all who ask for a file: each question has one of its own else.

A new engine knows no statement and opens its file anew, so that putting statements together took a quarter of a run's
processor time, and opening and closing files a twentieth. What is stored, and in which transactions, stays as Dagster
does it. A file is not to be deleted and made anew under the same name within a process.
"""

from functools import lru_cache
from typing import Any

from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from sqlalchemy import Engine, create_engine

_MOST = 32


def share_engines() -> None:
    """From now on in this process; safe to repeat."""
    for module in (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage):
        module.create_engine = _engine_of  # type: ignore[attr-defined]


def _engine_of(url: str, *, connect_args: dict[str, Any] | None = None, **_pool: object) -> Engine:
    return _shared(url, tuple((connect_args or {}).items()))


@lru_cache(maxsize=_MOST)
def _shared(url: str, connect_args: tuple[tuple[str, Any], ...]) -> Engine:
    engine = create_engine(url, pool_size=2, connect_args={**dict(connect_args), "check_same_thread": False})
    engine.dispose = _stay  # type: ignore[method-assign]
    return engine


def _stay(close: bool = True) -> None:
    """Whoever asks next for the file goes on with its connections."""
