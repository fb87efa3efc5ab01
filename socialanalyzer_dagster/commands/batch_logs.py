"""`logs` and `batch log`, which are one: the warnings and errors that are kept of a batch, by level and text."""

from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from socialanalyzer_dagster.commands.batch_texts import print_log
from socialanalyzer_dagster.commands.batches import Key
from socialanalyzer_dagster.commands.office import open_office
from socialanalyzer_dagster.commands.output import AsJson, emit
from socialanalyzer_dagster.pipeline.batch_log_view import batch_log


class Level(StrEnum):
    """The levels that are kept."""

    WARNING = "WARNING"
    ERROR = "ERROR"


def register(app: typer.Typer, name: str) -> None:
    """Put the command there under this name."""
    app.command(name)(log)


def log(
    key: Key,
    *,
    level: Annotated[Level | None, typer.Option(help="Of one level.", case_sensitive=False)] = None,
    text: Annotated[str | None, typer.Option("--grep", "--text", help="With this text in the message.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Warnings and errors of a batch, newest first."""
    with open_office() as office:
        found = batch_log(office.workplace(), key, level=level, text=text, limit=limit)

    def show(console: Console) -> None:
        print_log(console, found)
        if not found["newest"]:
            console.print("nothing was logged" if not found["kept"] else "no entry is like that")

    emit(found, as_json=as_json, text=show)
