"""JSON with text from outside made fit for both engines: PostgreSQL refuses NUL and lone surrogates (I-13)."""

import json
import re
from collections.abc import Mapping, Sequence

from socialanalyzer_dagster.domain.outside_text import storable
from socialanalyzer_dagster.domain.types import JsonValue

_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_REFUSED = re.compile(r"\\u0000|[\ud800-\udfff]")


def stored_json(value: JsonValue) -> str:
    """The text of a JSON column, whose texts and keys every database takes; raises TypeError for what is no JSON."""
    text = _ENCODE(value)
    return _ENCODE(_storable(value)) if _REFUSED.search(text) else text


def _storable(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {storable(name): _storable(each) for name, each in value.items()}
    if isinstance(value, Sequence):
        return [_storable(each) for each in value]
    return value
