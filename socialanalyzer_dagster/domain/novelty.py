"""How new the results of a search were, whether it is used up, and what to try instead (spec 5.7)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import Any

from socialanalyzer_dagster.domain.money import MICROS_PER_USD
from socialanalyzer_dagster.domain.policy_search import NoveltyPolicy
from socialanalyzer_dagster.domain.similarity import OPEN_END


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterRun:
    """One row of filter history; `is_partial` for a failed or stopped batch."""

    batch_id: str
    total_found: int
    new_found: int
    ran_at: datetime
    is_partial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Novelty:
    """What is known of a search that ran before: `novelty_percent` with 1 decimal, None when nothing was found."""

    batch_id: str
    days_since: int
    novelty_percent: Decimal | None
    total_found: int
    new_found: int
    is_stale: bool


def novelty_rate(total_found: int, new_found: int) -> Decimal | None:
    """new / total with 3 decimals; None when nothing was found."""
    if total_found == 0:
        return None
    return (Decimal(new_found) / total_found).quantize(Decimal("0.001"), rounding=ROUND_HALF_EVEN)


def look_up_novelty(runs: Iterable[FilterRun], *, now: datetime, policy: NoveltyPolicy) -> Novelty | None:
    """The newest run of a fingerprint, None when there is none; only the newest complete run decides staleness."""
    newest_first = sorted(runs, key=lambda run: (run.ran_at, run.batch_id), reverse=True)
    if not newest_first:
        return None
    newest = newest_first[0]
    complete = next((run for run in newest_first if not run.is_partial), None)
    rate = None if complete is None else novelty_rate(complete.total_found, complete.new_found)
    percent = None
    if newest.total_found:
        percent = (Decimal(100 * newest.new_found) / newest.total_found).quantize(Decimal("0.1"), ROUND_HALF_EVEN)
    return Novelty(
        batch_id=newest.batch_id,
        days_since=(now - newest.ran_at).days,
        novelty_percent=percent,
        total_found=newest.total_found,
        new_found=newest.new_found,
        is_stale=rate is not None and rate < policy.stale_below,
    )


def leads_left(first: int, second: int, both: int, seen: int) -> int | None:
    """How many leads a search seems to hold that no run of it has shown, by capture and recapture (Chapman).

    `first` and `second` leads were found by two runs, `both` by both, `seen` by any run. None where the two share
    nobody: then nothing can be told. A vendor that shows the same leads first makes the estimate too small.
    """
    if both == 0:
        return None
    population = (first + 1) * (second + 1) / (both + 1) - 1
    return max(0, round(population) - seen)


class Change(StrEnum):
    """How a used-up search can be varied, in the order shown without history."""

    LOCATION = "location"
    KEYWORDS = "keywords"
    RANGE = "range"
    INTERESTS = "interests"


_FIELDS = {
    Change.LOCATION: ("location",),
    Change.KEYWORDS: ("hashtags", "bio_phrase", "bio_phrase_advanced", "search_keywords", "keywords"),
    Change.RANGE: ("follower_count", "min_patrons", "max_patrons", "min_members", "max_members"),
    Change.INTERESTS: ("creator_interests", "audience_interests"),
}
_TEXTS = {
    Change.LOCATION: "search without the location",
    Change.KEYWORDS: "try other keywords (ideas: `socialanalyzer keywords suggest`)",
    Change.RANGE: "shift the audience range",
    Change.INTERESTS: "try other interests",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One variation with the filter values it would set (empty where a person must choose) and its expected yield."""

    change: Change
    text: str
    values: Mapping[str, Any]
    new_leads_per_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastYield:
    """What a past search of the platform brought for its money."""

    filters: Mapping[str, Any]
    new_found: int
    cost_micros: int


def suggest_variations(filters: Mapping[str, Any], past: Sequence[PastYield]) -> list[Suggestion]:
    """Variations that apply to the filters; those with the best measured new leads per dollar first.

    A past search is evidence for a variation when it differs from this one in the fields of that variation only.
    """
    suggestions = [
        Suggestion(
            change=change, text=_TEXTS[change], values=values, new_leads_per_usd=_measured(change, filters, past)
        )
        for change in Change
        if (values := _values(change, filters)) is not None
    ]
    return sorted(suggestions, key=lambda one: (one.new_leads_per_usd is None, -(one.new_leads_per_usd or Decimal(0))))


def _values(change: Change, filters: Mapping[str, Any]) -> dict[str, Any] | None:
    """The new filter values; {} when a person must choose them, None when the variation does not apply."""
    if change is Change.LOCATION:
        return {"location": ""} if filters.get("location") else None
    if change is Change.RANGE:
        return _shifted(filters)
    return {} if any(field in filters for field in _FIELDS[change]) else None


def _shifted(filters: Mapping[str, Any]) -> dict[str, Any] | None:
    """The band above the present one, equally wide, where there is room; else the band below."""
    nested = filters.get("follower_count")
    if isinstance(nested, Mapping):
        band = _next_band(nested.get("min"), nested.get("max"))
        return None if band is None else {"follower_count": {"min": band[0], "max": band[1]}}
    for low, high in (("min_members", "max_members"), ("min_patrons", "max_patrons")):
        if (band := _next_band(filters.get(low), filters.get(high))) is not None:
            return {low: band[0], high: band[1]}
    return None


def _next_band(low: int | None, high: int | None) -> tuple[int, int] | None:
    if high is not None and high < OPEN_END:
        return high, min(high + (high - (low or 0)), OPEN_END)
    return (max(low // 2, 1), low) if low is not None and low > 1 else None


def _measured(change: Change, filters: Mapping[str, Any], past: Sequence[PastYield]) -> Decimal | None:
    others = [search for search in past if search.cost_micros > 0 and _differs_only_in(change, filters, search.filters)]
    cost = sum(search.cost_micros for search in others)
    if not cost:
        return None
    per_usd = Decimal(sum(search.new_found for search in others)) * MICROS_PER_USD / cost
    return per_usd.quantize(Decimal("0.01"), ROUND_HALF_EVEN)


def _differs_only_in(change: Change, left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    ignored = {*_FIELDS[change], "max_results"}
    names = (left.keys() | right.keys()) - ignored
    same_rest = all(left.get(name) == right.get(name) for name in names)
    return same_rest and any(left.get(name) != right.get(name) for name in _FIELDS[change])
