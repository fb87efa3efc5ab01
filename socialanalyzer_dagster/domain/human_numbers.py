"""Counts as people write them: '36,866', '475.8m', '1.2K'; what cannot be read is unknown, never 0 (spec 5.11, I-6)."""

import math
import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

MOST_PEOPLE = 10_000_000_000
_MULTIPLIERS = {
    "k": 1_000, "thousand": 1_000, "m": 1_000_000, "mio": 1_000_000, "million": 1_000_000,
    "b": 1_000_000_000, "bn": 1_000_000_000, "billion": 1_000_000_000,
}  # fmt: skip
_NOUNS = r"(?:followers?|patrons?|members?|subscribers?|people|fans?)"
_SUFFIX = "|".join(sorted(_MULTIPLIERS, key=len, reverse=True))
_NUMBER = re.compile(rf"[~≈]?\s*(\d[\d.,]*)\s*({_SUFFIX})?\s*\+?\s*{_NOUNS}?", re.IGNORECASE)
_THOUSANDS_MARKS = re.compile(r"(?<=\d)[\s'’_](?=\d{3}(?!\d))")
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:([.,])\d{3})(?:\1\d{3})*")
_DECIMAL = re.compile(r"(\d+)[.,](\d+)")


@dataclass(frozen=True, slots=True)
class CountReading:
    """A count, or None with the reason why it is unknown; `note` also tells how an ambiguous spelling was read."""

    value: int | None
    note: str | None = None


def read_count(value: object) -> CountReading:
    """How many people a cell or a provider's field says.

    Without a suffix a count is a whole number, so one separator before exactly three digits groups thousands: '1.204'
    is 1204 like '1,204' (noted, because some countries write a fraction so). With K, M or B a point is a decimal point
    and a comma groups thousands only before exactly three digits: '475.8m', '1,2k', '1,234k'. A zero fraction is
    dropped ('36866.0' as spreadsheets export it); any other fraction, a sign or a text is unreadable.
    """
    if value is None or isinstance(value, bool):
        return CountReading(None, None if value is None else f"'{value}' is no number")
    if isinstance(value, int | float | Decimal):
        return _whole(Decimal(str(value)) if math.isfinite(value) else None, str(value))
    if not isinstance(value, str):
        return CountReading(None, "not a number")
    return _read_text(value)


def _read_text(text: str) -> CountReading:
    shown = text.strip()[:40]
    matched = _NUMBER.fullmatch(_THOUSANDS_MARKS.sub("", text.strip()[:60]))
    if matched is None:
        return _unreadable(shown)
    digits, suffix = matched.group(1), (matched.group(2) or "").lower()
    amount = _with_suffix(digits) if suffix else _without_suffix(digits)
    reading = _whole(None if amount is None else amount * _MULTIPLIERS.get(suffix, 1), shown, is_rounded=bool(suffix))
    if reading.value is not None and not suffix and _GROUPED.fullmatch(digits) and digits.count(".") == 1:
        return CountReading(reading.value, f"'{shown}' was read as {reading.value}")
    return reading


def _without_suffix(digits: str) -> Decimal | None:
    if digits.isdigit():
        return Decimal(digits)
    if _GROUPED.fullmatch(digits):
        return Decimal(re.sub(r"[.,]", "", digits))
    return _mixed(digits)


def _with_suffix(digits: str) -> Decimal | None:
    if digits.isdigit():
        return Decimal(digits)
    if "," in digits and "." not in digits and _GROUPED.fullmatch(digits):
        return Decimal(digits.replace(",", ""))
    return _mixed(digits)


def _mixed(digits: str) -> Decimal | None:
    """A fraction after the last separator; what stands before may be grouped by the other one."""
    if plain := _DECIMAL.fullmatch(digits):
        return Decimal(f"{plain.group(1)}.{plain.group(2)}")
    last = max(digits.rfind("."), digits.rfind(","))
    grouped, mark, fraction = digits[:last], digits[last], digits[last + 1 :]
    if not fraction.isdigit() or mark in grouped or not _GROUPED.fullmatch(grouped):
        return None
    return Decimal(f"{re.sub(r'[.,]', '', grouped)}.{fraction}")


def _whole(amount: Decimal | None, shown: str, *, is_rounded: bool = False) -> CountReading:
    if amount is None or amount < 0 or amount > MOST_PEOPLE:
        return _unreadable(shown)
    whole = amount.to_integral_value(rounding=ROUND_HALF_EVEN)
    if whole != amount and not is_rounded:
        return _unreadable(shown)
    return CountReading(int(whole))


def _unreadable(shown: str) -> CountReading:
    return CountReading(None, f"'{shown}' could not be read as a count")
