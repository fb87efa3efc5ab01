"""Four batches in four worker processes over one PostgreSQL: limits and caps hold over all, every micro is booked."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, text

from socialanalyzer_dagster import cli
from socialanalyzer_dagster.commands.instance import dagster_instance
from socialanalyzer_dagster.domain.policy import parse_policy
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.sandbox import serve
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.storage.database import Database
from tests.conftest import new_database
from tests.gate_world import store_policy
from tests.scenarios.house import House, open_house
from tests.scenarios.processes import CommandLine

pytestmark = pytest.mark.xdist_group("kills")  # the same warm server of processes
BATCHES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("instagram", {"hashtags": ["travel"], "max_results": 4}),
    ("patreon", {"search_keywords": ["travel"], "max_results": 4}),
    ("patreon", {"search_keywords": ["yoga"], "max_results": 4}),
    ("facebook", {"keywords": ["hiking"], "max_results": 4}),
)
OPEN_MODEL_CALLS = 2
DAY_USD = 0.3
"""Less than the four batches would spend together up to screening, more than all their searches."""


@dataclass
class Receiver:
    """The model's provider, which takes its time and counts how many calls are open at once, from whatever process."""

    app: Any
    opened: Counter[str] = field(default_factory=Counter)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/openai"):
            await self.app(scope, receive, send)
            return
        self.opened["calls"] += 1
        self.opened["now"] += 1
        self.opened["most"] = max(self.opened["most"], self.opened["now"])
        await asyncio.sleep(0.02)
        try:
            await self.app(scope, receive, send)
        finally:
            self.opened["now"] -= 1


@pytest.fixture
def receivers(monkeypatch: pytest.MonkeyPatch) -> list[Receiver]:
    """Stands before the sandbox that the test opens."""
    found: list[Receiver] = []
    app_of = serve.app_of

    def counted(state: Any) -> Any:
        found.append(Receiver(app_of(state)))
        return found[-1]

    monkeypatch.setattr(serve, "app_of", counted)
    return found


@pytest.fixture
def house(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_server: URL, receivers: list[Receiver]
) -> Iterator[House]:
    """An installation whose tables and Dagster instance are in one new PostgreSQL database."""
    with new_database(postgres_server) as url:
        monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
        monkeypatch.setenv("SOCIALANALYZER_HOME", str(tmp_path / "home"))
        assert cli.run(["db", "upgrade"]) == 0
        with open_house(tmp_path / "home", monkeypatch) as made:
            yield made


def test_an_upgrade_makes_the_tables_of_dagster_before_several_machines_want_them(house: House) -> None:
    found = {str(name) for (name,) in rows(house.office.database, "select tablename from pg_tables")}
    assert found >= {"runs", "event_logs", "job_ticks", "lead_batches"}


def narrow(database: Database) -> None:
    """A policy that lets few model calls be open, and whose day has too little room."""
    document = active_policy(database).document()
    document["limits"]["buckets"]["openai"] = {"concurrent": OPEN_MODEL_CALLS}
    document["budgets"] |= {"day_usd": DAY_USD, "platform_day_usd": DAY_USD}
    store_policy(database, parse_policy(document))


def refuse_more_than_a_cap(database: Database) -> None:
    """From now on the database itself takes no more than a cap into any scope."""
    rule = "check (settled_micros + held_micros + unknown_micros <= cap_micros)"
    with database.write() as connection:
        connection.execute(text(f"alter table budget_scopes add constraint within_cap {rule}"))


def rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_four_batches_in_four_processes_share_limits_and_caps_and_their_ledger_is_the_bill(
    house: House, receivers: list[Receiver]
) -> None:
    database = house.office.database
    narrow(database)
    refuse_more_than_a_cap(database)
    keys = [house.create(platform, filters).key for platform, filters in BATCHES]
    commands = CommandLine(house.home, house.sandbox)
    at_work = [commands.start("batch", "run", key, "--to", "screened") for key in keys]
    ended = [each.end() for each in at_work]
    assert [each.code for each in ended] == [0] * len(keys), [each.told for each in ended]

    (receiver,) = receivers
    assert receiver.opened["calls"] > len(keys)
    assert receiver.opened["most"] == OPEN_MODEL_CALLS, "four processes together, never one more"

    bill, views = house.bill(), [house.view(key) for key in keys]
    assert any(view["capped"] for view in views), "the day was to be too small for all of them"
    assert [view["held_micros"] + view["unknown_micros"] for view in views] == [0] * len(keys)
    assert sum(view["spend_micros"] for view in views) == bill["total_micros"] <= DAY_USD * 1_000_000
    booked = "select coalesce(sum(amount_micros), 0) from ledger_entries where kind in ('settled', 'correction')"
    assert rows(database, booked) == [(bill["total_micros"],)]
    days = rows(
        database, "select settled_micros, held_micros, unknown_micros from budget_scopes where scope like 'day:%'"
    )
    assert days == [(bill["total_micros"], 0, 0)]
    bought = "select fingerprint from provider_attempts where state = 'settled' group by 1 having count(*) > 1"
    assert rows(database, bought) == [], "nothing was paid for twice"
    left = "select lead_uid from stage_outcomes where is_current group by batch_id, lead_uid having count(*) < 2"
    assert rows(database, left) == [], "no lead is without an outcome"

    with dagster_instance(Settings.from_environment()) as instance:
        runs = instance.get_runs()
    assert sorted(run.tags["dagster/partition"] for run in runs) == sorted(keys)
    assert {run.status.value for run in runs} == {"SUCCESS"}
