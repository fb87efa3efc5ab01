"""JSON with text from outside made fit for both engines: PostgreSQL refuses NUL and lone surrogates (I-13)."""

import json
from collections.abc import Mapping, Sequence

from pydantic_core import from_json

from socialanalyzer_dagster.domain.outside_text import storable
from socialanalyzer_dagster.domain.types import JsonValue

_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def stored_json(value: JsonValue) -> str:
    """The text of a JSON column, whose texts and keys every database takes; raises TypeError for what is no JSON."""
    text = _ENCODE(value)
    return text if _is_storable(text) else _ENCODE(_storable(value))


def parsed_json(text: str) -> JsonValue:
    """The value of a JSON column: the parser of pydantic, which takes a quarter of the time of Python's own.

    Whole numbers of any length come back exactly. Raises ValueError for what is no JSON.
    """
    found: JsonValue = from_json(text)
    return found


def _is_storable(text: str) -> bool:
    """Without NUL (escaped in JSON) and lone surrogates (which UTF-8 cannot say)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\\u0000" not in text


def _storable(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {storable(name): _storable(each) for name, each in value.items()}
    if isinstance(value, Sequence):
        return [_storable(each) for each in value]
    return value
