"""Creator lists as files: CSV, JSON and XLSX become rows, one at a time, with a preview of the columns (spec 5.11)."""

import itertools
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from socialanalyzer_dagster.domain.creator_lists import AnyRow, Check, ListSummary, UnusableRow, make_row, summarise
from socialanalyzer_dagster.domain.list_columns import ColumnUse, ListRefused, is_known_header, map_columns
from socialanalyzer_dagster.domain.list_csv import Record, read_csv
from socialanalyzer_dagster.domain.list_json import BadItem, read_json
from socialanalyzer_dagster.domain.outcomes import ItemResult
from socialanalyzer_dagster.domain.types import PlatformKey

MAX_UNPACKED_BYTES = 300_000_000
_JSON_NAMES = frozenset({".json", ".jsonl", ".ndjson"})
_MAX_JSON_FIELDS = 500
_SAMPLE_ITEMS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPreview:
    """How a file would be read: the use of each column and its first rows."""

    columns: tuple[ColumnUse, ...]
    rows: tuple[AnyRow, ...]


@dataclass(frozen=True, slots=True)
class ListFile:
    """The rows of a file, read anew each time they are iterated; raises ListRefused like read_list."""

    path: Path
    chosen_columns: Mapping[str, str] | None = None

    def __iter__(self) -> Iterator[AnyRow]:
        return read_list(self.path, self.chosen_columns)


def read_list(path: Path, chosen_columns: Mapping[str, str] | None = None) -> Iterator[AnyRow]:
    """Every row of the file in order, usable or not, one in memory at a time.

    `chosen_columns` maps fields to headers where the recognised names are not right. Raises ListRefused when the file
    is missing, empty, binary, broken, or names no column with a handle or an address.
    """
    records, columns = _opened(path, chosen_columns)
    for record in records:
        if record.problem is not None:
            yield UnusableRow(line=record.line, result=ItemResult.MALFORMED_ITEM, reason=record.problem)
        else:
            yield make_row(record.line, record.cells, columns)


def preview_list(path: Path, chosen_columns: Mapping[str, str] | None = None, *, rows: int = 5) -> ListPreview:
    """The columns with their use and the first rows; raises ListRefused like read_list."""
    _, columns = _opened(path, chosen_columns)
    return ListPreview(columns=columns, rows=tuple(itertools.islice(read_list(path, chosen_columns), rows)))


def summarise_list(platform: PlatformKey, path: Path, check: Check = lambda row: row) -> ListSummary:
    """The summary of a whole file; raises ListRefused, also when no row is usable."""
    summary = summarise(platform, read_list(path), check)
    if summary.usable == 0:
        first = summary.examples[0].reason if summary.examples else "there are none below the header"
        raise ListRefused(f"no row of the file can be used: {first}")
    return summary


def _opened(path: Path, chosen: Mapping[str, str] | None) -> tuple[Iterator[Record], tuple[ColumnUse, ...]]:
    """The records after the header, and the use of the columns."""
    if not path.is_file():
        raise ListRefused(f"there is no file {path.name}")
    if _is_zip(path):
        return _with_header(_xlsx_records(path), chosen)
    if path.suffix.lower() in _JSON_NAMES or _starts_like_json(path):
        return _json_records(path, chosen)
    return _with_header(read_csv(path), chosen)


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _starts_like_json(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    return start.startswith((b"[{", b'["', b'{"')) or (
        start.startswith((b"[", b"{")) and start[1:].lstrip()[:1] in b'{"'
    )


def _with_header(
    records: Iterator[Record], chosen: Mapping[str, str] | None
) -> tuple[Iterator[Record], tuple[ColumnUse, ...]]:
    """The first record is the header, unless it holds an address or an @handle and no known name."""
    first = next(records, None)
    if first is None:
        raise ListRefused("the file is empty")
    if first.problem is not None:
        raise ListRefused(f"the header in line {first.line} cannot be read: {first.problem}")
    headers = _trimmed(first.cells)
    if chosen or any(map(is_known_header, headers)) or not any(map(_is_identity, headers)):
        return records, map_columns(headers, chosen)
    names = [f"column {number}" for number in range(1, len(headers) + 1)]
    identity = names[next(index for index, cell in enumerate(headers) if _is_identity(cell))]
    return itertools.chain([first], records), map_columns(names, {"url": identity})


def _trimmed(cells: Sequence[object]) -> list[str]:
    headers = ["" if cell is None else str(cell).strip().lstrip("\ufeff") for cell in cells]
    while headers and not headers[-1]:
        headers.pop()
    return headers


def _is_identity(cell: str) -> bool:
    return cell.startswith(("@", "http://", "https://", "www."))


def _xlsx_records(path: Path) -> Iterator[Record]:
    """Rows of the first sheet that has any, with their row numbers."""
    from openpyxl.utils.exceptions import InvalidFileException  # takes long to load, and few lists are workbooks

    try:
        with path.open("rb") as file:
            yield from _sheet_records(file)
    except ListRefused:
        raise
    except (zipfile.BadZipFile, zlib.error, InvalidFileException, KeyError, OSError, ValueError, SyntaxError) as error:
        raise ListRefused("the file is a ZIP archive that is no XLSX workbook; save the list as CSV or XLSX") from error


def _sheet_records(file: BinaryIO) -> Iterator[Record]:
    from openpyxl import load_workbook

    with zipfile.ZipFile(file) as archive:
        if sum(item.file_size for item in archive.infolist()) > MAX_UNPACKED_BYTES:
            raise ListRefused("the workbook is too large when unpacked; save the list as CSV")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl warns about styles and extensions, which a list has no use for
        book = load_workbook(file, read_only=True, data_only=True)
    for sheet in book.worksheets:
        sheet.reset_dimensions()
        numbered = (Record(number, tuple(row)) for number, row in enumerate(sheet.iter_rows(values_only=True), start=1))
        filled = (record for record in numbered if any(str(cell).strip() for cell in record.cells if cell is not None))
        if (first := next(filled, None)) is not None:
            yield first
            yield from filled
            return


def _json_records(path: Path, chosen: Mapping[str, str] | None) -> tuple[Iterator[Record], tuple[ColumnUse, ...]]:
    """Objects become records over the fields of the first items; bare texts are handles or addresses."""
    names: dict[str, None] = {}
    bare = 0
    for item in itertools.islice(read_json(path), _SAMPLE_ITEMS):
        bare += isinstance(item, str)
        names |= dict.fromkeys(item) if isinstance(item, dict) else {}
    if not names and not bare:
        raise ListRefused("the JSON list is empty or holds neither objects nor handles")
    if len(names) > _MAX_JSON_FIELDS:
        raise ListRefused(f"the items of the JSON list have {len(names)} different fields; at most {_MAX_JSON_FIELDS}")
    headers = list(names) if names else ["url"]
    columns = map_columns(headers, chosen)
    identity = next(index for index, column in enumerate(columns) if column.field in {"url", "handle"})
    records = (_json_record(number, item, headers, identity) for number, item in enumerate(read_json(path), start=1))
    return records, columns


def _json_record(number: int, item: object, headers: Sequence[str], identity: int) -> Record:
    if isinstance(item, BadItem):
        return Record(number, (), item.reason)
    if isinstance(item, str):
        return Record(number, tuple(item if index == identity else None for index in range(len(headers))))
    if not isinstance(item, dict):
        return Record(number, (), "the item is neither an object nor a handle")
    return Record(number, tuple(_json_cell(item.get(name)) for name in headers))


def _json_cell(value: object) -> object:
    """Texts and numbers as they are; lists of texts joined; nested objects are unknown."""
    if isinstance(value, list):
        return ", ".join(str(part) for part in value if isinstance(part, str | int | float)) or None
    return None if isinstance(value, dict | BadItem) else value
