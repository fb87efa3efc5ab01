"""Hosts, text normalisation and counts written by people (spec 5.11, 8.2, 8.3, I-9)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socialanalyzer_dagster.domain.hosts import (
    is_aggregator,
    is_own_website,
    is_personal_provider,
    may_be_looked_up,
    parse_web_url,
    registered_domain,
)
from socialanalyzer_dagster.domain.human_numbers import read_count
from socialanalyzer_dagster.domain.outside_text import comparable, known_text, storable
from socialanalyzer_dagster.domain.policy import shipped_policy

POLICY = shipped_policy()


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://shop.wix.com/x", "wix.com"),
        ("travelfox.com", "travelfox.com"),
        ("http://a.b.example.co.uk:8080/?q", "example.co.uk"),
        ("//linktr.ee/ada", "linktr.ee"),
        ("ada.example", "ada.example"),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("mailto:ada@trail.com", None),
        ("http://127.0.0.1/x", None),
        ("http://[::1", None),
        ("two words.com", None),
        ("", None),
    ],
)
def test_hosts_are_compared_by_registered_domain(url, domain):
    assert registered_domain(url) == domain


@pytest.mark.parametrize(
    "url", ["https://wix.com/ada", "https://travelfox.com", "https://notinstagram.com", "https://x.company"]
)
def test_a_host_that_only_contains_a_listed_name_is_an_own_website(url):
    assert is_own_website(url, POLICY.hosts)


@pytest.mark.parametrize(
    "url", ["https://x.com/ada", "https://open.spotify.com/show/1", "https://bit.ly/a", "https://ada.carrd.co"]
)
def test_listed_hosts_are_never_an_own_website(url):
    assert not is_own_website(url, POLICY.hosts)


def test_a_page_below_an_aggregator_host_is_an_aggregator():
    assert is_aggregator("https://ada.carrd.co", POLICY.hosts)
    assert not is_aggregator("https://mybeacons.ai.example.com", POLICY.hosts)


@pytest.mark.parametrize(
    ("domain", "personal"),
    [
        ("gmail.com", True),
        ("yahoo.co.in", True),
        ("gmx.net", True),
        ("proton.me", True),
        ("gmail.net", False),
        ("mygmx.com", False),
    ],
)
def test_personal_providers_are_known_by_registered_domain(domain, personal):
    assert is_personal_provider(domain, POLICY.emails) is personal


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://adatrail.com", True),
        ("https://www.yelp.com/biz/x", False),
        ("gmail.com", False),
        ("https://ada.wixsite.com/home", False),
        ("https://linktr.ee/ada", False),
        ("https://en.wikipedia.org/wiki/Trip", False),
    ],
)
def test_only_domains_of_one_organisation_are_looked_up(url, allowed):
    assert may_be_looked_up(url, POLICY.hosts, POLICY.emails) is allowed


@given(st.text(max_size=300))
def test_any_text_is_an_address_or_none(text):
    parts = parse_web_url(text)
    assert parts is None or parts.scheme in {"http", "https"}
    registered_domain(text)


@pytest.mark.parametrize(
    ("cell", "count"),
    [
        ("475.8m", 475_800_000),
        ("36,866", 36_866),
        ("1.2K", 1_200),
        ("1,2k", 1_200),
        ("1,234k", 1_234_000),
        ("1.234,5k", 1_234_500),
        ("1,234,567", 1_234_567),
        ("1.000.000", 1_000_000),
        ("12 345", 12_345),
        ("12\u00a0345", 12_345),
        ("12’345 followers", 12_345),
        ("36,866 patrons", 36_866),
        ("2 million", 2_000_000),
        ("10k+", 10_000),
        ("36866.0", 36_866),
        ("0", 0),
        (36866, 36_866),
        (36866.0, 36_866),
    ],
)
def test_counts_are_read_as_people_write_them(cell, count):
    assert read_count(cell).value == count


def test_a_point_before_three_digits_groups_thousands_and_says_so():
    reading = read_count("1.204")
    assert reading.value == 1204
    assert reading.note == "'1.204' was read as 1204"


@pytest.mark.parametrize(
    "cell", ["many", "12.5", "1,20", "-5", "0.500", "1e5", "12-15", "", 2.5, float("inf"), "9" * 40]
)
def test_what_cannot_be_read_is_unknown_and_not_zero(cell):
    reading = read_count(cell)
    assert reading.value is None
    assert reading.note is not None


@given(st.one_of(st.text(max_size=80), st.floats(), st.integers(), st.none(), st.booleans()))
def test_reading_a_count_never_crashes(cell):
    value = read_count(cell).value
    assert value is None or value >= 0


def test_texts_that_only_look_different_compare_equal():
    assert comparable("  #Van \n Life ") == comparable("van life") == comparable("ＶＡＮ　LIFE")
    assert comparable("@Ada") == "ada"


def test_outside_text_becomes_storable():
    assert storable("a\x00b\ud800") == "ab?"
    assert known_text("  \x00 ") is None
    assert known_text("x" * 50, 10) == "x" * 10


@given(st.text())
def test_comparing_twice_changes_nothing(text):
    assert comparable(comparable(text)) == comparable(text)
