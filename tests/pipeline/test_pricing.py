"""Prices: exact sums, rounded up once per billed call, unknown refused (spec 12.3)."""

from datetime import date
from decimal import Decimal

import pytest
from gate_world import policy_with
from hypothesis import given
from hypothesis import strategies as st

from socialanalyzer_dagster.domain.calls import Reply
from socialanalyzer_dagster.domain.policy import shipped_policy
from socialanalyzer_dagster.domain.refusals import UnknownPrice
from socialanalyzer_dagster.pipeline.pricing import PriceTable

POLICY = shipped_policy()
TABLE = PriceTable(POLICY)


def test_tokens_are_summed_exactly_and_rounded_up_once():
    assert TABLE.price({"openai.gpt-4o-mini.input": 1, "openai.gpt-4o-mini.output": 1}) == 1  # 0.15 + 0.60 micro
    assert TABLE.price({"openai.gpt-4o-mini.input": 3, "openai.gpt-4o-mini.output": 1}) == 2  # 1.05 micro
    assert TABLE.price({"openai.gpt-4o.input": 1_000_000, "openai.gpt-4o.output": 100}) == 2_501_000


def test_parts_of_a_unit_are_billed():
    assert TABLE.price({"openai.whisper-1": Decimal("0.5")}) == 3_000


def test_a_missing_price_is_refused_by_its_name():
    with pytest.raises(UnknownPrice, match="gpt-9"):
        TABLE.price({"openai.gpt-9": 1})
    with pytest.raises(UnknownPrice, match="chat"):
        TABLE.worst_case("openai.chat", {})


def test_a_vendors_own_figure_replaces_the_price():
    assert TABLE.settled(Reply(body=None, units={"no.price": 1}, reported_micros=77)) == 77


def test_live_mode_refuses_a_price_until_it_is_confirmed_by_name():
    key = "apollo.people_match"
    with pytest.raises(UnknownPrice, match="nobody confirmed"):
        PriceTable(POLICY, live=True).price({key: 1})
    with pytest.raises(UnknownPrice, match=key):
        PriceTable(POLICY, live=True).require("apollo")
    confirmed = POLICY.document()["prices"][key] | {"confirmed_on": date(2026, 11, 1).isoformat(), "confirmed_by": "op"}
    table = PriceTable(policy_with(POLICY, prices={key: confirmed}), live=True)
    table.require("apollo")
    assert table.price({key: 1}) == 25_000


@given(st.dictionaries(st.sampled_from(sorted(POLICY.prices)), st.integers(0, 10**7), min_size=1))
def test_a_price_is_never_less_than_its_exact_sum_and_less_than_a_micro_more(units):
    exact = sum(
        (POLICY.prices[key].usd * 1_000_000 / POLICY.prices[key].per * count for key, count in units.items()),
        Decimal(0),
    )
    assert 0 <= TABLE.price(units) - exact < 1
