"""Migrations make exactly the tables of the models, and another revision is refused."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from socialanalyzer_dagster.storage import schema
from socialanalyzer_dagster.storage.columns import VERSION_TABLE, Base
from socialanalyzer_dagster.storage.database import Database


def test_migrations_make_the_tables_of_the_models(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "version_table": VERSION_TABLE}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_every_foreign_key_has_an_index(database: Database) -> None:
    found = inspect(database.engine)
    without = []
    for table in found.get_table_names():
        keyed = [each["column_names"] for each in (*found.get_indexes(table), *found.get_unique_constraints(table))]
        keyed.append(found.get_pk_constraint(table)["constrained_columns"])
        without += [
            (table, key["constrained_columns"])
            for key in found.get_foreign_keys(table)
            if not any(columns[: len(key["constrained_columns"])] == key["constrained_columns"] for columns in keyed)
        ]
    assert without == []


def test_an_empty_database_is_refused_and_named_as_such(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    assert schema.status(database).current is None
    with pytest.raises(schema.SchemaMismatch, match="socialanalyzer db upgrade"):
        schema.require_current(database)
    assert schema.upgrade(database).is_current
    schema.require_current(database)
    database.dispose()


def test_upgrading_twice_changes_nothing(database: Database) -> None:
    assert schema.upgrade(database) == schema.status(database)
    assert schema.status(database).is_current


@pytest.mark.parametrize("action", [schema.require_current, schema.upgrade])
def test_a_revision_of_a_newer_version_is_refused(empty_database_url: str, action) -> None:
    database = Database(empty_database_url)
    schema.upgrade(database)
    with database.write() as connection:
        connection.execute(text("UPDATE socialanalyzer_version SET version_num = '9999'"))
    with pytest.raises(schema.SchemaMismatch, match="9999, which this version does not know"):
        action(database)
    database.dispose()


@pytest.mark.parametrize("action", [schema.require_current, schema.upgrade])
def test_tables_without_a_recorded_revision_are_refused(empty_database_url: str, action) -> None:
    database = Database(empty_database_url)
    schema.upgrade(database)
    with database.write() as connection:
        connection.execute(text("DELETE FROM socialanalyzer_version"))
    with pytest.raises(schema.SchemaMismatch, match="no revision of ours"):
        action(database)
    database.dispose()


def test_a_database_of_others_is_no_database_of_ours(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    with database.write() as connection:
        connection.execute(text("CREATE TABLE their_own (number integer)"))
    assert schema.status(database).current is None
    database.dispose()


def test_advice_for_an_unknown_revision_is_not_to_upgrade() -> None:
    unknown = schema.SchemaStatus(current="9999", head="0001", known=False)
    assert "install the version that wrote it" in unknown.sentence
