"""What the people of a simulated team do about messages."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from gate_world import new_batch

from socialanalyzer_dagster.domain.notification_prices import PriceChanged
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.price_drift import Bill, judged
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.simulation.people import Team
from socialanalyzer_dagster.storage import outbox
from socialanalyzer_dagster.storage.database import Database


def test_a_price_is_confirmed_once_and_one_that_stays_as_it_is_never(
    sqlite_database: Database, policy: Policy, clock: Any, tmp_path: Path
) -> None:
    units = {"apify.leads_finder": 10, "apify.leads_finder.start": 1}
    found = judged(Bill(operation="p", units=units, reported_micros=70_000), policy.prices, policy.price_drift)
    assert found is not None
    told = PriceChanged.of_bill(found, new_batch(sqlite_database, policy).batch_id)
    same = told.prices[0].model_copy(update={"billed_usd": told.prices[0].table_usd})
    with sqlite_database.write() as connection:
        outbox.emit(connection, told.model_copy(update={"prices": (same, told.prices[1])}), now=clock.now())
    team = Team()
    rest: dict[str, Any] = {"platforms": {}, "mode": "sandbox", "suppression_key": b"k"}
    workplace = Workplace(database=sqlite_database, clock=clock, home=tmp_path, **rest)
    assert [team.work(workplace), team.work(workplace), team.prices] == [True, False, 1]
    prices = active_policy(sqlite_database).prices
    assert [prices[each].usd for each in units] == [policy.prices["apify.leads_finder"].usd, Decimal("0.04")]
