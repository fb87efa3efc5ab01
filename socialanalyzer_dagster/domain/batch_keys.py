"""The key of a lead batch, readable by people: `<YYYY-MM-DD>.<platform>.<slug>[.<n>]` (spec 3.1)."""

import hashlib
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from socialanalyzer_dagster.domain.types import BatchKey, PlatformKey

MAX_SLUG_CHARS = 40
_PART = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"[1-9][0-9]{0,4}")
_GENERATED = re.compile(r"(?:adhoc|list)-[0-9a-f]{8}")
_GRAMMAR = "<YYYY-MM-DD>.<platform>.<search>, with .2, .3 for further batches of the same search that day"


class BadBatchKey(ValueError):
    """The text is no batch key; the message says what is wrong and what exists."""


@dataclass(frozen=True, slots=True)
class BatchKeyParts:
    """A batch key taken apart; `number` is None for the first batch of a search on a day."""

    day: date
    platform: PlatformKey
    slug: str
    number: int | None = None

    @property
    def key(self) -> BatchKey:
        """The text form."""
        tail = "" if self.number is None else f".{self.number}"
        return BatchKey(f"{self.day.isoformat()}.{self.platform}.{self.slug}{tail}")


def parse_batch_key(text: str, platforms: Collection[str]) -> BatchKeyParts:
    """The parts of a key; raises BadBatchKey that names the wrong part and the platforms that exist."""
    parts = text.split(".")
    if len(parts) not in (3, 4):
        raise BadBatchKey(f"{_shown(text)} is no batch key: it must be {_GRAMMAR}")
    day, platform, slug = parts[:3]
    if platform not in platforms:
        raise BadBatchKey(
            f"{_shown(text)} names no platform: {_shown(platform)}; there are {', '.join(sorted(platforms))}"
        )
    if not _PART.fullmatch(slug) or len(slug) > MAX_SLUG_CHARS:
        raise BadBatchKey(
            f"{_shown(text)} has no usable search name: {_shown(slug)} must be 1 to {MAX_SLUG_CHARS} of a-z, 0-9 and -"
        )
    if len(parts) == 4 and not _NUMBER.fullmatch(parts[3]):
        raise BadBatchKey(f"{_shown(text)} ends in {_shown(parts[3])}, which must be a number such as 2")
    number = int(parts[3]) if len(parts) == 4 else None
    return BatchKeyParts(_parsed_day(text, day), PlatformKey(platform), slug, number)


def next_batch_key(day: date, platform: PlatformKey, slug: str, taken: Collection[str]) -> BatchKey:
    """The key without a number when it is free, else with the next free number from 2 on."""
    number: int | None = None
    while (key := BatchKeyParts(day, platform, slug, number).key) in taken:
        number = 2 if number is None else number + 1
    return key


def preset_slug(name: str) -> str:
    """The slug of a preset: 'Travel Micro (US)' -> 'travel-micro-us'.

    A name without letters a-z or digits, or one that looks like a generated slug, becomes 'preset-' + 8 hex.
    """
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_name)[:MAX_SLUG_CHARS].strip("-")
    if slug and not _GENERATED.fullmatch(slug):
        return slug
    digest = hashlib.sha256(unicodedata.normalize("NFKC", name).strip().casefold().encode("utf-8", "replace"))
    return f"preset-{digest.hexdigest()[:8]}"


def adhoc_slug(fingerprint: str) -> str:
    """'adhoc-' + 8 hex of a search's fingerprint."""
    return f"adhoc-{_hex_of(fingerprint)}"


def list_slug(fingerprint: str) -> str:
    """'list-' + 8 hex of a creator list's fingerprint."""
    return f"list-{_hex_of(fingerprint)}"


def _hex_of(fingerprint: str) -> str:
    return fingerprint.rpartition(":")[2][:8]


def _parsed_day(text: str, day: str) -> date:
    if _DAY.fullmatch(day):
        try:
            return date.fromisoformat(day)
        except ValueError:
            pass
    raise BadBatchKey(f"{_shown(text)} does not start with a day: {_shown(day)} must be a date such as 2026-11-20")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 100 else f"{text[:100]}...")
