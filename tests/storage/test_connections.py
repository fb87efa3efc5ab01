"""Connections of the pool that the server has closed meanwhile."""

from sqlalchemy import text

from socialanalyzer_dagster.storage import database as doors
from socialanalyzer_dagster.storage.database import Database


def test_a_rested_connection_that_the_server_closed_is_made_anew(postgres_database, monkeypatch):
    url = postgres_database.url.render_as_string(hide_password=False)
    database, administrator = Database(url), Database(url)
    with database.read() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with administrator.read() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    monkeypatch.setattr(doors, "IDLE_SECONDS", 0.0)
    with database.read() as connection:
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar_one() != pid
    database.dispose()
    administrator.dispose()
