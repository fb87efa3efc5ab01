"""One database, SQLite or PostgreSQL, behind the same two doors: `write()` and `read()` (architecture section 7)."""

import math
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    RootTransaction,
    Table,
    create_engine,
    event,
    func,
    make_url,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError, OperationalError
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from socialanalyzer_dagster.storage.database_errors import hide_values
from socialanalyzer_dagster.storage.json_text import parsed_json, stored_json

BUSY_SECONDS = 30
IDLE_SECONDS = 1.0
"""A PostgreSQL connection that was unused for longer is tried before it is used again."""
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "foreign_keys=ON",
    "secure_delete=ON",  # what is erased leaves no trace in free pages of the file
    f"busy_timeout={BUSY_SECONDS * 1000}",
    "cache_size=-64000",  # kibibytes of each connection: the indexes of a day's calls stay in memory
    "wal_autocheckpoint=8000",  # pages: a checkpoint waits for the disk, a commit does not
)
_JSON: Mapping[str, Any] = {"json_serializer": stored_json, "json_deserializer": parsed_json}
_READ_BY_NAME = {"_result_disable_adapt_to_context": True}
"""Rows are read by name or place, so that a statement's columns need not be matched with those it was compiled from:
SQLAlchemy spares its own ORM this too."""
Upsert: TypeAlias = sqlite.Insert | postgresql.Insert
SharedTime: TypeAlias = Callable[[Connection], float]


class Database:
    """An engine with this project's settings: one per process and URL.

    SQLite runs in WAL mode with foreign keys on, and every writing transaction takes the write lock at its start, so
    that two processes wait for each other instead of failing half-way. PostgreSQL runs through a psycopg2 pool.
    """

    def __init__(self, url: str) -> None:
        self.url = normalized_url(url)
        self.engine = _sqlite_engine(self.url) if self.is_sqlite else _postgres_engine(self.url)

    @property
    def is_sqlite(self) -> bool:
        """True for the embedded engine, where one process at a time writes."""
        return self.url.get_backend_name() == "sqlite"

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection in one writing transaction: committed at the end, rolled back when the block raises."""
        with self.engine.connect() as connection, self._begun(connection, "BEGIN IMMEDIATE"):
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection in one read transaction: the block sees one state of the database on SQLite."""
        with self.engine.connect() as connection, self._begun(connection, "BEGIN"):
            yield connection

    @contextmanager
    def rebuild(self) -> Iterator[Connection]:
        """As `write`, for changes of tables: SQLite enforces foreign keys at the end instead of all the time.

        SQLite changes a column by making the table anew; dropping the old one would delete the rows that refer to it.
        """
        if not self.is_sqlite:
            with self.write() as connection:
                yield connection
            return
        with self.engine.connect() as connection:
            _enforce_foreign_keys(connection, "OFF")
            try:
                with self._begun(connection, "BEGIN IMMEDIATE"):
                    yield connection
                    if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                        raise RuntimeError(f"a row of {broken[0]} refers to a row of {broken[2]} that does not exist")
            finally:
                _enforce_foreign_keys(connection, "ON")

    def _begun(self, connection: Connection, statement: str) -> RootTransaction:
        """The connection's transaction; SQLite's begins here, for the driver must not choose when and which."""
        if self.is_sqlite:
            _execute_by_driver(connection, statement)
        return connection.begin()

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def normalized_url(url: str) -> URL:
    """The URL with the driver this project uses; `postgres://` and `postgresql://` mean psycopg2.

    Raises ValueError for any other database.
    """
    parsed = make_url(url.replace("postgres://", "postgresql://", 1) if url.startswith("postgres://") else url)
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg2")
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        return parsed
    raise ValueError(
        "DATABASE_URL must name a SQLite file (sqlite:///path) or a PostgreSQL database (postgresql://...)"
    )


def shared_seconds(connection: Connection) -> float:
    """Seconds since 1970 of a clock that all processes share.

    PostgreSQL's own clock, because machines differ; the machine's on SQLite, whose processes all run on one.
    """
    if connection.dialect.name != "postgresql":
        return time.time()
    return float(connection.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one())


def upsert(connection: Connection, model: type[DeclarativeBase]) -> Upsert:
    """An INSERT of the connection's dialect, which knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return _insert(connection.dialect.name, model)


def insert_new(connection: Connection, model: type[DeclarativeBase]) -> Upsert:
    """An INSERT that leaves rows which are there as they are."""
    return _insert_new(connection.dialect.name, model)


def insert_or_update(
    connection: Connection, model: type[DeclarativeBase], *, keys: tuple[str, ...], changed: tuple[str, ...]
) -> Upsert:
    """An INSERT that changes these columns of rows which are there."""
    return _insert_or_update(connection.dialect.name, model, keys, changed)


@cache
def _insert(dialect: str, model: type[DeclarativeBase]) -> Upsert:
    """Statements of every commit are made once: putting one together takes as long as running it."""
    table = table_of(model)
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


@cache
def _insert_new(dialect: str, model: type[DeclarativeBase]) -> Upsert:
    return _insert(dialect, model).on_conflict_do_nothing()


@cache
def _insert_or_update(
    dialect: str, model: type[DeclarativeBase], keys: tuple[str, ...], changed: tuple[str, ...]
) -> Upsert:
    statement = _insert(dialect, model)
    values = {name: statement.excluded[name] for name in changed}
    return statement.on_conflict_do_update(index_elements=list(keys), set_=values)


def unindexed(column: ColumnElement[Any] | InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    """The column as an expression that no index answers, beside a list of leads.

    SQLite without statistics takes the index of a whole batch over that of the leads asked for, and then every group of
    leads costs as much as the batch has.
    """
    return func.coalesce(column, "")


def table_of(model: type[DeclarativeBase]) -> Table:
    """The Core table of a model."""
    table = model.__table__
    if not isinstance(table, Table):
        raise TypeError(f"{model.__name__} is not mapped to a plain table")
    return table


def _sqlite_engine(url: URL) -> Engine:
    Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
    connect_args = {"timeout": BUSY_SECONDS, "check_same_thread": False}
    options: dict[str, Any] = {"connect_args": connect_args, "execution_options": _READ_BY_NAME}
    options["pool_use_lifo"] = True  # whoever writes empties the caches of all other connections
    engine = create_engine(url, hide_parameters=True, **options, **_JSON)
    hide_values(engine)
    event.listen(engine, "connect", _prepare_sqlite_connection)
    return engine


def _prepare_sqlite_connection(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver must not open transactions by itself: `Database` does
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _enforce_foreign_keys(connection: Connection, state: str) -> None:
    """Between transactions, where alone SQLite obeys."""
    _execute_by_driver(connection, f"PRAGMA foreign_keys={state}")


def _execute_by_driver(connection: Connection, statement: str) -> None:
    """As any statement, in a tenth of the time; its errors are those of any statement."""
    try:
        connection.connection.cursor().execute(statement)
    except sqlite3.OperationalError as error:
        raise OperationalError(statement, None, error) from error


def _postgres_engine(url: URL) -> Engine:
    options: dict[str, Any] = {"pool_size": 5, "max_overflow": 15, "hide_parameters": True}
    options["execution_options"] = _READ_BY_NAME
    options["executemany_mode"] = "values_plus_batch"  # many UPDATEs in one round trip
    engine = create_engine(url, connect_args={"application_name": "socialanalyzer"}, **_JSON, **options)
    hide_values(engine)
    event.listen(engine, "checkin", _note_idle)
    event.listen(engine, "checkout", partial(_ping_idle, engine))
    return engine


def _note_idle(_connection: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
    entry.info["idle_since"] = time.monotonic()


def _ping_idle(
    engine: Engine, connection: DBAPIConnection, entry: ConnectionPoolEntry, _proxy: PoolProxiedConnection
) -> None:
    """Only a connection that has rested may have been closed by the server: to ask before each use is a fifth of it."""
    if time.monotonic() - entry.info.get("idle_since", math.inf) < IDLE_SECONDS:
        return
    try:
        engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error as error:
        raise InvalidatePoolError from error
