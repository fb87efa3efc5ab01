"""What is kept of a paid answer when its raw form must go: the parsed values that a repeat is answered from (19.5)."""

from collections.abc import Callable, Mapping

from socialanalyzer_dagster.domain.types import JsonObject, JsonValue
from socialanalyzer_dagster.vendors.apollo import decode_person
from socialanalyzer_dagster.vendors.http import as_object


def _person(body: JsonValue) -> JsonValue:
    person = decode_person(body)
    return {"person": person.model_dump(mode="json", exclude_defaults=True) if person is not None else None}


def _judgement(body: JsonValue) -> JsonValue:
    facts = as_object(body)
    choices = facts.get("choices")
    first = as_object(choices[0]) if isinstance(choices, list) and choices else {}
    message = as_object(first.get("message"))
    choice: JsonObject = {
        "finish_reason": first.get("finish_reason"),
        "message": {name: message.get(name) for name in ("content", "refusal")},
    }
    return {"choices": [choice], "model": facts.get("model"), "usage": facts.get("usage")}


def _transcript(body: JsonValue) -> JsonValue:
    return {"text": as_object(body).get("text")}


PARSED: Mapping[str, Callable[[JsonValue], JsonValue]] = {
    "apollo.people_match": _person,
    "openai.chat": _judgement,
    "openai.transcription": _transcript,
}
"""Operation -> the part of an answer that its decoder reads; other answers are kept whole or not at all."""


def parsed_part(operation: str, body: JsonValue) -> JsonValue | None:
    """What the operation's decoder reads of the answer; None when nothing of it can be read, and so nothing kept."""
    try:
        return PARSED[operation](body)
    except ValueError:
        return None
