"""Money as people read it (spec 1.2)."""

import pytest

from socialanalyzer_dagster.commands.output import usd
from socialanalyzer_dagster.domain.money import usd_text


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "$0.00"),
        (1, "under $0.01"),
        (9_999, "under $0.01"),
        (10_000, "$0.01"),
        (14_999, "$0.01"),
        (15_000, "$0.02"),
        (82_625_000, "$82.63"),
        (1_234_567_890, "$1,234.57"),
        (-300, "above -$0.01"),
        (-15_000, "-$0.02"),
    ],
)
def test_dollars_are_rounded_half_up_and_less_than_a_cent_never_looks_like_nothing(micros: int, text: str) -> None:
    assert usd_text(micros) == text


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "$0.00"), (40, "under $0.01"), (100, "$0.0001"), (3_700, "$0.0037"), (-3_700, "-$0.0037"), (10_000, "$0.01")],
)
def test_tables_show_small_amounts_with_four_places(micros: int, text: str) -> None:
    assert usd(micros) == text
