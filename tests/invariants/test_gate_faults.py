"""What the gate does when vendors, or what it must know before a call, cannot be trusted: I-36 and I-40 (spec 21.3)."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from gate_world import Vendor, VirtualTime, money_of, new_batch, stage_gate, uid
from shared_limits import rules, shared
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from socialanalyzer_dagster.domain.breaker import BreakerPhase
from socialanalyzer_dagster.domain.policy import INSTANT_POLICY, Policy, shipped_policy
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable
from socialanalyzer_dagster.domain.vendor_health import Light
from socialanalyzer_dagster.pipeline.doctor import Health, examine_database
from socialanalyzer_dagster.pipeline.vendor_health import NOT_MEASURED, health_rows, vendor_health
from socialanalyzer_dagster.sandbox.faults import Fault
from socialanalyzer_dagster.sandbox.serve import SandboxServer
from socialanalyzer_dagster.storage.breakers import load_breakers
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.vendors.bundle import Vendors
from socialanalyzer_dagster.vendors.connect import connect_vendors
from tests.conftest import MovableClock
from tests.invariants.conftest import settings_of


@contextmanager
def unreadable(database: Database, table: str) -> Iterator[None]:
    with database.write() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO {table}_gone"))
    try:
        yield
    finally:
        with database.write() as connection:
            connection.execute(text(f"ALTER TABLE {table}_gone RENAME TO {table}"))


@pytest.mark.parametrize("table", ["breaker_states", "limiters", "budget_scopes", "lead_batches"])
async def test_i_36_no_paid_call_is_made_while_its_state_cannot_be_read(
    database: Database, policy: Policy, clock: MovableClock, table: str
):
    batch, vendor = new_batch(database, policy), Vendor()
    async with stage_gate(database, policy, clock, batch) as gate:
        with unreadable(database, table), pytest.raises(SQLAlchemyError):
            await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
        assert vendor.sent == 0
        await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
    assert vendor.sent == 1


async def test_i_36_without_readable_limits_nobody_gets_a_permit(database: Database):
    async with shared(database, rules(3, (5, 60))) as found:
        with unreadable(database, "limiters"), pytest.raises(DBAPIError):
            await found.acquire("b", longest_wait_seconds=60)


def lights(database: Database, policy: Policy, clock: MovableClock) -> dict[str, Any]:
    with database.read() as connection:
        return {each.vendor: each for each in vendor_health(connection, policy, clock.now())}


async def test_i_40_what_was_not_measured_is_shown_as_not_measured(database: Database, policy: Policy, clock: Any):
    assert {each.light for each in lights(database, policy, clock).values()} == {Light.NOT_MEASURED}
    rows = health_rows(list(lights(database, policy, clock).values()))
    assert {(row[1], row[5], row[6], row[7]) for row in rows} == {(NOT_MEASURED,) * 4}
    batch, vendor = new_batch(database, policy), Vendor()
    async with stage_gate(database, policy, clock, batch) as gate:
        await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
    measured = lights(database, policy, clock)
    assert (measured["insightiq"].light, measured["insightiq"].lately.calls) == (Light.GREEN, 1)
    assert measured["openai"].light is Light.NOT_MEASURED
    clock.advance(minutes=20)
    old = lights(database, policy, clock)["insightiq"]
    assert (old.light, old.lately.calls, old.today.calls) == (Light.NOT_MEASURED, 0, 1)


def test_i_40_a_health_check_of_the_database_fails_when_the_database_does(tmp_path: Any):
    empty = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    assert examine_database(empty).health is Health.PROBLEM
    empty.dispose()


# --- the sandbox's fault switches ------------------------------------------------------------------------------------


@pytest.fixture
async def vendors(server: SandboxServer, town: Any, tmp_path: Any) -> AsyncIterator[Vendors]:
    """Real clients over the sandbox, whose switches are put back afterwards."""
    found = connect_vendors(settings_of(server, tmp_path))
    yield found
    server.state.faults.reset()
    await found.close()


@pytest.fixture
def impatient() -> Policy:
    """Nobody waits for a vendor, and nothing is sent twice."""
    document = shipped_policy(INSTANT_POLICY).document()
    document["retries"]["attempts"] = 1
    for rule in document["breakers"]["services"].values():
        rule |= {"wait_in": [], "reset_seconds": 300}
    return Policy.model_validate(document)


async def verify(gate: Any, vendors: Vendors, name: str) -> None:
    assert vendors.email_verifier is not None
    await gate.call(vendors.email_verifier.verify(f"{name}@example.org"), leads=[uid(0)], step="L")


@pytest.mark.parametrize("kind", ["error_500", "error_503", "closed_before", "closed_after", "truncated", "malformed"])
async def test_errors_bodies_and_silence_of_a_vendor_open_its_breaker(
    server: SandboxServer, vendors: Vendors, impatient: Policy, sqlite_database: Database, clock: Any, kind: str
):
    server.state.faults.set([Fault("millionverifier", "single", kind)])
    batch, asked = new_batch(sqlite_database, impatient), server.state.calls["millionverifier.single"]
    async with stage_gate(sqlite_database, impatient, clock, batch) as gate:
        refusals = []
        for number in range(6):
            with pytest.raises((CallFailed, ProviderUnavailable)) as refused:
                await verify(gate, vendors, f"{kind}{number}")
            refusals.append(refused.type)
    assert refusals[-2:] == [ProviderUnavailable] * 2
    assert server.state.calls["millionverifier.single"] - asked <= 4, "an open breaker lets nothing out"
    assert lights(sqlite_database, impatient, clock)["email_verifier"].light is Light.RED
    settled, held, _ = money_of(sqlite_database)
    assert (settled, held) == (0, 0)


async def test_a_key_error_in_an_answered_200_opens_the_breaker_until_a_person_acts(
    server: SandboxServer, vendors: Vendors, impatient: Policy, sqlite_database: Database, clock: Any
):
    server.state.faults.set([Fault("millionverifier", "single", "unauthorized")])
    batch = new_batch(sqlite_database, impatient)
    async with stage_gate(sqlite_database, impatient, clock, batch) as gate:
        with pytest.raises(ProviderUnavailable) as refused:
            await verify(gate, vendors, "a")
    assert refused.value.retry_at is None
    with sqlite_database.read() as connection:
        state = load_breakers(connection)["email_verifier"].state
    assert (state.phase, state.needs_person) == (BreakerPhase.OPEN, True)


async def test_throttling_opens_no_breaker(
    server: SandboxServer, vendors: Vendors, impatient: Policy, sqlite_database: Database, clock: Any
):
    server.state.faults.set([Fault("apollo", "*", "rate_limited_bare")])
    batch, asked = new_batch(sqlite_database, impatient), server.state.throttled.total()
    assert vendors.apollo is not None
    async with stage_gate(sqlite_database, impatient, clock, batch, **VirtualTime().options) as gate:
        with pytest.raises(ProviderUnavailable, match="rate_limit_reached"):
            await gate.call(vendors.apollo.status(), leads=(), step="status")
    assert server.state.throttled.total() - asked > 1
    with sqlite_database.read() as connection:
        assert load_breakers(connection) == {}
