"""Backing a database up while runs are at work on it, and restoring the copy into an empty one (issue 4, section 6)."""

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from sqlalchemy import URL, inspect

from socialanalyzer_dagster.settings import inherited_environment
from socialanalyzer_dagster.storage.database import Database

_OWNER_ONLY = 0o600
_SQLITE_HEADER = b"SQLite format 3\x00"
_ARCHIVE_HEADER = b"PGDMP"
_NO_ROLES = ("--no-owner", "--no-privileges")
"""The restored tables belong to whoever restores them: roles of another server are not needed."""


class BackupRefused(RuntimeError):
    """No back-up was made, or nothing was restored; the text says why and what to do."""


def back_up(database: Database, file: Path) -> None:
    """Write one state of every table into a new file that only its owner can read.

    SQLite: a copy of the database file, as it was at one commit. PostgreSQL: an archive of `pg_dump`, with Dagster's
    tables where they are in the same database. Nobody waits for it. Raises BackupRefused, and leaves no file then.
    """
    with _new_file(file) as out:
        if database.is_sqlite:
            _copy_from(database, file)
        else:
            _run("pg_dump", ["--format=custom", *_NO_ROLES], database, out)


def restore(database: Database, file: Path) -> None:
    """Fill a database that has no table from a back-up of the same engine; all of it or nothing.

    Raises BackupRefused for a database with tables, and for a file that is no such back-up or is damaged.
    """
    with database.read() as connection:
        if inspect(connection).get_table_names():
            raise BackupRefused("the database has tables: restore into an empty one, and name it in DATABASE_URL")
    _check_kind(file, _SQLITE_HEADER if database.is_sqlite else _ARCHIVE_HEADER)
    if database.is_sqlite:
        database.dispose()
        _copy_into(database, file)
    else:
        _run("pg_restore", ["--exit-on-error", "--single-transaction", *_NO_ROLES, str(file)], database, None)


@contextmanager
def _new_file(file: Path) -> Iterator[IO[bytes]]:
    try:
        file.touch(_OWNER_ONLY, exist_ok=False)
    except FileExistsError:
        raise BackupRefused(f"{file} exists: name a new file") from None
    except OSError as error:
        raise BackupRefused(f"{file} cannot be written: {error.strerror}") from error
    try:
        with file.open("wb") as out:
            yield out
    except BaseException:
        file.unlink()
        raise


def _copy_from(database: Database, file: Path) -> None:
    with database.engine.connect() as connection, closing(sqlite3.connect(file)) as copy:
        source = connection.connection.driver_connection
        if not isinstance(source, sqlite3.Connection):
            raise TypeError(f"{type(source).__name__} is no connection of SQLite")
        source.backup(copy)


def _copy_into(database: Database, file: Path) -> None:
    target = Path(database.url.database or "")
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as copy:
        found = _damage(copy)
        if found is not None:
            raise BackupRefused(f"{file} is damaged ({found}): take another back-up")
        with closing(sqlite3.connect(target)) as fresh:
            copy.backup(fresh)


def _damage(copy: sqlite3.Connection) -> str | None:
    """What is wrong with the pages of a file, in SQLite's words; None when nothing is."""
    try:
        (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if found == "ok" else "its pages do not fit together"


def _check_kind(file: Path, header: bytes) -> None:
    try:
        with file.open("rb") as source:
            begins_so = source.read(len(header)) == header
    except OSError as error:
        raise BackupRefused(f"{file} cannot be read: {error.strerror}") from error
    if not begins_so:
        raise BackupRefused(f"{file} is no back-up of this kind of database: `db backup` makes them")


def _run(program: str, arguments: Sequence[str], database: Database, out: IO[bytes] | None) -> None:
    """A program of PostgreSQL on the database; the password goes through its environment, where no list shows it."""
    path = shutil.which(program)
    if path is None:
        raise BackupRefused(
            f"{program} is not installed: install the client programs of PostgreSQL (Debian: postgresql-client), "
            "of the server's version or a newer one"
        )
    url = database.url
    place = URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query).render_as_string()
    password = {} if url.password is None else {"PGPASSWORD": url.password}
    done = subprocess.run(  # noqa: S603 - a program of PostgreSQL
        [path, "--dbname", place, *arguments], stdout=out or subprocess.DEVNULL, stderr=subprocess.PIPE,
        env=inherited_environment(password), check=False,
    )  # fmt: skip
    if done.returncode:
        raise BackupRefused(f"{program} failed: {_first_line(done.stderr)}")


def _first_line(told: bytes) -> str:
    """What a program complains of; the lines after it may quote rows."""
    lines = told.decode(errors="replace").splitlines()
    return lines[0] if lines else "it said nothing"
