"""Counts as people write them on pages: `1,204`, `1.2K`, `12.4 k members`."""

import re
from decimal import Decimal

from socialanalyzer_dagster.domain.types import JsonValue

_COUNT = re.compile(r"\s*(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?\s*([kmb])?(?!\w|[.,]\d)", re.IGNORECASE)
_FACTORS = {"": 1, "k": 1_000, "m": 1_000_000, "b": 1_000_000_000}
_LARGEST = 100_000_000_000


def parse_count(value: JsonValue) -> int | None:
    """The whole number meant, rounded down; None when it is missing, negative or not a count."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return int(value) if 0 <= value <= _LARGEST else None
    if not isinstance(value, str) or (match := _COUNT.match(value)) is None:
        return None
    number = Decimal(match[1].replace(",", "") + (match[2] or "")) * _FACTORS[(match[3] or "").lower()]
    return int(number) if number <= _LARGEST else None
