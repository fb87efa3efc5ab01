"""An upgrade keeps what an older version stored, also where SQLite must make a table anew."""

from datetime import UTC, date, datetime
from typing import Any

from alembic import command
from sqlalchemy import Connection, MetaData, Table, delete, func, insert, select

from socialanalyzer_dagster.storage import schema
from socialanalyzer_dagster.storage.database import Database

FILLERS = {
    str: "x", int: 1, bool: False, bytes: b"", object: {}, date: date(2026, 11, 20),
    datetime: datetime(2026, 11, 20, tzinfo=UTC),
}  # fmt: skip
ROWS: dict[str, dict[str, Any]] = {
    "policies": {"policy_hash": "p"},
    "searches": {"fingerprint": "s"},
    "lead_batches": {
        "batch_id": "b", "platform": "patreon", "policy_version": "1.0.0", "policy_hash": "p",
        "search_fingerprint": "s",
    },
    "provider_attempts": {"attempt_key": "a", "batch_id": "b"},
    "provider_answers": {"attempt_key": "a"},
    "vendor_jobs": {"attempt_key": "a", "batch_id": "b"},
    "vendor_job_pages": {"attempt_key": "a"},
    "ledger_entries": {"attempt_key": "a", "batch_id": "b"},
}  # fmt: skip


def tables_of(connection: Connection) -> dict[str, Table]:
    found = MetaData()
    found.reflect(connection, only=list(ROWS))
    return dict(found.tables)


def first_version(database: Database) -> None:
    """The tables of the first version with a batch that paid for one job."""
    with database.write() as connection:
        config = schema._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        tables = tables_of(connection)
        for name, given in ROWS.items():
            wanted = [each for each in tables[name].columns if not each.nullable and each.autoincrement is not True]
            row = {each.name: FILLERS[each.type.python_type] for each in wanted} | given
            connection.execute(insert(tables[name]).values(row))


def test_calls_of_the_first_version_keep_answers_and_jobs_and_learn_their_platform(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    first_version(database)
    assert schema.upgrade(database).is_current
    with database.write() as connection:
        tables = tables_of(connection)
        call = connection.execute(select(tables["provider_attempts"])).one()
        assert (call.batch_id, call.platform, call.policy_version) == ("b", "patreon", "1.0.0")
        counts = {
            name: connection.execute(select(func.count()).select_from(tables[name])).scalar_one() for name in ROWS
        }
        assert counts == dict.fromkeys(ROWS, 1)
        connection.execute(delete(tables["provider_attempts"]))
        left = connection.execute(select(func.count()).select_from(tables["provider_answers"])).scalar_one()
        assert left == 0, "foreign keys are enforced again"
    database.dispose()
