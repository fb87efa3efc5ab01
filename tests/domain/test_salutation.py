"""The greeting when no model could say it (spec 9.4, S-11)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socialanalyzer_dagster.domain.answer_schemas import salutation_schema
from socialanalyzer_dagster.domain.judgements import InvalidAnswer, check_answer
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.salutation import fallback_salutation


@pytest.mark.parametrize(
    ("name", "greeting"),
    [
        ("Mara Lind", "Mara"),
        ("  Mara   Lind", "Mara"),
        ("🌿 Mara | hikes", "Mara"),
        ("Jean-Luc", "Jean-Luc"),
        ("O'Neil & Sons", "O'Neil"),
        ("さくら 旅", "さくら"),
        (None, "there"),
        ("", "there"),
        ("🌿🌿", "there"),
        ("12 34", "there"),
    ],
)
def test_the_first_word_of_the_display_name_else_there(name: str | None, greeting: str) -> None:
    assert fallback_salutation(name) == greeting


@given(st.none() | st.text())
def test_any_name_gives_a_salutation_that_fits_the_schema(policy: Policy, name: str | None) -> None:
    answer = {"kind": "one", "first_name": fallback_salutation(name)}
    assert not isinstance(check_answer(salutation_schema(policy), answer), InvalidAnswer)
