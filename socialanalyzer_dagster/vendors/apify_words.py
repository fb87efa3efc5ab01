"""Reading single fields of actor items, whatever type and name a build gives them."""

from typing import Annotated

from pydantic import BeforeValidator

from socialanalyzer_dagster.domain.types import JsonObject, JsonValue
from socialanalyzer_dagster.vendors.counts import parse_count

Number = Annotated[int | None, BeforeValidator(parse_count)]


def _text(value: JsonValue) -> str | None:
    """A text with something in it, ids as text too; anything else is not known."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() or None if isinstance(value, str) else None


Word = Annotated[str | None, BeforeValidator(_text)]


def first_present(row: JsonObject, *names: str) -> JsonValue:
    """The value of the first key that holds something; None when none does."""
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)
