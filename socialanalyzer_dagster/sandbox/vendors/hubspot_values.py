"""Checking contact property values the way HubSpot does: text in, text out, problems named per property."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from socialanalyzer_dagster.sandbox.clock import iso_millis
from socialanalyzer_dagster.sandbox.vendors.hubspot_properties import (
    JsonObject,
    Problem,
    PropertyBook,
    RefusedError,
    invalid,
)

_EMAIL = re.compile(r"[^@\s,;<>\"()\[\]]+@(?:[^@\s.,;<>\"()\[\]]+\.)+[^@\s.,;<>\"()\[\]]{2,}")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_DASHES = str.maketrans({"\u2010": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-"})
_LONGEST_VALUE = 65_536


def checked_values(book: PropertyBook, values: Mapping[str, object]) -> tuple[dict[str, str], list[Problem]]:
    """Return the values as HubSpot stores them ("" clears) and the problems of those it refuses."""
    kept: dict[str, str] = {}
    problems: list[Problem] = []
    for name, value in values.items():
        definition = book.definitions.get(name)
        if definition is None:
            message = f'Property "{name}" does not exist'
            problems.append(Problem("VALIDATION_ERROR", message, "PROPERTY_DOESNT_EXIST", name))
            continue
        try:
            kept[name] = _checked(definition, value, book)
        except RefusedError as refusal:
            problems.extend(refusal.problems)
    return kept, problems


def _checked(definition: JsonObject, value: object, book: PropertyBook) -> str:
    name = definition["name"]
    if definition["modificationMetadata"]["readOnlyValue"]:
        raise invalid(f'"{name}" is read only; its value cannot be set.', code="READ_ONLY_VALUE", about=name)
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        raise invalid(f"{name} must be text, not {type(value).__name__}", code="INVALID_TYPE", about=name)
    if len(value) > _LONGEST_VALUE:
        raise invalid(f"{name} is longer than {_LONGEST_VALUE} characters", code="VALUE_TOO_LONG", about=name)
    if name == "email":
        return _email(value)
    return _typed(definition, value, book.allowed_options(definition))


def _typed(definition: JsonObject, value: str, allowed: frozenset[str]) -> str:
    name, kind = definition["name"], definition["type"]
    if kind == "number" and not _NUMBER.fullmatch(value):
        raise invalid(f"{value} was not a valid number.", code="INVALID_NUMBER", about=name)
    if kind == "bool" and value not in {"true", "false"}:
        raise invalid(f"{value} was not one of the allowed options: [true, false]", code="INVALID_OPTION", about=name)
    if kind == "enumeration":
        return _chosen(definition, value, allowed)
    if kind in {"date", "datetime"}:
        return _moment(name, value, day_only=kind == "date")
    return value


def _chosen(definition: JsonObject, value: str, allowed: frozenset[str]) -> str:
    name = definition["name"]
    parts = [part for part in value.split(";") if part] if definition["fieldType"] == "checkbox" else [value]
    folded = {option.translate(_DASHES): option for option in allowed}
    missing = [part for part in parts if part.translate(_DASHES) not in folded]
    if missing:
        message = f"{missing[0]} was not one of the allowed options: [{', '.join(sorted(allowed))}]"
        raise invalid(message, code="INVALID_OPTION", about=name)
    return ";".join(folded[part.translate(_DASHES)] for part in parts)


def _moment(name: str, value: str, *, day_only: bool) -> str:
    try:
        if re.fullmatch(r"-?\d+", value):
            moment = datetime.fromtimestamp(int(value) / 1000, tz=UTC)
        else:
            moment = datetime.fromisoformat(value)
    except (ValueError, OverflowError, OSError):
        raise invalid(f"{value} was not a valid date.", code="INVALID_DATE", about=name) from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if not day_only:
        return iso_millis(moment).replace(".000Z", "Z")
    if (moment.hour, moment.minute, moment.second, moment.microsecond) != (0, 0, 0, 0):
        raise invalid(f"{value} is not midnight UTC", code="INVALID_DATE", about=name)
    return moment.date().isoformat()


def _email(value: str) -> str:
    if not _EMAIL.fullmatch(value):
        raise invalid(f"Email address {value} is invalid", code="INVALID_EMAIL", about="email")
    return value.lower()
