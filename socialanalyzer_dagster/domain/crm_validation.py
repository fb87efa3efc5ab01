"""Values that the CRM would refuse, told by its own definitions before anything is sent (spec 11.6)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from socialanalyzer_dagster.domain.crm_properties import CHOICE_SEPARATOR

_LONGEST_VALUE = 65_536
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+")
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−"), "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A property as the account defines it; `options` are the values of an enumeration, None where any is taken."""

    type: str | None
    options: frozenset[str] | None = None


def refused_values(values: Mapping[str, str], definitions: Mapping[str, Definition]) -> dict[str, str]:
    """Property -> what is wrong with its value, in words that do not repeat the value."""
    problems = ((name, _problem(name, value, definitions.get(name))) for name, value in values.items())
    return {name: problem for name, problem in problems if problem is not None}


def _problem(name: str, value: str, definition: Definition | None) -> str | None:
    if definition is None:
        return "the CRM has no such property"
    if len(value) > _LONGEST_VALUE:
        return "longer than the CRM stores"
    if name == "email":
        return None if _EMAIL.fullmatch(value) else "not an address"
    checks = {"number": _number_problem, "bool": _flag_problem, "date": _moment_problem, "datetime": _moment_problem}
    if definition.type == "enumeration" and definition.options is not None:
        return _option_problem(value, definition.options)
    check = checks.get(definition.type or "")
    return check(value) if check is not None else None


def _option_problem(value: str, options: frozenset[str]) -> str | None:
    known = {option.translate(_DASHES) for option in options}
    chosen = {part.translate(_DASHES) for part in value.split(CHOICE_SEPARATOR)}
    return None if chosen <= known else "not one of the options that the CRM has"


def _number_problem(value: str) -> str | None:
    try:
        return None if Decimal(value).is_finite() else "not a number"
    except InvalidOperation:
        return "not a number"


def _flag_problem(value: str) -> str | None:
    return None if value in ("true", "false") else "neither true nor false"


def _moment_problem(value: str) -> str | None:
    if value.lstrip("-").isdigit():
        return None
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return "not a date"
    return None
