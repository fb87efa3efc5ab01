"""Rules of screening without a model (spec 7.1, 7.2, 7.4, I-6, I-12)."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socialanalyzer_dagster.domain.activity import activity_problem, feed_items
from socialanalyzer_dagster.domain.content_items import ContentItem, MediaKind
from socialanalyzer_dagster.domain.found_text import members_in, neutral_words, posts_per_month_in, visibility_in
from socialanalyzer_dagster.domain.policy import shipped_policy
from socialanalyzer_dagster.domain.range_rules import (
    members_problem,
    nsfw_problem,
    patrons_problem,
    posting_rate_problem,
    posts_problem,
    visibility_problem,
)
from socialanalyzer_dagster.domain.travel_flag import TextUnit, text_units, travel_flag

SCREENING = shipped_policy().screening
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def item(days_ago=0.0, *, pinned=False, story=False, dated=True, number=1, **texts):
    published = NOW - timedelta(days=days_ago) if dated else None
    return ContentItem(
        item_id=str(number), published_at=published, is_pinned=pinned, is_story=story, kind=MediaKind.IMAGE, **texts
    )


def problem(*items, is_private=False):
    outcome = activity_problem(items, is_private=is_private, now=NOW, screening=SCREENING)
    return None if outcome is None else (outcome.result.value, outcome.code)


def test_an_active_account_passes():
    assert problem(item(1), item(20), item(50)) is None


def test_an_item_exactly_42_days_old_is_not_inactive():
    assert problem(item(42)) is None
    assert problem(item(42.0001)) == ("rejected", "inactive")


def test_a_gap_of_exactly_42_days_is_no_gap():
    assert problem(item(0), item(42), item(84)) is None
    assert problem(item(0), item(42.0001)) == ("rejected", "posting_gap")


def test_the_order_of_the_items_does_not_matter():
    assert problem(item(80), item(1), item(40)) is None


def test_pinned_items_and_stories_prove_no_activity():
    assert problem(item(1, pinned=True), item(43)) == ("rejected", "inactive")
    assert problem(item(1, story=True), item(43)) == ("rejected", "inactive")
    assert problem(item(1, pinned=True)) == ("rejected", "no_unpinned_content")
    assert problem(item(1, story=True)) == ("rejected", "no_content")
    assert problem() == ("rejected", "no_content")
    assert feed_items([item(story=True), item(number=2)])[0].item_id == "2"


def test_items_without_a_readable_date_are_left_out_of_the_date_rules():
    assert problem(item(1), item(dated=False), item(30)) is None
    assert problem(item(dated=False), item(1, pinned=True)) == ("failed", "dates_unreadable")


def test_a_private_account_is_rejected_and_an_unknown_state_is_not():
    assert problem(item(1), is_private=True) == ("rejected", "private_account")
    assert problem(item(1), is_private=None) is None


@pytest.mark.parametrize(
    ("patrons", "low", "high", "code"),
    [
        (None, 10, 20, None),
        (9, 10, 20, "patrons_below_min"),
        (10, 10, 20, None),
        (20, 10, 20, None),
        (21, 10, 20, "patrons_above_max"),
        (0, 1, None, "patrons_below_min"),
        (0, None, None, None),
    ],
)
def test_unknown_counts_pass_and_bounds_are_allowed(patrons, low, high, code):
    assert patrons_problem(patrons, low, high) == code


def test_every_count_has_its_own_codes():
    assert members_problem(499, 500, 50_000) == "members_below_min"
    assert members_problem(50_001, 500, 50_000) == "members_above_max"
    assert members_problem(None, 500, 50_000) is None
    assert posts_problem(4, 5) == "posts_below_min"
    assert posts_problem(None, 5) is None
    assert posting_rate_problem(Decimal("4.3"), 5) == "posting_rate_below_min"
    assert posting_rate_problem(None, 5) is None
    assert nsfw_problem(True) == "nsfw"
    assert nsfw_problem(None) is None
    assert nsfw_problem(False) is None


@pytest.mark.parametrize(
    ("wanted", "seen", "code"),
    [
        ("public", "private", "visibility_mismatch"),
        ("private", "public", "visibility_mismatch"),
        ("public", "public", None),
        ("public", None, None),
        ("all", "private", None),
    ],
)
def test_only_the_other_visibility_is_a_mismatch(wanted, seen, code):
    assert visibility_problem(wanted, seen) == code


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("Hikers | 12,345 members", 12_345),
        ("Private group · 12.3K members", 12_300),
        ("1.2M members", 1_200_000),
        ("4512 people like this", 4_512),
        ("3.4K in group", 3_400),
        ("120 people, 5,000 members", 5_000),
        ("Founded 2019. Members only.", None),
        ("12th members", None),
        ("", None),
    ],
)
def test_member_counts_are_read_from_snippets(text, members):
    assert members_in(text) == members
    assert members_in(None, text) == members


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("12 posts per month", Decimal(12)),
        ("5 posts a week", Decimal("21.5")),
        ("10+ posts a day", Decimal(300)),
        ("3 new posts/day", Decimal(90)),
        ("30 posts", None),
        ("eat 5 a day", None),
    ],
)
def test_posting_rates_are_per_month(text, rate):
    assert posts_per_month_in(text) == rate


def test_a_visibility_counts_only_when_it_is_the_only_one_named():
    assert visibility_in("Hikers", "Private group · 5 members") == "private"
    assert visibility_in("Public Group", "PUBLIC group") == "public"
    assert visibility_in("public group", "private group") is None
    assert visibility_in(None, "privately grouped") is None


@pytest.mark.parametrize(
    ("words", "neutral"),
    [
        ('"van life"', "van life"),
        ("site:evil.com hiking", "hiking"),
        ("hiking OR intitle:admin -beginner", "hiking beginner"),
        ("recipes: vegan", "recipes vegan"),
        ("a|b * (c) 1..5", "a b c 1 5"),
        ("well-being\nsecond query", "well-being second query"),
        ("yoga AROUND(3) bali", "yoga bali"),
        ("Or and not", "Or and not"),
        ('"-:"', ""),
    ],
)
def test_keywords_lose_their_search_operators(words, neutral):
    assert neutral_words(words) == neutral


@given(st.text(max_size=300))
def test_neutral_words_are_one_line_without_operators(text):
    words = neutral_words(text)
    assert not set(words) & set('":|*()\n\r')
    members_in(text)
    posts_per_month_in(text)


def flagged(*texts):
    flag = travel_flag([TextUnit("bio", text) for text in texts], SCREENING)
    return None if flag is None else (flag.travel_words, flag.booking_words)


@pytest.mark.parametrize(
    "text",
    [
        "Stripe payments, sign up",
        "tourniquet course, book now",
        "15 years of experience, join me",
        "tripod reviews: join us",
        "My trips to Peru",
        "Book now",
        "Join the retreat",
        "I host a book club trip",
        "striptease spots",
        "",
    ],
)
def test_words_inside_other_words_raise_no_flag(text):
    assert flagged(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "Join me on my Bali retreats",
        "TOURS - limited",
        "#group_trip sign  up",
        "workshops: few spots",
        "Hosting Peru, reserve",
    ],
)
def test_a_travel_word_and_a_booking_word_raise_the_flag(text):
    assert flagged(text) is not None


def test_both_words_must_stand_in_one_text():
    assert flagged("retreat in Bali", "sign up") is None


def test_the_flag_keeps_its_words_and_text_as_evidence():
    flag = travel_flag([TextUnit("bio", "hi"), TextUnit("item:7", "Retreat! Sign up, spots left")], SCREENING)
    assert flag is not None
    assert flag.evidence() == {
        "source": "item:7",
        "text": "Retreat! Sign up, spots left",
        "travel_words": ["retreat"],
        "booking_words": ["sign up", "spots"],
    }


def test_the_bio_and_the_first_ten_items_are_read():
    items = [item(number=number, title=None, caption=f"c{number}") for number in range(1, 13)]
    units = text_units("bio text", items, SCREENING)
    assert [unit.source for unit in units] == ["bio", *(f"item:{number}" for number in range(1, 11))]
    assert text_units(None, [item(title="a", caption="b")], SCREENING)[0].text == "a\nb"
    assert text_units(None, [item(title=None, caption=None)], SCREENING) == []


@given(st.text(max_size=300))
def test_any_text_can_be_searched_for_travel_words(text):
    flagged(text)
