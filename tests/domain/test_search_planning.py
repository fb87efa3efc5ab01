"""Batch keys, estimates, novelty, similarity and keyword ideas (spec 3.1, 5.7, 5.8, 5.10, 12.2)."""

import re
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socialanalyzer_dagster.domain.batch_keys import (
    BadBatchKey,
    BatchKeyParts,
    adhoc_slug,
    list_slug,
    next_batch_key,
    parse_batch_key,
    preset_slug,
)
from socialanalyzer_dagster.domain.estimate import (
    BatchFigures,
    current_rates,
    default_rates,
    estimate_list,
    estimate_search,
)
from socialanalyzer_dagster.domain.novelty import (
    Change,
    FilterRun,
    PastYield,
    look_up_novelty,
    novelty_rate,
    suggest_variations,
)
from socialanalyzer_dagster.domain.policy import shipped_policy
from socialanalyzer_dagster.domain.similarity import (
    PastSearch,
    filter_ranges,
    filter_tokens,
    similar_batches,
    similarity,
)
from socialanalyzer_dagster.domain.types import Stage

POLICY = shipped_policy()
NOW = datetime(2026, 11, 20, tzinfo=UTC)
PLATFORMS = ("instagram", "patreon", "facebook")


def test_a_key_is_taken_apart_and_put_together():
    parts = parse_batch_key("2026-11-20.instagram.travel-micro.3", PLATFORMS)
    assert parts == BatchKeyParts(date(2026, 11, 20), "instagram", "travel-micro", 3)
    assert parts.key == "2026-11-20.instagram.travel-micro.3"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must be <YYYY-MM-DD>"),
        ("2026-11-20.instagram", "must be <YYYY-MM-DD>"),
        ("2026-11-20.instagram.a.2.3", "must be <YYYY-MM-DD>"),
        ("2026-11-31.instagram.a", "must be a date"),
        ("20-11-2026.instagram.a", "must be a date"),
        ("2026-11-20.myspace.a", "there are facebook, instagram, patreon"),
        ("2026-11-20.Instagram.a", "there are facebook, instagram, patreon"),
        ("2026-11-20.instagram.Travel Micro", "a-z, 0-9 and -"),
        ("2026-11-20.instagram.-a", "a-z, 0-9 and -"),
        ("2026-11-20.instagram." + "a" * 41, "1 to 40"),
        ("2026-11-20.instagram.a.x", "must be a number"),
        ("2026-11-20.instagram.a.02", "must be a number"),
        ("2026-11-20.instagram.a\n", "a-z, 0-9 and -"),
    ],
)
def test_a_malformed_key_is_refused_with_what_is_wrong(text, words):
    with pytest.raises(BadBatchKey) as refused:
        parse_batch_key(text, PLATFORMS)
    assert words in str(refused.value)


@given(st.text(max_size=120))
def test_any_text_is_a_key_or_refused(text):
    with suppress(BadBatchKey):
        assert parse_batch_key(text, PLATFORMS).key == text


def test_the_next_free_number_is_taken():
    first = next_batch_key(date(2026, 11, 20), "patreon", "yoga", set())
    assert first == "2026-11-20.patreon.yoga"
    assert next_batch_key(date(2026, 11, 20), "patreon", "yoga", {first}) == f"{first}.2"
    assert next_batch_key(date(2026, 11, 20), "patreon", "yoga", {first, f"{first}.2"}) == f"{first}.3"


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Travel Micro (US)", "travel-micro-us"), ("Éclair & Café", "eclair-cafe"), ("x" * 60, "x" * 40)],
)
def test_presets_have_readable_slugs(name, slug):
    assert preset_slug(name) == slug


@pytest.mark.parametrize("name", ["旅行", "adhoc-0123abcd", "LIST-0123ABCD", "!!!"])
def test_a_name_without_a_usable_slug_gets_a_stable_one(name):
    assert preset_slug(name) == preset_slug(f" {name} ")
    assert preset_slug(name).startswith("preset-")


@given(st.text())
def test_every_preset_slug_makes_a_key_that_no_other_search_has(name):
    slug = preset_slug(name)
    key = BatchKeyParts(date(2026, 11, 20), "patreon", slug).key
    assert parse_batch_key(key, PLATFORMS).slug == slug
    assert not re.fullmatch(r"(?:adhoc|list)-[0-9a-f]{8}", slug)


def test_other_searches_are_named_by_their_fingerprint():
    assert adhoc_slug("fp1:0123456789abcdef") == "adhoc-01234567"
    assert list_slug("fp1:0123456789abcdef") == "list-01234567"


@pytest.mark.parametrize(
    ("platform", "count", "usd"),
    [
        ("instagram", 100, "16.525"),
        ("instagram", 500, "82.625"),
        ("patreon", 100, "11.85"),
        ("facebook", 100, "11.85"),
    ],
)
def test_the_estimates_of_the_specification(platform, count, usd):
    estimate = estimate_search(count, count, default_rates(platform, POLICY.estimate))
    assert estimate.usd == Decimal(usd)
    assert estimate.micros == int(Decimal(usd) * 1_000_000)
    assert estimate.source == "defaults of the policy, not measured"


def test_an_estimate_shows_each_stage():
    estimate = estimate_search(100, 100, default_rates("instagram", POLICY.estimate))
    assert [(stage.stage.value, stage.leads, stage.usd) for stage in estimate.stages] == [
        ("discovered", 100, Decimal("2.00")),
        ("screened", 70, Decimal("3.50")),
        ("enriched", 63, Decimal("0.315")),
        ("analyzed", 63, Decimal("9.45")),
        ("scored", 63, Decimal("1.26")),
    ]
    assert estimate.worst_case_usd == Decimal("24.5")
    assert estimate.worst_case_micros == 24_500_000


def test_max_leads_bounds_what_comes_after_discovery():
    estimate = estimate_search(100, 10, default_rates("instagram", POLICY.estimate))
    assert [stage.leads for stage in estimate.stages] == [100, 10, 9, 9, 9]
    assert estimate.worst_case_usd == Decimal(2) + 10 * Decimal("0.225")


def test_a_list_costs_nothing_to_discover_and_loses_nothing_there():
    estimate = estimate_list(991, 991, default_rates("patreon", POLICY.estimate))
    assert [stage.leads for stage in estimate.stages] == [991, 991, 891, 891, 891]
    assert estimate.stages[0].usd == 0


def figures(days_ago, *, is_list=False, **counts):
    fields = {
        "entered": {Stage.DISCOVERED: 100, Stage.SCREENED: 50},
        "passed": {Stage.DISCOVERED: 50, Stage.SCREENED: 33},
    }
    fields |= {"cost_micros": {Stage.DISCOVERED: 3_000_000, Stage.SCREENED: 1_000_000}}
    return BatchFigures(finished_at=NOW - timedelta(days=days_ago), is_list=is_list, **{**fields, **counts})


def test_measured_rates_replace_the_defaults_from_three_batches_on():
    rates = current_rates("instagram", [figures(1), figures(2), figures(30)], now=NOW, policy=POLICY.estimate)
    assert rates.source == "measured in 3 batches of the last 30 days"
    assert rates.pass_rates[Stage.DISCOVERED] == Decimal("0.5")
    assert rates.pass_rates[Stage.SCREENED] == Decimal("0.66")
    assert rates.stage_usd[Stage.DISCOVERED] == Decimal("0.03")
    assert rates.stage_usd[Stage.ANALYZED] == Decimal("0.15")
    assert [stage.leads for stage in estimate_search(101, 101, rates).stages] == [101, 50, 33, 33, 33]


def test_too_few_or_too_old_batches_measure_nothing():
    rates = current_rates("instagram", [figures(1), figures(2), figures(31)], now=NOW, policy=POLICY.estimate)
    assert rates == default_rates("instagram", POLICY.estimate)


def test_lists_say_nothing_about_discovery():
    rates = current_rates("patreon", [figures(1, is_list=True)] * 3, now=NOW, policy=POLICY.estimate)
    assert rates.pass_rates[Stage.DISCOVERED] == Decimal("0.70")
    assert rates.pass_rates[Stage.SCREENED] == Decimal("0.66")


def test_novelty_has_three_decimals_and_is_unknown_without_finds():
    assert novelty_rate(3, 2) == Decimal("0.667")
    assert novelty_rate(0, 0) is None


def run(days_ago, total, new, *, partial=False):
    return FilterRun(
        batch_id=f"b{days_ago}",
        total_found=total,
        new_found=new,
        ran_at=NOW - timedelta(days=days_ago),
        is_partial=partial,
    )


def test_a_search_is_stale_below_a_fifth_of_new_finds():
    policy = POLICY.novelty
    assert look_up_novelty([], now=NOW, policy=policy) is None
    assert not look_up_novelty([run(3, 100, 20)], now=NOW, policy=policy).is_stale
    stale = look_up_novelty([run(3, 1000, 199), run(9, 10, 10)], now=NOW, policy=policy)
    assert (stale.is_stale, stale.days_since, stale.novelty_percent) == (True, 3, Decimal("19.9"))


def test_partial_runs_are_shown_but_never_decide():
    found = look_up_novelty([run(1, 100, 1, partial=True), run(5, 100, 90)], now=NOW, policy=POLICY.novelty)
    assert (found.days_since, found.is_stale) == (1, False)
    assert not look_up_novelty([run(1, 100, 1, partial=True)], now=NOW, policy=POLICY.novelty).is_stale
    assert not look_up_novelty([run(1, 0, 0)], now=NOW, policy=POLICY.novelty).is_stale


def test_variations_fit_the_filters_and_the_best_measured_comes_first():
    filters = {"search_keywords": ["hiking"], "location": "United States", "min_patrons": 100, "max_patrons": 300}
    past = [
        PastYield(filters={**filters, "search_keywords": ["yoga"]}, new_found=30, cost_micros=10_000_000),
        PastYield(filters={**filters, "location": ""}, new_found=10, cost_micros=10_000_000),
        PastYield(filters={**filters, "location": "", "search_keywords": ["art"]}, new_found=999, cost_micros=1),
    ]
    suggestions = suggest_variations(filters, past)
    assert [(one.change, one.new_leads_per_usd) for one in suggestions] == [
        (Change.KEYWORDS, Decimal("3.00")),
        (Change.LOCATION, Decimal("1.00")),
        (Change.RANGE, None),
    ]
    assert "`socialanalyzer keywords suggest`" in suggestions[0].text
    assert suggestions[1].values == {"location": ""}
    assert suggestions[2].values == {"min_patrons": 300, "max_patrons": 500}


def test_a_range_at_the_top_is_shifted_down():
    filters = {"follower_count": {"min": 20_000, "max": 10_000_000}, "creator_interests": []}
    changes = {one.change: one.values for one in suggest_variations(filters, [])}
    assert changes == {Change.RANGE: {"follower_count": {"min": 10_000, "max": 20_000}}, Change.INTERESTS: {}}


A = {"search_keywords": ["yoga retreat", "hiking"], "location": "United States", "min_patrons": 100, "max_patrons": 300}


def alike(left, right):
    return similarity(left, right, POLICY.similarity)


def test_equal_searches_are_fully_similar():
    assert alike(A, A) == 1
    assert alike({}, {}) == 0
    assert alike(A, {}) == 0


def test_tokens_are_words_names_lookalikes_and_places():
    filters = {
        "hashtags": ["#Van Life"],
        "bio_phrase": "Join me",
        "bio_phrase_advanced": [{"bio_phrase": "sea", "action": "NOT"}],
        "creator_interests": ["Travel, Tourism & Aviation"],
        "lookalike_type": "creator",
        "lookalike_username": "Ada",
        "location": "New  York",
    }
    assert filter_tokens(filters) == {
        "van", "life", "join", "me", "sea", "travel, tourism & aviation", "lookalike:creator:ada", "location:new york",
    }  # fmt: skip


def test_open_ranges_end_at_zero_and_ten_million():
    assert filter_ranges({"min_members": 5, "max_members": None, "follower_count": {"min": None, "max": 9}}) == {
        "members": (5, 10_000_000),
        "followers": (0, 9),
    }
    assert filter_ranges({"min_patrons": None, "max_patrons": None}) == {}


def test_both_parts_are_weighted():
    other = {"search_keywords": ["yoga"], "location": "United States", "min_patrons": 200, "max_patrons": 400}
    assert alike(A, other) == Fraction(6, 10) * Fraction(1, 2) + Fraction(4, 10) * Fraction(1, 3)


def test_a_part_on_both_sides_counts_fully_when_the_other_is_missing():
    tokens_only = {"search_keywords": ["yoga", "art"]}
    assert alike(tokens_only, {"search_keywords": ["yoga"]}) == Fraction(1, 2)
    assert alike(tokens_only, {"search_keywords": ["yoga"], "min_patrons": 5}) == Fraction(1, 2)
    assert alike({"min_patrons": 5, "max_patrons": 5}, {"min_patrons": 5, "max_patrons": 5}) == 1


def test_a_range_on_one_side_only_overlaps_nothing():
    left = {"min_patrons": 1, "max_patrons": 9, "min_members": 1}
    assert alike(left, {"min_patrons": 1, "max_patrons": 9}) == Fraction(1, 2)


def past(batch_id, filters, days_ago=1):
    return PastSearch(
        batch_id=batch_id, filters=filters, found=10, synced=2, finished_at=NOW - timedelta(days=days_ago)
    )


def test_similar_batches_are_reported_from_seventy_percent_descending():
    at_limit = {
        "search_keywords": ["yoga", "retreat"],
        "location": "United States",
        "min_patrons": 100,
        "max_patrons": 300,
    }
    tokens_exactly_half = {**A, "search_keywords": ["yoga", "art"], "location": "United States"}
    found = similar_batches(
        A,
        [past("same", A, 3), past("near", at_limit), past("far", tokens_exactly_half)],
        now=NOW,
        policy=POLICY.similarity,
    )
    assert [(one.batch_id, one.similarity, one.days_ago) for one in found] == [
        ("same", Decimal(1), 3),
        ("near", Decimal("0.85"), 1),
    ]


def test_only_the_newest_fifty_batches_are_compared():
    batches = [past(f"b{number}", {}, days_ago=number + 1) for number in range(50)] + [past("old", A, days_ago=99)]
    assert similar_batches(A, batches, now=NOW, policy=POLICY.similarity) == []


@given(
    *[
        st.fixed_dictionaries(
            {},
            optional={
                "keywords": st.lists(st.sampled_from(["a b", "c", "d"])),
                "min_members": st.integers(1, 99),
                "max_members": st.integers(100, 999),
            },
        )
    ]
    * 2
)
def test_similarity_is_symmetric_and_between_zero_and_one(left, right):
    assert alike(left, right) == alike(right, left)
    assert 0 <= alike(left, right) <= 1
