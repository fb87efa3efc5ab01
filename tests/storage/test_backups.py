"""What a back-up holds, and what is refused before anything is changed."""

import re
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select

from socialanalyzer_dagster.storage.backups import BackupRefused, back_up, restore
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.models_control import BudgetScopeRow


def book(database: Database, scope: str) -> None:
    with database.write() as connection:
        connection.execute(insert(BudgetScopeRow).values(scope=scope, **MONEY))


def scopes(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(select(BudgetScopeRow.scope).order_by(BudgetScopeRow.scope)).scalars())


MONEY = {"cap_micros": 9, "settled_micros": 1, "held_micros": 0, "unknown_micros": 0}


def test_a_back_up_holds_what_was_committed_while_somebody_writes(sqlite_database: Database, tmp_path: Path) -> None:
    book(sqlite_database, "day:1")
    with sqlite_database.write() as connection:
        connection.execute(insert(BudgetScopeRow).values(scope="day:2", **MONEY))
        back_up(sqlite_database, tmp_path / "copy")
    fresh = Database(f"sqlite:///{tmp_path / 'fresh.db'}")
    restore(fresh, tmp_path / "copy")
    assert scopes(fresh) == ["day:1"]
    book(fresh, "day:3")
    assert scopes(sqlite_database) == ["day:1", "day:2"]
    fresh.dispose()


def test_a_file_that_exists_is_not_overwritten(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "copy"
    file.write_text("mine")
    with pytest.raises(BackupRefused, match="exists"):
        back_up(database, file)
    assert file.read_text() == "mine"
    with pytest.raises(BackupRefused, match="cannot be written"):
        back_up(database, tmp_path / "nowhere" / "copy")


def test_a_database_with_tables_is_not_filled(database: Database, tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="restore into an empty one"):
        restore(database, tmp_path / "copy")


def test_a_file_of_another_kind_is_refused(empty_database_url: str, tmp_path: Path) -> None:
    fresh, file = Database(empty_database_url), tmp_path / "copy"
    with pytest.raises(BackupRefused, match="cannot be read"):
        restore(fresh, file)
    file.write_bytes(b"PGDMP" if fresh.is_sqlite else b"SQLite format 3\x00")
    with pytest.raises(BackupRefused, match="no back-up of this kind"):
        restore(fresh, file)
    fresh.dispose()


def test_a_damaged_copy_restores_nothing(sqlite_database: Database, tmp_path: Path) -> None:
    file = tmp_path / "copy"
    back_up(sqlite_database, file)
    whole = file.read_bytes()
    fresh = Database(f"sqlite:///{tmp_path / 'fresh.db'}")
    for damaged in (whole[:9000], whole[:4096] + b"\xff" * 8192 + whole[12288:]):
        file.write_bytes(damaged)
        with pytest.raises(BackupRefused, match="is damaged"):
            restore(fresh, file)
    with fresh.read() as connection:
        assert connection.execute(select(func.count()).select_from(func.pragma_table_list())).scalar_one() <= 2
    fresh.dispose()


def test_without_the_programs_of_postgresql_nothing_is_written_and_the_sentence_says_what_to_install(
    postgres_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupRefused, match="postgresql-client"):
        back_up(postgres_database, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_password_goes_to_no_command_line_and_a_failure_quotes_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "pg_dump"
    program.write_text('#!/bin/sh\necho "failed with $* and ${#PGPASSWORD} characters" >&2\necho "a row" >&2\nexit 1\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    database = Database("postgresql://robin:very%20secret@127.0.0.1:1/leads")
    with pytest.raises(BackupRefused) as refused:
        back_up(database, tmp_path / "copy")
    assert re.search("failed with --dbname postgresql://robin@.* and 11 characters", str(refused.value))
    assert "a row" not in str(refused.value)
    assert not (tmp_path / "copy").exists()
