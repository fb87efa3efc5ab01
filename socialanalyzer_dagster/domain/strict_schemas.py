"""Turns the models of judgements into the strict JSON schemas that structured outputs want (vendor-contracts 7.1)."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

from socialanalyzer_dagster.domain.judgement_fields import (
    AT_MOST,
    MOST_CHARS,
    MOST_ENTRIES,
    ONE_OF,
    AnswerRules,
    Judgement,
)
from socialanalyzer_dagster.domain.types import JsonObject

_KEPT = ("type", "enum", "minimum", "maximum", "minItems", "maxItems")
_MARKS = {ONE_OF: "enum", AT_MOST: "maximum", MOST_ENTRIES: "maxItems"}


@lru_cache(maxsize=64)
def strict_schema(model: type[Judgement], rules: AnswerRules) -> JsonObject:
    """The schema with all references resolved; lengths of text are told in descriptions, which every vendor accepts."""
    described = model.model_json_schema()
    return cast("JsonObject", _strict(described, described.get("$defs", {}), rules))


def _strict(node: Mapping[str, Any], definitions: Mapping[str, Any], rules: AnswerRules) -> dict[str, Any]:
    if "$ref" in node:
        return _strict(definitions[node["$ref"].rsplit("/", 1)[-1]], definitions, rules)
    if "anyOf" in node:
        return _nullable(node, definitions, rules)
    if node.get("type") == "object":
        properties = {name: _strict(inner, definitions, rules) for name, inner in node["properties"].items()}
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
    kept = {key: node[key] for key in _KEPT if key in node}
    if "items" in node:
        kept["items"] = _strict(node["items"], definitions, rules)
    return kept | _marked(node, rules) | _length(node, rules)


def _marked(node: Mapping[str, Any], rules: AnswerRules) -> dict[str, Any]:
    bounds = {key: getattr(rules, node[mark]) for mark, key in _MARKS.items() if mark in node}
    return {key: list(bound) if isinstance(bound, tuple) else bound for key, bound in bounds.items()}


def _nullable(node: Mapping[str, Any], definitions: Mapping[str, Any], rules: AnswerRules) -> dict[str, Any]:
    value = next(choice for choice in node["anyOf"] if choice.get("type") != "null")
    marks = {mark: node[mark] for mark in _MARKS if mark in node}
    schema = _strict({**value, **marks}, definitions, rules)
    schema["type"] = [schema["type"], "null"]
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    return schema


def _length(node: Mapping[str, Any], rules: AnswerRules) -> dict[str, str]:
    shortest, longest = node.get("minLength", 0), node.get("maxLength")
    if MOST_CHARS in node:
        longest = getattr(rules, node[MOST_CHARS])
    if longest is None:
        return {}
    return {"description": f"{shortest} to {longest} characters" if shortest else f"at most {longest} characters"}
