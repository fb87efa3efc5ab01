"""A search is widened one step of its platform's ladder at a time, and never made another search (spec 15.1)."""

from typing import Any

import pytest

from socialanalyzer_dagster.domain.loosening import ScreenedSearch, Widening, next_loosening
from socialanalyzer_dagster.domain.policy import shipped_policy
from socialanalyzer_dagster.domain.types import PlatformKey

LADDERS = shipped_policy().rules.ladders
NOBODY = Widening(past=(), keyword_field="search_keywords")


def widened(platform: str, filters: dict[str, Any], *, after: int = -1, widening: Widening = NOBODY) -> Any:
    found = next_loosening(filters, LADDERS[PlatformKey(platform)], widening, after=after)
    return None if found is None else (found.step, found.filters, found.sentence)


def test_the_follower_range_grows_on_both_sides_within_its_bounds() -> None:
    filters = {"follower_count": {"min": 20_000, "max": 100_000}}
    assert widened("instagram", filters) == (
        0,
        {"follower_count": {"min": 15_000, "max": 125_000}},
        "follower_count.max 125,000 instead of 100,000 and follower_count.min 15,000 instead of 20,000",
    )
    assert filters == {"follower_count": {"min": 20_000, "max": 100_000}}, "the batch's own filters stay"
    assert widened("instagram", {"follower_count": {"min": 5_000, "max": 2_000_000}}) is None
    assert widened("instagram", {"follower_count": {"min": 3_000, "max": 9_000_000}}) is None, "never narrower"


def test_the_value_with_the_lowest_yield_goes_but_never_the_only_one() -> None:
    filters = {"hashtags": ["Vans", "boats"], "creator_interests": ["Travel"]}
    past = (
        ScreenedSearch(filters={"hashtags": ["vans"]}, judged=100, passed=40),
        ScreenedSearch(filters={"hashtags": ["boats"]}, judged=100, passed=2),
    )
    measured = Widening(past=past, keyword_field="hashtags")
    step, wider, sentence = widened("instagram", filters, widening=measured)
    assert (step, wider["hashtags"], sentence) == (1, ["Vans"], "hashtags without 'boats'")
    assert widened("instagram", {"hashtags": ["boats"]}, widening=measured) is None
    assert widened("instagram", filters) is None, "what was never measured is not judged"


def test_a_dropped_filter_is_emptied_so_that_no_default_takes_its_place() -> None:
    assert widened("instagram", {"audience_interests": ["Yoga"]})[1] == {"audience_interests": []}
    assert widened("patreon", {"min_posts": 9})[1] == {"min_posts": None}


def test_keywords_come_from_past_searches_that_passed_most() -> None:
    rates = {"tea": 3, "vans": 9, "boats": 6, "maps": 1, "none": 0}
    past = tuple(
        ScreenedSearch(filters={"search_keywords": [word]}, judged=10, passed=passed) for word, passed in rates.items()
    )
    widening = Widening(past=past, keyword_field="search_keywords")
    step, wider, sentence = widened("patreon", {"search_keywords": ["Tea"]}, after=1, widening=widening)
    assert (step, wider) == (2, {"search_keywords": ["Tea", "vans", "boats", "maps"]})
    assert sentence == "search_keywords with vans, boats and maps added"
    assert widened("patreon", {"search_keywords": ["tea"]}, after=1) is None


@pytest.mark.parametrize(("after", "step"), [(-1, 0), (0, 1), (1, 2), (2, None)])
def test_steps_are_taken_in_order_and_those_that_change_nothing_are_left_out(after: int, step: int | None) -> None:
    filters = {"min_members": 1_000, "min_posts_per_month": 4, "visibility": "public"}
    found = widened("facebook", filters, after=after)
    assert (found and found[0]) == step
    assert widened("facebook", {"min_members": None, "visibility": "all"}, after=after) is None
