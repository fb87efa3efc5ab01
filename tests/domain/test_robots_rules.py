"""How robots.txt is read: groups, the longest match, wildcards, one spelling of paths (RFC 9309)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socialanalyzer_dagster.domain.robots_rules import parse_robots

AGENT = "SocialAnalyzerBot"


def allows(text: str, path: str) -> bool:
    return parse_robots(text, AGENT).allows(path)


@pytest.mark.parametrize(
    ("rules", "path", "answer"),
    [
        ("", "/x", True),
        ("User-agent: *\nDisallow:", "/x", True),
        ("User-agent: *\nDisallow: /", "/x", False),
        ("User-agent: *\nDisallow: /a", "/abc", False),
        ("User-agent: *\nDisallow: /a", "/b/a", True),
        ("User-agent: *\nDisallow: /\nAllow: /about", "/about/me", True),
        ("User-agent: *\nAllow: /\nDisallow: /private/", "/private/x", False),
        ("User-agent: *\nDisallow: /page\nAllow: /page", "/page", True),
        ("User-agent: *\nDisallow: /*.php", "/a/b.php?x=1", False),
        ("User-agent: *\nDisallow: /*.php$", "/a/b.php?x=1", True),
        ("User-agent: *\nDisallow: /*.php$", "/a/b.php", False),
        ("User-agent: *\nDisallow: /a*b*c$", "/a-b-b-c", False),
        ("User-agent: *\nDisallow: /a*b*c$", "/a-c-b", True),
        ("User-agent: *\nDisallow: /ab*b$", "/ab", True),
        ("User-agent: *\nDisallow: /team$", "/team", False),
        ("User-agent: *\nDisallow: /team$", "/team/x", True),
        ("User-agent: *\nDisallow: /\u00fcber", "/%c3%bcber/uns", False),
        ("User-agent: *\nDisallow: /%7Ejoe", "/~joe/x", False),
        ("User-agent: *\nDisallow: /a%2Fb", "/a/b", True),
        ("user-agent : *  # everybody\r\nDISALLOW:/x # closed\r\n", "/x", False),
        ("Disallow: /x\nUser-agent: *\nAllow: /", "/x", True),
    ],
)
def test_the_longest_pattern_that_fits_decides(rules, path, answer):
    assert allows(rules, path) is answer


def test_our_own_groups_are_read_together_and_instead_of_those_for_everybody():
    rules = (
        "User-agent: *\nDisallow: /\n\nUser-agent: OtherBot\nUser-agent: socialanalyzerbot/2.0\nDisallow: /a\n"
        "User-agent: SocialAnalyzerBot\nDisallow: /b"
    )
    assert [allows(rules, path) for path in ("/a", "/b", "/c")] == [False, False, True]
    assert not allows("User-agent: SocialAnalyzer\nUser-agent: *\nDisallow: /", "/")


def test_a_page_of_html_and_a_rule_without_a_reader_are_no_rules():
    assert allows("<!doctype html><p>Not found: nothing here", "/x")
    assert allows("Disallow: /", "/x")


def test_a_pattern_made_to_be_slow_is_not():
    assert allows(f"User-agent: *\nDisallow: /{'*a' * 2000}b", "/" + "a" * 8000)


@given(st.text(max_size=200), st.text(max_size=50))
def test_any_text_is_read(text, path):
    allows(f"User-agent: *\n{text}\nDisallow: {text}", f"/{path}")
