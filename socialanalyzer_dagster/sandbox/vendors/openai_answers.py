"""Structured answers: walks the JSON schema that was sent and fills it from the judgement, consistently."""

import json
from collections.abc import Mapping
from typing import Any

from socialanalyzer_dagster.sandbox.store import Json
from socialanalyzer_dagster.sandbox.vendors.openai_fields import CLAIMS, UNKNOWN, Asked, field_value, triage
from socialanalyzer_dagster.sandbox.vendors.openai_judgement import Judgement
from socialanalyzer_dagster.sandbox.world.dice import Dice

_GATING_CLAIMS = CLAIMS - {"visible_in_content", "consistent_theme", "niche_identified", "admin_identifiable"}
_MOST_IN_LIST, _LONGEST_ENTRY = 10, 60
_NULL_SHARE = 0.15
_FILLER = "Seen in the material that was sent, and consistent with the rest of the profile."


def answer_text(seed: int, judgement: Judgement, name: str, schema: Mapping[str, Any], ordinal: int) -> str:
    """The answer as JSON text that fits the schema; equal for equal seed, creator, schema name and ordinal."""
    asked = Asked(judgement, Dice(seed, "answer", judgement.uid, name, ordinal), name)
    return json.dumps(_Walk(asked, schema).value(schema, ()), ensure_ascii=False)


class _Walk:
    def __init__(self, asked: Asked, root: Mapping[str, Any]) -> None:
        self._asked = asked
        self._root = root

    def value(self, schema: Mapping[str, Any], path: tuple[str, ...]) -> Json:
        schema = self._resolved(schema)
        kinds = _kinds(schema)
        if kinds == {"object"} or "properties" in schema:
            return self._object(schema, path)
        known = field_value(self._asked, path) if path else UNKNOWN
        if known is not UNKNOWN and _is_allowed(known, schema, kinds):
            return _fitted(known, schema)
        return self._generic(schema, kinds, path)

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Follow references and take the first branch that is not null of a union."""
        while True:
            if "$ref" in schema:
                target: Json = self._root
                for step in str(schema["$ref"]).removeprefix("#/").split("/"):
                    target = target[step]
                schema = target
            elif "anyOf" in schema:
                branches = [self._resolved(branch) for branch in schema["anyOf"]]
                schema = next((branch for branch in branches if branch.get("type") != "null"), branches[0])
            else:
                return schema

    def _object(self, schema: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
        properties: Mapping[str, Any] = schema.get("properties", {})
        answer = {name: self.value(part, (*path, name)) for name, part in properties.items()}
        if "decision" in properties and "reject_code" in properties:
            self._decide(properties, answer)
        self._agree(properties, answer)
        return answer

    def _decide(self, properties: Mapping[str, Any], answer: dict[str, Any]) -> None:
        """A reject has a code, anything else has none; chosen pictures are distinct and were shown."""
        code_schema = self._resolved(properties["reject_code"])
        codes = list(code_schema.get("enum", [self._asked.judgement.reject_code]))
        answer["decision"], answer["reject_code"], answer["confidence"] = triage(self._asked, codes)
        if answer["decision"] == "continue" and "reasoning" in answer and self._asked.judgement.reject_code is None:
            return
        if "reasoning" in answer and answer["decision"] == "continue":
            answer["reasoning"] = "A person with a clear topic; nothing speaks against a closer look."

    def _agree(self, properties: Mapping[str, Any], answer: dict[str, Any]) -> None:
        """Without evidence counts are 0 and lists empty; with evidence they are not."""
        if "selected_content_indices" in answer:
            shown = max(1, min(10, self._asked.judgement.shown))
            answer["selected_content_indices"] = sorted(self._asked.dice.some(range(shown), 3))
        claims = [bool(answer[name]) for name in properties if name in _GATING_CLAIMS]
        if not claims:
            return
        for name, part in properties.items():
            resolved = self._resolved(part)
            if name.endswith("_count"):
                answer[name] = self._count(resolved) if any(claims) else 0
            elif isinstance(answer[name], list) and name != "quotes" and not any(claims):
                answer[name] = []

    def _count(self, schema: Mapping[str, Any]) -> int:
        most = min(self._asked.judgement.shown, int(schema.get("maximum", 12)), 12)
        return self._asked.dice.between(1, max(1, most // 2)) if most > 0 else 0

    def _generic(self, schema: Mapping[str, Any], kinds: set[str], path: tuple[str, ...]) -> Json:
        dice = self._asked.dice
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return dice.pick([option for option in schema["enum"] if option is not None] or [None])
        if "null" in kinds and dice.chance(_NULL_SHARE):
            return None
        if "array" in kinds:
            return self._list(schema, path)
        if "boolean" in kinds:
            return dice.chance(0.5)
        if "integer" in kinds:
            return dice.between(int(schema.get("minimum", 0)), int(schema.get("maximum", 10)))
        if "number" in kinds:
            return round(dice.spread(float(schema.get("minimum", 0.0)), float(schema.get("maximum", 1.0))), 2)
        return None if kinds == {"null"} else _fitted(_FILLER, schema)

    def _list(self, schema: Mapping[str, Any], path: tuple[str, ...]) -> list[Any]:
        entry = self._resolved(schema.get("items", {"type": "string"}))
        least = int(schema.get("minItems", 0))
        most = int(schema.get("maxItems", _MOST_IN_LIST))
        count = max(least, min(most, 2))
        if "enum" in entry:
            return self._asked.dice.some(entry["enum"], count)
        if _kinds(entry) == {"string"}:
            return [f"{subject}"[:_LONGEST_ENTRY] for subject in self._asked.subjects[:count]]
        return [self.value(entry, (*path, str(number))) for number in range(count)]


def _kinds(schema: Mapping[str, Any]) -> set[str]:
    kind = schema.get("type", "string" if "enum" not in schema else "")
    return {kind} if isinstance(kind, str) else set(kind)


def _is_allowed(value: Json, schema: Mapping[str, Any], kinds: set[str]) -> bool:
    if "enum" in schema:
        return value in schema["enum"]
    wanted = (
        "boolean"
        if isinstance(value, bool)
        else "number"
        if isinstance(value, float)
        else "array"
        if isinstance(value, list)
        else "string"
    )
    if wanted == "array":
        entry = schema.get("items", {})
        return "array" in kinds and "enum" not in entry and entry.get("type", "string") == "string"
    return wanted in kinds


def _fitted(value: Json, schema: Mapping[str, Any]) -> Json:
    """The value within the lengths and bounds the schema gives."""
    if isinstance(value, str):
        return _stretched(value, int(schema.get("minLength", 0)))[: int(schema.get("maxLength", 2000))]
    if isinstance(value, list):
        longest = int(schema.get("items", {}).get("maxLength", 2000))
        return [entry[:longest] for entry in value][: int(schema.get("maxItems", _MOST_IN_LIST))]
    if isinstance(value, float):
        return min(max(value, float(schema.get("minimum", value))), float(schema.get("maximum", value)))
    return value


def _stretched(text: str, least: int) -> str:
    while len(text) < least:
        text = f"{text} {_FILLER}"
    return text
