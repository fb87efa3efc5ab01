"""What an error of the database says: what went wrong, and no value of the statement (I-61, I-68)."""

import logging
import traceback

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

ADDRESS = "mara@private-host.com"
BROKEN = {
    "a key that is taken": "INSERT INTO suppressions (kind, keyed_hash, reason, added_at, source) "
    "VALUES (:v, :v, :v, '2026-11-20', :v), (:v, :v, :v, '2026-11-20', :v)",
    "a table that is missing": "SELECT * FROM nowhere WHERE name = :v",
    "a number that is none": "SELECT CAST(:v AS INTEGER) FROM nowhere",
    "a row that refers to nothing": "INSERT INTO lead_aliases (platform, alias, lead_uid) VALUES (:v, :v, :v)",
}


@pytest.mark.parametrize("statement", BROKEN.values(), ids=BROKEN)
def test_an_error_tells_its_kind_and_no_value(database, statement, caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(DBAPIError) as caught, database.write() as connection:
        connection.execute(text(statement), {"v": ADDRESS})
    told = "".join(traceback.format_exception(caught.value))
    assert ADDRESS not in told + caplog.text
    assert type(caught.value.orig).__name__ in told


def test_a_value_that_postgresql_quotes_in_its_first_line_is_hidden_too(postgres_database):
    with pytest.raises(DBAPIError) as caught, postgres_database.read() as connection:
        connection.execute(text("SELECT CAST(:v AS INTEGER)"), {"v": ADDRESS})
    told = "".join(traceback.format_exception(caught.value))
    assert ADDRESS not in told
    assert "SQLSTATE 22P02" in told
