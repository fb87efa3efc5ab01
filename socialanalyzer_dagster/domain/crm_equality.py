"""Whether the CRM holds a value already, however it writes it (spec 11.4)."""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from socialanalyzer_dagster.domain.crm_properties import CHOICE_SEPARATOR, ValueKind

_MILLISECONDS = 1000
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−"), "-")


def is_equal(kind: ValueKind, old: str | None, new: str) -> bool:
    """Whether the CRM already holds this value, written in its own way (case of an address, 0.5 for 0.5000, dashes)."""
    if old is None:
        return False
    if old == new:
        return True
    if kind is ValueKind.EMAIL:
        return old.casefold() == new.casefold()
    if kind is ValueKind.NUMBER:
        return _number(old) == _number(new)
    if kind is ValueKind.MOMENT:
        return _instant(old) == _instant(new)
    if kind is ValueKind.CHOICES:
        return set(old.split(CHOICE_SEPARATOR)) == set(new.split(CHOICE_SEPARATOR))
    return _plain(old) == _plain(new)


def _plain(text: str) -> str:
    """One kind of dash, single spaces: what a CRM may change in a text while it stores it."""
    return " ".join(text.translate(_DASHES).split())


def _number(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def _instant(text: str) -> datetime | str:
    try:
        moment = datetime.fromtimestamp(int(text) / _MILLISECONDS, tz=UTC) if text.lstrip("-").isdigit() else None
        moment = moment or datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return text
    return moment.replace(tzinfo=moment.tzinfo or UTC)
