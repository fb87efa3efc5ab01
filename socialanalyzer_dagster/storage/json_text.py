"""JSON with text from outside made fit for both engines: PostgreSQL refuses NUL and lone surrogates (I-13)."""

from collections.abc import Mapping, Sequence

from socialanalyzer_dagster.domain.outside_text import storable
from socialanalyzer_dagster.domain.types import JsonValue


def storable_json(value: JsonValue) -> JsonValue:
    """The same JSON whose texts and keys every database takes."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {storable(name): storable_json(each) for name, each in value.items()}
    if isinstance(value, Sequence):
        return [storable_json(each) for each in value]
    return value
