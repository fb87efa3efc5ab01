"""What commands print: results on stdout (JSON alone with --json), everything else on stderr."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, alone on stdout.")]

notes = Console(stderr=True, highlight=False)
"""Progress, warnings and errors."""


def emit(result: object, *, as_json: bool, text: Callable[[Console], None]) -> None:
    """The result of a command: as JSON, or as text written by `text` to a console on stdout."""
    if as_json:
        sys.stdout.write(json.dumps(result, default=_plain, ensure_ascii=False, indent=2) + "\n")
    else:
        text(Console(highlight=False, soft_wrap=True))


def table(headers: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None) -> Table:
    """A table of text cells; None shows as a dash, and markup in values is never interpreted."""
    made = Table(*headers, title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for row in rows:
        made.add_row(*("-" if cell is None else _escaped(str(cell)) for cell in row))
    return made


def _escaped(text: str) -> str:
    printable = "".join(char if char.isprintable() else " " for char in text)
    return printable.replace("[", r"\[")


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
