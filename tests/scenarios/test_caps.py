"""Spending caps over whole batches: never passed at any commit; a raised one finishes exactly the rest (I-20)."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from socialanalyzer_dagster.pipeline.batch_actions import Deed, set_cap
from socialanalyzer_dagster.pipeline.policies import Authorship, activate, active_policy
from tests.scenarios.house import House, open_house, set_up_crm

SEARCHES: dict[str, dict[str, Any]] = {
    "instagram": {"hashtags": ["travel", "hiking", "yoga"], "max_results": 12},
    "patreon": {"search_keywords": ["travel", "hiking", "yoga"], "max_results": 14},
    "facebook": {"keywords": ["travel", "hiking", "yoga"], "max_results": 14},
}
CAPS_USD = {"instagram": 1.0, "patreon": 0.3, "facebook": 0.22}
_USED = "new.settled_micros + new.held_micros + new.unknown_micros"
BY = Deed(by="Mara")


@pytest.fixture
def house(tmp_path, monkeypatch: pytest.MonkeyPatch, sqlite_template) -> Iterator[House]:
    with open_house(tmp_path / "home", monkeypatch, sqlite_template) as made:
        set_up_crm(made)
        yield made


def guard_caps(house: House) -> None:
    """From now on the database itself refuses to take more than a cap into any scope."""
    with house.office.database.write() as connection:
        connection.execute(
            text(
                f"create trigger within_cap before update on budget_scopes when {_USED} > new.cap_micros "
                "begin select raise(abort, 'a cap was passed'); end"
            )
        )


def rows(house: House, query: str) -> list[tuple[Any, ...]]:
    with house.office.database.read() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def decided(house: House) -> dict[tuple[str, str], tuple[int, str]]:
    """(lead, stage) -> outcome row and code, without leads that a stage never saw."""
    query = "select lead_uid, stage, id, coalesce(code, '') from stage_outcomes where is_current"
    return {(lead, stage): (number, code) for lead, stage, number, code in rows(house, query) if "upstream" not in code}


def allow(house: House, **budgets: float) -> None:
    """Another policy with other shared caps."""
    database = house.office.database
    policy = active_policy(database)
    usd = {name: Decimal(str(value)) for name, value in budgets.items()}
    changed = policy.model_copy(update={"budgets": policy.budgets.model_copy(update=usd)})
    activate(database, changed, Authorship(author="test", note="caps", at=house.office.clock.now()))


@pytest.mark.parametrize("platform", sorted(SEARCHES))
def test_a_cap_holds_at_every_commit_and_a_raised_one_finishes_exactly_the_rest(house: House, platform: str) -> None:
    guard_caps(house)
    fields = {"max_budget_usd": CAPS_USD[platform]}
    key = house.create(platform, SEARCHES[platform], fields=fields, stop_at_cap=True).key
    assert house.run("lead_batch_job", key).success
    view, before = house.view(key), decided(house)
    left = {place for place, (_, code) in before.items() if code == "budget_stopped"}
    assert left
    assert view["capped"]
    assert view["spend_micros"] + view["held_micros"] + view["unknown_micros"] <= view["caps"]["batch"]
    assert [line for line in view["summary"].splitlines() if "spending cap" in line] == [
        line for line in view["summary"].splitlines() if line.startswith("The spending cap of $")
    ]
    sent = set(rows(house, "select attempt_key from provider_attempts where state = 'settled'"))

    set_cap(house.workplace, key, BY, cap_micros=20_000_000)
    assert house.run("lead_batch_job", key).success
    after = decided(house)
    assert {place for place in before if after[place][0] != before[place][0]} == left
    assert not [code for _, code in after.values() if code == "budget_stopped"]
    assert not house.view(key)["capped"]
    assert house.bill()["total_micros"] == house.view(key)["spend_micros"]
    bought = rows(house, "select fingerprint, count(*) from provider_attempts where state = 'settled' group by 1")
    assert {count for _, count in bought} == {1}, "nothing was paid for twice"
    assert sent < set(rows(house, "select attempt_key from provider_attempts where state = 'settled'"))


def test_a_full_day_ends_paid_work_and_is_named(house: House) -> None:
    allow(house, platform_day_usd=0.3)
    guard_caps(house)
    key = house.create("patreon", SEARCHES["patreon"]).key
    assert house.run("lead_batch_job", key).success
    view = house.view(key)
    assert view["capped"]
    assert "The spending cap per platform day of $0.30 was reached" in view["summary"]
    allow(house, platform_day_usd=50)
    assert house.run("lead_batch_job", key).success
    assert not [code for _, code in decided(house).values() if code == "budget_stopped"]
    view = house.view(key)
    assert not view["capped"]
    assert "spending cap" not in view["summary"]
    assert "was reached" not in view["summary"]


def test_a_search_the_month_has_no_room_for_is_not_bought(house: House) -> None:
    allow(house, day_usd=0.05, platform_day_usd=0.05, month_usd=0.05)
    key = house.create("patreon", SEARCHES["patreon"]).key
    assert house.run("lead_batch_job", key).success
    view = house.view(key)
    assert (view["status"], view["capped"], view["spend_micros"]) == ("completed", True, 0)
    assert "The search was not bought" in view["summary"]
    assert house.bill()["total_micros"] == 0
    allow(house, day_usd=50, platform_day_usd=50, month_usd=500)
    assert house.run("lead_batch_job", key).success
    view = house.view(key)
    assert (view["status"], view["capped"]) == ("awaiting_approval", False)
