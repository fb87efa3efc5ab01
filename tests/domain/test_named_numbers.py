"""Which numbers a text names, however they are written (spec 14.1)."""

import pytest

from socialanalyzer_dagster.domain.named_numbers import counts, named_numbers


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("1,200 profiles, 340 of them new.", {("", "1200"), ("", "340")}),
        ("1200", {("", "1200")}),
        ("yield 40 %, 7% and 9 percent", {("%", "40"), ("%", "7"), ("%", "9")}),
        ("40", {("", "40")}),
        ("$3.20, USD 5 and 7 dollars", {("$", "3.2"), ("$", "5"), ("$", "7")}),
        ("under $0.01", {("$", "0.01")}),
        ("€5", {("€", "5")}),
        ("5 cents", {("cents", "5")}),
        ("-3 and \u22124", {("-", "3"), ("\u2212", "4")}),
        ("2026-11-20", {("", "2026"), ("", "11"), ("", "20")}),
        ("80/100", {("", "80/100")}),
        ("1.2k, 3x", {("k", "1.2"), ("x", "3")}),
        ("http_503", {("", "503")}),
        ("\uff11\uff12 and \u0663", {("", "12"), ("", "3")}),
        ("\u00bd", {("", "1/2")}),
        ("Twenty-five, a dozen, HALF of them", {("words", word) for word in ("twenty", "five", "dozen", "half")}),
        ("\u4e09", {("words", "\u4e09")}),
        ("someone often weighed it; nobody did", set()),
        ("", set()),
    ],
)
def test_a_number_is_known_by_value_and_unit(text: str, named: set[tuple[str, str]]) -> None:
    assert named_numbers(text) == named


def test_that_there_was_none_or_that_it_came_twice_may_be_said_in_other_words() -> None:
    assert counts(named_numbers("0 updated, 0 %, found twice and 4 held")) == {("", "4")}
