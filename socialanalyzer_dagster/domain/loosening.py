"""The next step of a platform's loosening ladder applied to filters: which one, and what it makes of them (15.1)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from socialanalyzer_dagster.domain.outside_text import comparable
from socialanalyzer_dagster.domain.policy_automation import LooseningStep, Scaling
from socialanalyzer_dagster.domain.sentences import joined

Filters = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loosened:
    """Wider filters, which step of the ladder made them (from 0), and what it changed in words."""

    filters: dict[str, Any]
    step: int
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenedSearch:
    """A past search with how many of its leads screening judged and passed."""

    filters: Filters
    judged: int
    passed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Widening:
    """What steps may draw on: past searches of the platform, and the filter that further keywords go to."""

    past: Sequence[ScreenedSearch]
    keyword_field: str


def next_loosening(
    filters: Filters, ladder: Sequence[LooseningStep], widening: Widening, *, after: int = -1
) -> Loosened | None:
    """The first step behind `after` that changes the filters; None when the ladder has none left."""
    for number, step in enumerate(ladder):
        wider = deepcopy(dict(filters))
        if number > after and (said := _applied(wider, step, widening)):
            return Loosened(filters=wider, step=number, sentence=joined(said))
    return None


def _applied(filters: dict[str, Any], step: LooseningStep, widening: Widening) -> list[str]:
    """Change the filters in place; what was changed, in words, [] when the step does not apply to them."""
    said = [text for path, by in step.scale.items() if (text := _scaled(filters, path, by))]
    said += [f"{name} dropped" for name in step.drop if _dropped(filters, name)]
    said += [f"{name} set to {value}" for name, value in step.put.items() if _put(filters, name, value)]
    if step.drop_worst_of and (worst := _worst(filters, step.drop_worst_of, widening.past)) is not None:
        name, value = worst
        filters[name] = [each for each in filters[name] if each != value]
        said.append(f"{name} without '{value}'")
    if step.add_keywords:
        said += _with_ideas(filters, step.add_keywords, widening)
    return said


def _scaled(filters: dict[str, Any], path: str, by: Scaling) -> str | None:
    *parents, last = path.split(".")
    here: Any = filters
    for name in parents:
        here = here.get(name)
        if not isinstance(here, dict):
            return None
    value = here.get(last)
    if not isinstance(value, int):
        return None
    scaled = int(value * by.factor)
    if by.factor < 1:
        scaled = max(scaled, min(by.least if by.least is not None else 0, value))
    elif by.most is not None:
        scaled = min(scaled, max(by.most, value))
    if scaled == value:
        return None
    here[last] = scaled
    return f"{path} {scaled:,} instead of {value:,}"


def _dropped(filters: dict[str, Any], name: str) -> bool:
    """Empty a filter, so that no default takes its place."""
    value = filters.get(name)
    if value in (None, "", []):
        return False
    filters[name] = type(value)() if isinstance(value, str | list) else None
    return True


def _put(filters: dict[str, Any], name: str, value: str | int | None) -> bool:
    if filters.get(name) == value:
        return False
    filters[name] = value
    return True


def _worst(filters: Filters, names: Sequence[str], past: Sequence[ScreenedSearch]) -> tuple[str, str] | None:
    """The value whose searches passed the smallest share; the last named of equals, None without two measured ones.

    The only value of a list stays: without it the search would be another one, not a wider one.
    """
    yields = _yields(names, past)
    measured = [
        (yields[name, comparable(value)], name, value)
        for name in names
        if len(_texts(filters.get(name))) > 1
        for value in _texts(filters[name])
        if (name, comparable(value)) in yields
    ]
    if len(measured) < 2:
        return None
    lowest = min(share for share, _, _ in measured)
    return [(name, value) for share, name, value in measured if share == lowest][-1]


def _yields(names: Sequence[str], past: Sequence[ScreenedSearch]) -> dict[tuple[str, str], Decimal]:
    judged: dict[tuple[str, str], int] = defaultdict(int)
    passed: dict[tuple[str, str], int] = defaultdict(int)
    for search in past:
        for name in names:
            for value in _texts(search.filters.get(name)):
                judged[name, comparable(value)] += search.judged
                passed[name, comparable(value)] += search.passed
    return {place: Decimal(passed[place]) / number for place, number in judged.items() if number}


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _with_ideas(filters: dict[str, Any], most: int, widening: Widening) -> list[str]:
    """Keywords of past searches that the filters lack, those whose searches passed the largest share first."""
    own = filters.get(widening.keyword_field)
    if not isinstance(own, list):
        return []
    known = {comparable(each) for each in own}
    yields = _yields([widening.keyword_field], widening.past)
    best = sorted((-share, keyword) for (_, keyword), share in yields.items() if share > 0 and keyword not in known)
    fresh = [keyword for _, keyword in best[:most]]
    if not fresh:
        return []
    filters[widening.keyword_field] = [*own, *fresh]
    return [f"{widening.keyword_field} with {joined(fresh)} added"]
