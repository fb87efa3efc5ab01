"""Bringing a database to this version's tables, and refusing one that is not there (issue 2, section 2)."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from socialanalyzer_dagster.storage import (  # noqa: F401  (registers the tables)
    models_control,
    models_crm,
    models_decisions,
    models_health,
    models_leads,
    models_notifications,
    models_people,
    models_results,
)
from socialanalyzer_dagster.storage.columns import VERSION_TABLE, Base
from socialanalyzer_dagster.storage.database import Database

MIGRATIONS = Path(__file__).parent / "migrations"
UNRECORDED = "unrecorded"
_UPGRADE_LOCK = 7_305_120_001


class SchemaMismatch(RuntimeError):
    """The database is not at the revision this version works with; the text says what to do."""


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """`current` is None for a database without our tables, UNRECORDED for one that has them and names no revision.

    `known` is False for a revision that this version has no migration of.
    """

    current: str | None
    head: str
    known: bool

    @property
    def is_current(self) -> bool:
        """True when the tables are those of this version."""
        return self.current == self.head

    @property
    def sentence(self) -> str:
        """Where the database stands and, unless it is current, what to do."""
        if self.is_current:
            return f"the database is at revision {self.head}"
        if self.current is None:
            return "the database has no tables yet: run `socialanalyzer db upgrade`"
        if self.current == UNRECORDED:
            return (
                "the database holds tables with our names but no revision of ours: restore its back-up, "
                "or name an empty database in DATABASE_URL"
            )
        if not self.known:
            return (
                f"the database is at revision {self.current}, which this version does not know: "
                "install the version that wrote it; `socialanalyzer db upgrade` cannot go back"
            )
        return (
            f"the database is at revision {self.current}, this version needs {self.head}: "
            "run `socialanalyzer db upgrade`"
        )


def status(database: Database) -> SchemaStatus:
    """Where the database stands; changes nothing."""
    with database.read() as connection:
        current = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
        if current is None and Base.metadata.tables.keys() & set(inspect(connection).get_table_names()):
            current = UNRECORDED
    head, revisions = _shipped()
    return SchemaStatus(current, head, known=current is None or current in revisions)


def upgrade(database: Database) -> SchemaStatus:
    """Run the missing migrations in one transaction; two processes at once wait for each other.

    Raises SchemaMismatch for a database that a newer version has written.
    """
    before = status(database)
    if not before.known:
        raise SchemaMismatch(before.sentence)
    if not before.is_current:
        with database.rebuild() as connection:
            _migrate(connection)
    return status(database)


def require_current(database: Database) -> None:
    """Raises SchemaMismatch unless the database is at this version's revision."""
    found = status(database)
    if not found.is_current:
        raise SchemaMismatch(found.sentence)


@cache
def _shipped() -> tuple[str, frozenset[str]]:
    """The newest revision of this version, and all of them; every stage and check of a run asks."""
    scripts = ScriptDirectory.from_config(_config())
    return scripts.get_current_head() or "", frozenset(script.revision for script in scripts.walk_revisions())


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
