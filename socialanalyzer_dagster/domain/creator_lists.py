"""Rows of a creator list, whatever file they came from: typed, normalised, with unknown as None (spec 5.11)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from socialanalyzer_dagster.domain.outcomes import ItemResult


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
