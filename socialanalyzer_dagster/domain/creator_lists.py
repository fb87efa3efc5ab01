"""Rows of a creator list, whatever file they came from: typed, normalised, with unknown as None (spec 5.11)."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from socialanalyzer_dagster.domain.emails import find_emails
from socialanalyzer_dagster.domain.filters import FINGERPRINT_PREFIX
from socialanalyzer_dagster.domain.hosts import parse_web_url
from socialanalyzer_dagster.domain.human_numbers import read_count
from socialanalyzer_dagster.domain.links import canonical_url
from socialanalyzer_dagster.domain.list_columns import ColumnUse, ListRefused
from socialanalyzer_dagster.domain.outcomes import ItemResult
from socialanalyzer_dagster.domain.outside_text import known_text, one_line
from socialanalyzer_dagster.domain.types import PlatformKey, canonical_json

MAX_HANDLE_CHARS = 200
MAX_EXAMPLES = 100
_MAX_EMAIL_CELL = 2_000
_UNKNOWN = frozenset({"nan", "null", "none", "-", "–", "—", "n/a", "#n/a", "\\n", "undefined", "?", "nat", "<na>"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRow:
    """One usable row: it has a handle or a profile URL, and what else the file says about the creator.

    `line` is where the row starts (CSV: line of the file, XLSX: row of the sheet, JSON: number of the item; the header
    of CSV and XLSX is line 1) and is unique in the file. `extra` holds the columns nobody claimed, by header;
    `notes` say in plain words which cells could not be read and were taken as unknown.
    """

    line: int
    handle: str | None = None
    url: str | None = None
    name: str | None = None
    audience_size: int | None = None
    about: str | None = None
    website: str | None = None
    email: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusableRow:
    """A row that is no lead: `result` is malformed_item or no_identity, `reason` a sentence for the person."""

    line: int
    result: ItemResult
    reason: str


AnyRow: TypeAlias = ListRow | UnusableRow
Check: TypeAlias = Callable[[AnyRow], AnyRow]
"""Gives a row back, or why the platform cannot use it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSummary:
    """What a list holds: how many rows can be used and how many not, and the fingerprint of the usable ones.

    `examples` are the first MAX_EXAMPLES unusable rows; `spelling` is the fingerprint of the rows before the platform
    looked at them.
    """

    usable: int
    unusable: int
    examples: tuple[UnusableRow, ...]
    fingerprint: str
    spelling: str


class CreatorList:
    """A list whose rows are read anew whenever they are needed, so that however many there are none has to be kept."""

    def __init__(self, rows: Iterable[AnyRow]) -> None:
        """`rows` gives the rows each time it is iterated: a file that is read again, or a sequence."""
        self._rows = rows
        self._summary: ListSummary | None = None

    def summary(self, platform: PlatformKey, check: Check) -> ListSummary:
        """The summary for the platform; reads the rows the first time. Raises what reading them raises."""
        if self._summary is None:
            self._summary = summarise(platform, self._rows, check)
        return self._summary

    @property
    def spelling(self) -> str:
        """The fingerprint of the rows as they are written."""
        if self._summary is not None:
            return self._summary.spelling
        return summarise(PlatformKey(""), self._rows).spelling

    def checked_rows(self, platform: PlatformKey, check: Check) -> Iterator[AnyRow]:
        """Every row as the platform sees it; raises ListRefused at the end when the list changed since its summary."""
        digest = _Digest(platform)
        for row in map(check, self._rows):
            digest.add(row)
            yield row
        if digest.fingerprint != self.summary(platform, check).fingerprint:
            raise ListRefused("the list was changed while it was read: nothing was made; try again")


def make_row(line: int, cells: Sequence[object], columns: Sequence[ColumnUse]) -> AnyRow:
    """A row from the cells of one record; cells missing at its end are unknown, cells too many make it malformed."""
    if any(_text(cell) is not None for cell in cells[len(columns) :]):
        reason = f"the row has {len(cells)} cells but the header names {len(columns)} columns"
        return UnusableRow(line=line, result=ItemResult.MALFORMED_ITEM, reason=reason)
    values: dict[str, object] = {}
    extra: dict[str, str] = {}
    for column, cell in zip(columns, cells, strict=False):
        if column.field is not None:
            values[column.field] = cell
        elif (text := _text(cell)) is not None and column.header.strip():
            extra[column.header.strip()] = text
    return _RowReader(line, values, extra).row()


def summarise(platform: PlatformKey, rows: Iterable[AnyRow], check: Check = lambda row: row) -> ListSummary:
    """Count and fingerprint the rows of a list in one pass, holding none of them but the first unusable ones."""
    examples: list[UnusableRow] = []
    placed, spelled = _Digest(platform), _Digest(PlatformKey(""))
    unusable = 0
    for row in rows:
        spelled.add(row)
        checked = check(row)
        placed.add(checked)
        if isinstance(checked, UnusableRow):
            unusable += 1
            if unusable <= MAX_EXAMPLES:
                examples.append(checked)
    return ListSummary(
        usable=placed.rows,
        unusable=unusable,
        examples=tuple(examples),
        fingerprint=placed.fingerprint,
        spelling=spelled.fingerprint,
    )


class _Digest:
    """The fingerprint of usable rows, row by row (spec 5.11)."""

    def __init__(self, platform: PlatformKey) -> None:
        self._hash = hashlib.sha256(f"{platform}\n".encode())
        self.rows = 0

    def add(self, row: AnyRow) -> None:
        """Count a row in; an unusable one does not matter."""
        if isinstance(row, ListRow):
            self._hash.update(canonical_json(normalised(row)).encode())
            self.rows += 1

    @property
    def fingerprint(self) -> str:
        """Of the rows so far."""
        return FINGERPRINT_PREFIX + self._hash.hexdigest()


def normalised(row: ListRow) -> list[str | int | None]:
    """What of a row counts for the fingerprint: not its line, not its spelling in the file."""
    return [row.handle, row.url, row.name, row.audience_size, row.about, row.website, row.email]


class _RowReader:
    """Reads the cells of one row, gathering notes about what could not be read."""

    def __init__(self, line: int, values: Mapping[str, object], extra: Mapping[str, str]) -> None:
        self._line = line
        self._values = values
        self._extra = extra
        self._notes: list[str] = []

    def row(self) -> AnyRow:
        url, handle = self._identity()
        if url is None and handle is None:
            return self._unusable()
        return ListRow(
            line=self._line,
            handle=handle,
            url=url,
            name=self._one_line("name"),
            audience_size=self._audience_size(),
            about=_text(self._values.get("about")),
            website=self._website(),
            email=self._email(),
            extra=self._extra,
            notes=tuple(self._notes),
        )

    def _identity(self) -> tuple[str | None, str | None]:
        """An address in the handle column is taken as address and a handle in the address column as handle."""
        url: str | None = None
        handle: str | None = None
        for name in ("url", "handle"):
            text = self._one_line(name)
            if text is None:
                continue
            if _looks_like_address(text) and parse_web_url(text) is not None:
                url = url or canonical_url(text)
            elif (plain := _handle(text)) is not None:
                handle = handle or plain
            else:
                self._notes.append(f"{name} '{text[:60]}' is neither a handle nor a web address")
        return url, handle

    def _unusable(self) -> UnusableRow:
        if self._notes:
            return UnusableRow(line=self._line, result=ItemResult.MALFORMED_ITEM, reason="; ".join(self._notes))
        reason = "the row has no handle and no profile address"
        return UnusableRow(line=self._line, result=ItemResult.NO_IDENTITY, reason=reason)

    def _one_line(self, name: str) -> str | None:
        text = _text(self._values.get(name))
        return None if text is None else one_line(text) or None

    def _audience_size(self) -> int | None:
        cell = self._values.get("audience_size")
        if _text(cell) is None:
            return None
        reading = read_count(cell)
        if reading.note is not None:
            self._notes.append(f"audience size: {reading.note}")
        return reading.value

    def _website(self) -> str | None:
        text = self._one_line("website")
        if text is None:
            return None
        address = canonical_url(text)
        if address is None:
            self._notes.append(f"website '{text[:60]}' is no web address")
        return address

    def _email(self) -> str | None:
        text = self._one_line("email")
        if text is None:
            return None
        if len(text) > _MAX_EMAIL_CELL:
            self._notes.append(f"the e-mail cell is longer than {_MAX_EMAIL_CELL:,} characters")
            return None
        if not find_emails(text):
            self._notes.append("the e-mail cell holds no e-mail address")
            return None
        return text


def _text(cell: object) -> str | None:
    """A cell as text; None for empty cells and the usual spellings of 'nothing here'."""
    if cell is None or isinstance(cell, bool):
        return None if cell is None else str(cell)
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    text = known_text(str(cell))
    return None if text is None or text.casefold() in _UNKNOWN else text


def _looks_like_address(text: str) -> bool:
    """Handles may contain points ('ada.trail'), so an address needs a scheme, a slash or www."""
    return "/" in text or text.lower().startswith("www.")


def _handle(text: str) -> str | None:
    """Any characters a site may allow ('18+' occurs), but no white space, slashes or schemes."""
    plain = text.lstrip("@").strip()
    if (
        not plain
        or len(plain) > MAX_HANDLE_CHARS
        or re.search(r"[\s/\\<>]|^(?:javascript|data|mailto):", plain.lower())
    ):
        return None
    return plain
