"""A vendor's bill against the price table: what differs, what it suggests, and what cannot be told."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from socialanalyzer_dagster.domain.notification_prices import PriceChanged
from socialanalyzer_dagster.domain.notifications import Markup, Place, message
from socialanalyzer_dagster.domain.policy import shipped_policy
from socialanalyzer_dagster.domain.policy_money import PriceDriftPolicy
from socialanalyzer_dagster.domain.price_drift import Bill, JudgedBill, bought_share, judged

KEY = "2026-11-20.patreon.tea"
DEARER = "A run may charge no more than the table says for what was asked: until the new price is confirmed"
POLICY = shipped_policy()
FINDER = {"apify.leads_finder": 10, "apify.leads_finder.start": 1}


def against(reported: int, units: dict[str, int] | None = None, **drift: Any) -> JudgedBill | None:
    bill = Bill(operation="apify.patreon", units=units or {"apify.patreon": 25}, reported_micros=reported)
    policy = PriceDriftPolicy.model_validate(POLICY.price_drift.model_dump() | drift)
    return judged(bill, POLICY.prices, policy)


def told(reported: int, units: dict[str, int] | None = None) -> PriceChanged:
    found = against(reported, units)
    assert found is not None
    assert found.drifts
    return PriceChanged.of_bill(found, "b")


@pytest.mark.parametrize(
    ("reported", "usd"),
    [(500_000, "0.02"), (262_500, "0.0105"), (125_000, "0.005"), (250_001, "0.01"), (333_334, "0.01333")],
)
def test_a_bill_suggests_the_shortest_price_that_makes_it(reported: int, usd: str) -> None:
    found = against(reported)
    assert found is not None
    assert [each.billed_usd for each in found.prices] == [Decimal(usd)]


def test_a_difference_counts_from_the_share_of_the_policy_on() -> None:
    shares = {reported: against(reported) for reported in (250_000, 262_499, 262_500, 237_501, 237_500)}
    assert [each is not None and each.drifts for each in shares.values()] == [False, False, True, False, True]
    wider = against(262_500, share="0.06")
    assert wider is not None
    assert not wider.drifts


@pytest.mark.parametrize(
    ("reported", "units"),
    [
        (1, {"apify.twitter_user": 1}),
        (999, {"apify.cheerio": 10}),
        (0, {"apify.patreon": 3}),
        (500_000, {"apify.patreon": 0}),
        (500_000, {"no.such.price": 3}),
        (500_000, {"apify.patreon": 3, "no.such.price": 1}),
    ],
)
def test_small_bills_and_unknown_units_tell_nothing(reported: int, units: dict[str, int]) -> None:
    assert against(reported, units) is None


def test_several_prices_are_scaled_alike() -> None:
    found = against(70_000, FINDER)
    assert found is not None
    assert (found.table_micros, found.ratio) == (35_000, 2)
    assert [str(each.billed_usd) for each in found.prices] == ["0.003", "0.04"]


@pytest.mark.parametrize(
    ("reported", "most", "share"),
    [(500_000, 500_000, "0.5"), (500_000, 510_000, "0.4902"), (500_000, 520_000, None), (250_000, 250_000, None)],
)
def test_a_run_was_cut_short_by_a_dearer_price_when_no_other_result_fitted(
    reported: int, most: int, share: str | None
) -> None:
    found = against(reported)
    assert found is not None
    got = bought_share(found, most)
    assert (None if got is None else got.quantize(Decimal("0.0001"))) == (None if share is None else Decimal(share))


def test_what_is_told_of_a_dearer_price_says_what_follows_and_what_to_do() -> None:
    shown = message(told(500_000), Place(markup=Markup.PLAIN, batch_key=KEY))
    assert shown.title == "apify.patreon costs more than the price table says"
    assert shown.text.split("\n") == [
        f"$0.50 were billed in batch {KEY} for 25 x creator; by the price table that is $0.25.",
        "That makes apify.patreon 0.02 USD instead of 0.01 for 1 x creator.",
        f"{DEARER}, runs end early, with about 50 % of their results; those for a few are refused.",
        "If the vendor's price list says so: `socialanalyzer prices confirm apify.patreon --usd 0.02 --by NAME`.",
    ]


def test_what_is_told_of_cheaper_and_of_several_prices_says_so() -> None:
    assert "runs reserve 100 % more than they cost" in " ".join(told(125_000).sentences("batch k"))
    several = message(told(70_000, FINDER), Place(markup=Markup.PLAIN, batch_key=KEY)).text
    assert "which of the prices changed; if all did alike, that makes apify.leads_finder 0.003 USD instead" in several
    assert "prices confirm apify.leads_finder --usd 0.003 --by NAME` and `socialanalyzer" in several


def test_a_price_is_one_occasion_until_a_person_confirms_it_again() -> None:
    first = told(500_000)
    assert first.occasion == told(500_000).occasion == PriceChanged.of_facts(first.facts(), "other").occasion
    assert first.occasion == told(500_100).occasion != told(750_000).occasion
    confirmed = first.prices[0].model_copy(update={"confirmed_on": date(2026, 11, 20)})
    assert first.occasion != first.model_copy(update={"prices": (confirmed,)}).occasion
    assert told(70_000, FINDER).occasion == told(80_000, FINDER).occasion != told(17_500, FINDER).occasion
