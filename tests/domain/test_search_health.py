"""What is told about a saved search that is used up, and when all are looked at again."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from socialanalyzer_dagster.domain.search_health import PastNovelty, SearchHealth, advice, health_markdown, siblings
from socialanalyzer_dagster.domain.types import PlatformKey
from socialanalyzer_dagster.pipeline.saved_search_looks import NewestRun, decide_look

DAY = date(2026, 11, 20)
RAN = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def health(name: str, *novelties: float, platform: str = "instagram", **changes: Any) -> SearchHealth:
    runs = tuple(PastNovelty(f"{name}{number}", DAY, novelty, 100) for number, novelty in enumerate(novelties))
    stale = bool(novelties) and novelties[0] < 0.2
    return SearchHealth(preset_id=name, name=name, platform=PlatformKey(platform), runs=runs, is_stale=stale, **changes)


def test_a_search_is_fresh_used_up_new_or_not_valid() -> None:
    states = [each.state for each in (health("a", 0.5), health("b", 0.1), health("c"), health("d", problem="bad"))]
    assert states == ["fresh", "used up", "never ran", "not valid"]


def test_advice_tells_what_is_left_what_to_change_and_what_brings_more() -> None:
    worn = health("worn", 0.05, 0.4, left=12, changes=("search without the location", "try other keywords"))
    every = [worn, health("good", 0.8), health("better", 0.9), health("elsewhere", 0.99, platform="patreon")]
    assert advice(worn, every) == (
        "About 12 leads that nobody has seen seem to be left in it. Change it: search without the location; try other "
        "keywords. Run instead: better (90% new) and good (80% new)."
    )


def test_a_fresh_search_needs_no_advice_and_one_that_is_not_valid_says_why() -> None:
    assert not advice(health("a", 0.5), [])
    assert advice(health("a", problem="followers: must be a number"), []) == "followers: must be a number"
    assert not advice(health("a", 0.1), [])


def test_only_searches_that_are_not_used_up_are_named_instead_three_at_most() -> None:
    every = [health(f"s{number}", number / 10) for number in range(9)]
    assert [each.name for each in siblings(every[0], every)] == ["s8", "s7", "s6"]


def test_the_table_has_used_up_searches_first_and_no_name_breaks_it() -> None:
    rows = health_markdown([health("fresh|one", 0.5), health("worn", 0.1, 0.9, left=3)]).splitlines()
    assert "| instagram | worn | used up | 10% (2026-11-20), 90% (2026-11-20) | 3 |" in rows[2]
    assert rows[3].count("|") - rows[3].count("\\|") == 8
    assert "save one with" in health_markdown([])


@pytest.mark.parametrize(
    ("cursor", "newest", "key", "reason"),
    [
        (None, None, None, "No search has run yet."),
        (None, NewestRun(4, RAN), "searches:4", "A search ran at 2026-11-20 09:30 UTC."),
        ("4", NewestRun(5, RAN), "searches:5", "A search ran at 2026-11-20 09:30 UTC."),
        ("5", NewestRun(5, RAN), None, "No search has run since 2026-11-20 09:30 UTC, and that run was looked at."),
        ("broken", NewestRun(5, RAN), "searches:5", "A search ran at 2026-11-20 09:30 UTC."),
    ],
)
def test_the_searches_are_looked_at_once_after_every_run(
    cursor: str | None, newest: NewestRun | None, key: str | None, reason: str
) -> None:
    look = decide_look(cursor, newest)
    assert (look.run_key, look.reason) == (key, reason)
    assert look.cursor == (key.removeprefix("searches:") if key else cursor)


@pytest.mark.parametrize(
    ("runs", "seen"),
    [
        ((), 0),
        (((0, 1.0, 200),), 200),  # the newest first: days ago, novelty, results
        (((0, 0.5, 400), (3, 1.0, 200)), 400),  # went deeper
        (((0, 0.1, 200), (3, 1.0, 200)), 200),  # brought the same again
        (((0, 0.6, 200), (3, 1.0, 200)), 0),  # brought others all the same
        (((91, 1.0, 200),), 0),  # long ago: whoever was found then may be looked at again
    ],
)
def test_results_come_again_unless_a_repeated_run_brought_others(
    runs: tuple[tuple[int, float, int], ...], seen: int
) -> None:
    past = tuple(PastNovelty("b", DAY - timedelta(days=ago), novelty, found) for ago, novelty, found in runs)
    health = SearchHealth(preset_id="p", name="p", platform=PlatformKey("instagram"), runs=past)
    assert health.seen(DAY - timedelta(days=90), stale_below=0.2) == seen
