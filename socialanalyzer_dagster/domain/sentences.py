"""How numbers are worded for people: plurals, lists with counts, percent."""

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal

from socialanalyzer_dagster.domain.reason_texts import FALLBACKS, reason_text


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """'1 lead', '1,200 leads'."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def leads(number: int) -> str:
    """'1 lead', '2 leads'."""
    return counted(number, "lead")


def percent(part: Decimal) -> str:
    """A share as whole percent, half up; shares that are neither none nor all are never shown as 0 % or 100 %."""
    shown = int((part * 100).to_integral_value(rounding=ROUND_HALF_UP))
    if part > 0 and shown == 0:
        return "less than 1 %"
    return "more than 99 %" if part < 1 and shown == 100 else f"{shown} %"


def reasons(codes: Mapping[str, int], *, most: int | None = None) -> str:
    """'no recent post 12, mainly golf 3, other reasons 4'."""
    pairs = list(codes.items())
    shown = pairs if most is None else pairs[:most]
    texts = [f"{reason_text(code)} {number:,}" for code, number in shown]
    if rest := sum(number for _, number in pairs[len(shown) :]):
        texts.append(f"other reasons {rest:,}")
    return ", ".join(texts)


def fallbacks(kinds: Mapping[str, int]) -> str:
    """'3 videos without a transcript, 1 quote that the text does not hold left out'."""
    return ", ".join(counted(number, *FALLBACKS[kind]) for kind, number in kinds.items())


def tries(variations: Iterable[str]) -> str:
    """' Try instead: wider; others.', empty where there is nothing to try."""
    shown = "; ".join(variations)
    return f" Try instead: {shown}." if shown else ""


def joined(parts: Iterable[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    *first, last = list(parts) or [""]
    return f"{', '.join(first)} and {last}" if first else last


def begun(text: str) -> str:
    """The text with a capital at its beginning; names inside stay as they are."""
    return text[:1].upper() + text[1:]
