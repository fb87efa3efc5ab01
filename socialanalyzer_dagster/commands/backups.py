"""`db backup` and `db restore`: a copy of the database while it is in use, and a new installation from it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from socialanalyzer_dagster.commands.output import AsJson, emit
from socialanalyzer_dagster.domain.sentences import counted
from socialanalyzer_dagster.pipeline.message_view import hold_unsent
from socialanalyzer_dagster.pipeline.workplace import SystemClock
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.storage import backups, schema
from socialanalyzer_dagster.storage.database import Database

_BYTES_PER_MB = 1_000_000

BackupFile = Annotated[Path, typer.Argument(metavar="FILE", help="The back-up.")]


def register(app: typer.Typer) -> None:
    """Put the commands under `db`."""
    app.command("backup")(backup)
    app.command("restore")(restore)


def backup(file: BackupFile, *, as_json: AsJson = False) -> None:
    """Copy the database into a new FILE while runs go on; says what else belongs to a back-up."""
    settings = Settings.from_environment()
    database = Database(settings.database_url.get_secret_value())
    try:
        status = schema.status(database)
        if status.current is None:
            raise schema.SchemaMismatch(status.sentence)
        backups.back_up(database, file)
    finally:
        database.dispose()
    apart = _kept_apart(settings, database)
    size = file.stat().st_size

    def show(console: Console) -> None:
        console.print(f"{file}: {size / _BYTES_PER_MB:.1f} MB, revision {status.current}", markup=False)
        console.print("not in it, keep it too: " + ", ".join(apart), markup=False)

    emit({"file": file, "bytes": size, "revision": status.current, "kept_apart": apart}, as_json=as_json, text=show)


def restore(file: BackupFile, *, as_json: AsJson = False) -> None:
    """Fill the empty database of DATABASE_URL or of the home from FILE; then `db upgrade` prepares the home.

    Messages that were not sent yet are held: they may have been sent after the back-up, so a person decides.
    """
    settings = Settings.from_environment()
    database = Database(settings.database_url.get_secret_value())
    try:
        backups.restore(database, file)
        status = schema.status(database)
        held = hold_unsent(database, SystemClock().now(), looks_at_tables=status.is_current)
    finally:
        database.dispose()
    result = {"current": status.current, "head": status.head, "is_current": status.is_current, "held_messages": held}

    def show(console: Console) -> None:
        console.print(f"restored; {status.sentence}")
        if held:
            told = f"{counted(held, 'message')} held, which may have been sent after the back-up: "
            console.print(f"{told}`notify list --state held`, then `notify again` or `notify drop`")
        console.print("next: `socialanalyzer db upgrade`, then `socialanalyzer doctor`")

    emit(result, as_json=as_json, text=show)


def _kept_apart(settings: Settings, database: Database) -> list[str]:
    """What a back-up of the database does not hold."""
    apart = [f"the media at {settings.media_store_url}", "SUPPRESSION_HMAC_KEY"]
    return [*apart, f"Dagster's run history in {settings.dagster_home}"] if database.is_sqlite else apart
