"""Checking actor inputs: which keys an actor takes, of which type, and which it needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Field:
    """One input key: the kind of value it takes, bounds of a number or the least length of a list, allowed texts."""

    kind: str
    least: int | None = None
    most: int | None = None
    among: frozenset[str] | None = None
    inner: str | None = None
    """The text key that each object of an `objects` list needs."""


TEXT, FLAG, OBJECT, TEXTS, ANY_OBJECTS = Field("text"), Field("flag"), Field("object"), Field("texts"), Field("objects")
WHOLE, COUNT, POSITIVE = Field("whole"), Field("whole", least=0), Field("whole", least=1)
PROXY = Field("proxy")


@dataclass(frozen=True)
class InputRules:
    """The input of one actor: its keys, the needed ones, and whether an unknown key is refused."""

    fields: Mapping[str, Field]
    required: tuple[str, ...] = ()
    is_closed: bool = False

    def problem(self, given: object) -> str | None:
        """Return what is wrong with an input, or None."""
        if not isinstance(given, dict):
            return "Input must be a JSON object"
        missing = [name for name in self.required if given.get(name) is None]
        if missing:
            return f"Field input.{missing[0]} is required"
        unknown = sorted(set(given) - set(self.fields))
        if unknown and self.is_closed:
            return f"Property input.{unknown[0]} is not allowed"
        for name, field in self.fields.items():
            if given.get(name) is not None:
                found = _problem(field, given[name])
                if found:
                    return f"Field input.{name} {found}"
        return None


def _problem(field: Field, value: object) -> str | None:
    return _CHECKS[field.kind](field, value)


def _text(field: Field, value: object) -> str | None:
    if not isinstance(value, str):
        return "must be string"
    return None if field.among is None or value in field.among else "must be equal to one of the allowed values"


def _flag(_field: Field, value: object) -> str | None:
    return None if isinstance(value, bool) else "must be boolean"


def _whole(field: Field, value: object) -> str | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return "must be integer"
    if field.least is not None and value < field.least:
        return f"must be >= {field.least}"
    if field.most is not None and value > field.most:
        return f"must be <= {field.most}"
    return None


def _object(_field: Field, value: object) -> str | None:
    return None if isinstance(value, dict) else "must be object"


def _texts(field: Field, value: object) -> str | None:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        return "must be array of strings"
    if field.least is not None and len(value) < field.least:
        return f"must NOT have fewer than {field.least} items"
    if field.among is not None and not set(value) <= field.among:
        return "must be equal to one of the allowed values"
    return None


def _objects(field: Field, value: object) -> str | None:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        return "must be array of objects"
    if field.inner is not None and not all(isinstance(one.get(field.inner), str) for one in value):
        return f"needs {field.inner} in every object"
    return None


def _proxy(_field: Field, value: object) -> str | None:
    if not isinstance(value, dict):
        return "must be object"
    groups = value.get("apifyProxyGroups")
    if not isinstance(value.get("useApifyProxy", False), bool):
        return "needs useApifyProxy as boolean"
    return None if groups is None else _texts(TEXTS, groups)


_CHECKS: Mapping[str, Callable[[Field, object], str | None]] = {
    "text": _text,
    "flag": _flag,
    "whole": _whole,
    "object": _object,
    "texts": _texts,
    "objects": _objects,
    "proxy": _proxy,
}
