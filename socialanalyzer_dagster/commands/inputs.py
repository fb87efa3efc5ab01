"""Values that people write as options and arguments: JSON text or `@file`, amounts, who is meant."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import typer

from socialanalyzer_dagster.domain.filters import FieldProblem, FilterProblems
from socialanalyzer_dagster.domain.outside_text import printable
from socialanalyzer_dagster.domain.policy import Policy, PolicyError, read_policy_file
from socialanalyzer_dagster.platforms.policy_check import check_platforms
from socialanalyzer_dagster.platforms.registry import PLATFORMS

_MOST_DIGITS = 12
"""Of an amount that somebody may mean; far larger ones cannot even be multiplied."""


def policy_file(path: Path) -> Policy:
    """The policy of a file; raises PolicyError when it cannot be read, is refused or does not fit the platforms."""
    try:
        return fitting(read_policy_file(path))
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path} cannot be read: {error}") from error


def fitting(policy: Policy) -> Policy:
    """The policy itself; raises PolicyError when it does not fit the platforms."""
    return check_platforms(policy, PLATFORMS)


def dollars(text: str, option: str) -> Decimal:
    """The amount of an option; raises BadParameter when it is no number."""
    try:
        amount = Decimal(text)
    except ArithmeticError:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount.adjusted() > _MOST_DIGITS:
        raise typer.BadParameter(f"'{printable(text)}' is no number of USD", param_hint=option)
    return amount


def json_object(text: str, option: str) -> dict[str, Any]:
    """The JSON object of an option, given as text or as `@file`; raises FilterProblems naming what is wrong."""
    source = text
    if text.startswith("@"):
        path = Path(text[1:])
        try:
            source = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise FilterProblems((FieldProblem(option, f"{path} cannot be read: {error}"),)) from error
    try:
        found = json.loads(source, object_pairs_hook=_once_each)
    except _NamedTwice as error:
        raise FilterProblems((FieldProblem(option, f"names '{error}' twice"),)) from error
    except RecursionError as error:
        raise FilterProblems((FieldProblem(option, "is nested too deeply"),)) from error
    except json.JSONDecodeError as error:
        sentence = f"is not JSON ({error}); write an object such as '{{\"max_results\": 50}}'"
        raise FilterProblems((FieldProblem(option, sentence),)) from error
    if not isinstance(found, dict):
        raise FilterProblems((FieldProblem(option, "must be a JSON object"),))
    return found


class _NamedTwice(ValueError):
    """A field stands twice in one object, so that one of its values would be dropped."""


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _NamedTwice(name)
        found[name] = value
    return found
