"""What commands print: results on stdout (JSON alone with --json), everything else on stderr."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from socialanalyzer_dagster.domain.money import CENT_MICROS, MICROS_PER_USD, usd_text
from socialanalyzer_dagster.domain.outside_text import printable

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, alone on stdout.")]

notes = Console(stderr=True, highlight=False)
"""Progress, warnings and errors."""
_SHOWN_EVERY = 100
"""A number is drawn anew after so many steps: drawing must not take longer than the work."""
_SHOWN_MICROS = 100
"""The least that four places of a dollar show."""
_WIDE = 160
"""Columns of text that goes to a file or another program: nothing is cut there."""


def emit(result: object, *, as_json: bool, text: Callable[[Console], None]) -> None:
    """The result of a command: as JSON, or as text written by `text` to a console on stdout."""
    if as_json:
        sys.stdout.write(json_text(result) + "\n")
    else:
        text(results())


def json_text(document: object) -> str:
    """Indented JSON in which every control and format character is escaped, so that it cannot steer a terminal."""
    lines = json.dumps(document, default=_plain, ensure_ascii=False, indent=2).split("\n")
    return "\n".join(line if line.isprintable() else "".join(map(_escaped_char, line)) for line in lines)


def _escaped_char(char: str) -> str:
    if char.isprintable():
        return char
    return "\\u007f" if char == "\x7f" else json.dumps(char)[1:-1]  # JSON itself lets DEL pass


def results() -> Console:
    """A console on stdout; tables are as wide as the terminal, or wide where there is none."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDE)


def warn(sentences: Iterable[str]) -> None:
    """Sentences for people on stderr, one a line."""
    for sentence in sentences:
        notes.print(f"warning: {printable(sentence)}", style="yellow", markup=False, soft_wrap=True)


def shortened(text: str, chars: int) -> str:
    """The text, cut where it is longer than a line can show; JSON output has it in full."""
    return text if len(text) <= chars else f"{text[:chars]}... (in full with --json)"


def usd(micros: int) -> str:
    """Dollars with cents; an amount under a cent with four places, as far as those show it."""
    if _SHOWN_MICROS <= abs(micros) < CENT_MICROS:
        return f"{'-' if micros < 0 else ''}${abs(micros) / MICROS_PER_USD:.4f}"
    return usd_text(micros)


def table(headers: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None) -> Table:
    """A table of text cells; None shows as a dash, and markup in headings and values is never interpreted."""
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for heading in headers:
        made.add_column(Text(printable(heading)))
    for row in rows:
        made.add_row(*(Text("-" if cell is None else printable(str(cell))) for cell in row))
    return made


@contextmanager
def written_to(out: Path, option: str, *, mode: int = 0o666) -> Iterator[TextIO]:
    """The file of an option, open for writing, with `mode` when it is new; raises BadParameter when it cannot be."""
    try:
        out.touch(mode=mode)
        with out.open("w", encoding="utf-8", newline="") as file:
            yield file
    except OSError as error:
        raise typer.BadParameter(f"{out} cannot be written: {error.strerror}", param_hint=option) from error


@contextmanager
def counting(label: str) -> Iterator[Callable[[int], None]]:
    """Show on stderr how far the block is: it tells so by number, and nothing is shown as long as it tells none."""
    count = _Count(label)
    try:
        yield count.reached
    finally:
        count.close()


class _Count:
    def __init__(self, label: str) -> None:
        columns = (TextColumn("{task.description}"), TextColumn("{task.completed:,}"), TimeElapsedColumn())
        self._progress = Progress(*columns, console=notes)
        self._bar = self._progress.add_task(label, total=None)
        self._reached = self._shown = 0

    def reached(self, number: int) -> None:
        """A lower number than before: the work began anew."""
        self._progress.start()
        self._reached = number
        if not self._shown <= number < self._shown + _SHOWN_EVERY:
            self._show()

    def _show(self) -> None:
        self._progress.update(self._bar, completed=self._reached)
        self._shown = self._reached

    def close(self) -> None:
        if self._reached:
            self._show()
            self._progress.stop()


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
