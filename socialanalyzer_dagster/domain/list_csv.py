"""Records of a CSV file with the line each starts at, recovering from quotes that are never closed (spec 5.11)."""

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from socialanalyzer_dagster.domain.list_columns import ListRefused, is_known_header
from socialanalyzer_dagster.domain.list_encodings import detect_encoding, open_text

_DELIMITERS = (",", ";", "\t", "|")
MAX_LINE_CHARS = 4_000_000
_LINE_ENDS = ("\n", "\r")
_UNCLOSED = "a quotation mark opens a cell and is never closed"


@dataclass(frozen=True, slots=True)
class Record:
    """The cells of one record, or the problem that makes it unreadable."""

    line: int
    cells: tuple[object, ...]
    problem: str | None = None


def read_csv(path: Path) -> Iterator[Record]:
    """All records that are not blank, the header first, as a stream; raises ListRefused for empty and binary files."""
    encoding = detect_encoding(path)
    with open_text(path, encoding) as text:
        delimiter = _delimiter_of(text)
    with open_text(path, encoding) as text:
        for record in _records(text, delimiter):
            if record.problem is not None or any(str(cell).strip() for cell in record.cells):
                yield record


def _delimiter_of(text: IO[str]) -> str:
    """The separator under which the first record has most known headers, then most columns."""
    first_lines = [line for line in (text.readline(65_536) for _ in range(20)) if line.strip()]
    if not first_lines:
        raise ListRefused("the file is empty")

    def quality(delimiter: str) -> tuple[int, int]:
        try:
            header = next(csv.reader(first_lines, delimiter=delimiter), [])
        except csv.Error:
            return (0, 0)
        return sum(map(is_known_header, header)), len(header)

    return max(_DELIMITERS, key=quality)


class _LineTooLong(csv.Error):
    """A line that is passed over instead of being held."""

    def __init__(self) -> None:
        super().__init__(f"a line has more than {MAX_LINE_CHARS:,} characters")


class _Lines:
    """Lines of a text that can be handed out a second time; remembers those of the record being read."""

    def __init__(self, text: IO[str]) -> None:
        self._text = text
        self._again: deque[str] = deque()
        self.current: list[str] = []
        self.number = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._text.readline(MAX_LINE_CHARS)
        if not line:
            raise StopIteration
        self.number += 1
        is_cut = len(line) == MAX_LINE_CHARS and not line.endswith(_LINE_ENDS)
        self.current.append("\n" if is_cut else line)
        if is_cut:
            self._pass_over_the_rest()
            raise _LineTooLong
        return line

    def _pass_over_the_rest(self) -> None:
        while (rest := self._text.readline(MAX_LINE_CHARS)) and not rest.endswith(_LINE_ENDS):
            pass

    def rewind_after_first(self) -> None:
        """Hand out the lines of the current record again, but for its first."""
        rest = self.current[1:]
        self._again.extendleft(reversed(rest))
        self.number -= len(rest)


def _records(text: IO[str], delimiter: str) -> Iterator[Record]:
    """One record after the other; where a quote swallows the rest of the file, only its first line is lost."""
    lines = _Lines(text)
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        start = lines.number + 1
        lines.current = []
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lines.rewind_after_first()
            reader = csv.reader(lines, delimiter=delimiter)
            yield Record(start, (), _problem(error))
            continue
        if len(lines.current) > 1 and sum(line.count('"') for line in lines.current) % 2:
            lines.rewind_after_first()
            reader = csv.reader(lines, delimiter=delimiter)
            yield Record(start, (), _UNCLOSED)
            continue
        yield Record(start, tuple(cells))


def _problem(error: csv.Error) -> str:
    if isinstance(error, _LineTooLong):
        return str(error)
    return _UNCLOSED if "field larger" in str(error) else f"the row is no CSV: {error}"
