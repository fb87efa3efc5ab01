"""Which column of a creator list means what, by its header (spec 5.11)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from socialanalyzer_dagster.domain.outside_text import nfkc

FIELDS = ("handle", "url", "name", "audience_size", "about", "website", "email")
_AUDIENCE = ("followers", "patrons", "members", "subscribers", "fans")
_ALIASES: dict[str, tuple[str, ...]] = {
    "handle": (
        "handle", "username", "user name", "user", "screen name", "vanity", "slug", "account", "account name",
        "creator handle", "creator username", "profile handle",
    ),
    "url": (
        "url", "profile url", "profile link", "profile", "page", "page url", "page link", "link", "links", "address",
        "profile address", "page address", "creator url", "creator page", "channel url", "group url", "group link",
        "href",
    ),
    "name": (
        "name", "creator", "creator name", "full name", "display name", "page name", "group name", "group", "channel",
        "channel name", "title", "artist", "author",
    ),
    "audience_size": (
        "audience size", "audience", "size", *_AUDIENCE,
        *(form for noun in _AUDIENCE for form in (
            f"{noun[:-1]} count", f"{noun} count", f"total {noun}", f"number of {noun}", f"no of {noun}",
        )),
        "subs", "count",
    ),
    "about": ("about", "bio", "biography", "description", "about text", "about me", "introduction", "intro", "summary"),
    "website": ("website", "web site", "personal website", "homepage", "home page", "site", "web", "external url"),
    "email": ("email", "e mail", "email address", "e mail address", "mail", "contact email", "business email"),
}  # fmt: skip
_HANDLE_WORDS = frozenset({"handle", "username"})
_PLACEMENT = {alias: (field, rank) for field, aliases in _ALIASES.items() for rank, alias in enumerate(aliases)}


class ListRefused(ValueError):
    """The file cannot be used as a creator list; the message says why and what would help."""


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """What one column is taken for: a field of ListRow, or None when it is only kept as extra."""

    header: str
    field: str | None


def map_columns(headers: Sequence[str], chosen: Mapping[str, str] | None = None) -> tuple[ColumnUse, ...]:
    """The use of every column, in order; `chosen` maps fields to headers and wins over the recognised names.

    Where two columns could be the same field, the better-known spelling is taken and the other kept as extra. Raises
    ListRefused for two columns of one name, for a chosen field or header that does not exist, and when no column holds
    a handle or a profile address.
    """
    normal = [normal_header(header) for header in headers]
    _refuse_duplicates(headers, normal)
    taken = _recognised(normal) | _chosen(headers, normal, chosen or {})
    if not {"handle", "url"} & taken.keys():
        shown = ", ".join(repr(header) for header in headers if header.strip())[:500]
        raise ListRefused(
            f"no column holds a handle or a profile address; the columns are {shown or 'empty'}. "
            "Name one 'handle' or 'url', or say which column it is"
        )
    by_index = {index: field for field, index in taken.items()}
    return tuple(ColumnUse(header, by_index.get(index)) for index, header in enumerate(headers))


def normal_header(header: str) -> str:
    """'Profile_URL ' -> 'profile url': letters and digits of any script, lower-case, single spaces."""
    return re.sub(r"[\W_]+", " ", nfkc(header).casefold()).strip()


def is_known_header(header: str) -> bool:
    """True when the header names a field of its own."""
    return _placement(normal_header(header)) is not None


def _placement(normal: str) -> tuple[str, int] | None:
    if normal in _PLACEMENT:
        return _PLACEMENT[normal]
    last_word = normal.rpartition(" ")[2]
    return ("handle", len(_PLACEMENT)) if last_word in _HANDLE_WORDS else None


def _recognised(normal: Sequence[str]) -> dict[str, int]:
    """Field -> index of its best column."""
    best: dict[str, tuple[int, int]] = {}
    for index, header in enumerate(normal):
        placement = _placement(header)
        if placement is not None:
            field, rank = placement
            best[field] = min(best.get(field, (rank, index)), (rank, index))
    return {field: index for field, (_, index) in best.items()}


def _chosen(headers: Sequence[str], normal: Sequence[str], chosen: Mapping[str, str]) -> dict[str, int]:
    indices: dict[str, int] = {}
    for field, header in chosen.items():
        if field not in FIELDS:
            raise ListRefused(f"'{field}' is no field of a creator list; the fields are {', '.join(FIELDS)}")
        if normal_header(header) not in normal:
            shown = ", ".join(map(repr, headers))
            raise ListRefused(f"the file has no column '{header}' for {field}; its columns are {shown}")
        indices[field] = normal.index(normal_header(header))
    if len(set(indices.values())) != len(indices):
        raise ListRefused("one column was chosen for two fields")
    return indices


def _refuse_duplicates(headers: Sequence[str], normal: Sequence[str]) -> None:
    twice = sorted({header for header, name in zip(headers, normal, strict=True) if name and normal.count(name) > 1})
    if twice:
        shown = ", ".join(repr(header) for header in twice)
        raise ListRefused(f"the file has several columns of one name ({shown}); rename or remove all but one")
