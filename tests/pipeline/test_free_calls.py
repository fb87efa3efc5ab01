"""Free calls of commands and nightly work obey what all processes share, and tell it what they meet (I-46, 13.2)."""

from dataclasses import replace
from typing import Any

import pytest
from gate_world import Vendor, gate_over, new_batch, policy_with, stage_gate, vendor_error

from socialanalyzer_dagster.domain.breaker import BreakerPhase, CallResult, Rules
from socialanalyzer_dagster.domain.calls import ErrorClass, VendorCall
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable
from socialanalyzer_dagster.pipeline.free_calls import Knocks, free_calls
from socialanalyzer_dagster.storage.breakers import change_breaker, load_breakers
from socialanalyzer_dagster.storage.database import Database, shared_seconds
from socialanalyzer_dagster.storage.service_health import figures_since

DOWN = vendor_error(ErrorClass.TRANSIENT, "http_503", status=503, sent=False)


@pytest.fixture
def steady(policy: Policy) -> Policy:
    hubspot = {"failures_in_a_row": 3, "reset_seconds": 180, "wait_in": ["synced"], "on_open": "pause"}
    buckets = policy.document()["limits"]["buckets"]
    paced = {"concurrent": 8, "windows": [{"calls": 90, "seconds": 10}]}
    return policy_with(
        policy, breakers={"services": {"hubspot": hubspot}}, limits={"buckets": buckets | {"hubspot": paced}}
    )


def read(vendor: Vendor) -> VendorCall[Any]:
    return VendorCall(operation="hubspot.read", request={}, max_units={}, send=vendor.send, decode=lambda body: body)


def refuses(database: Database, policy: Policy, *, is_permanent: bool) -> None:
    with database.write() as connection:
        rules = Rules.of(policy.breakers, "hubspot")
        down = [CallResult(trip=0, code="unauthorized", permanent=is_permanent)] * 3
        now = shared_seconds(connection)
        change_breaker(connection, "hubspot", lambda state, at: state.after(down, rules, at), now)


async def test_a_break_that_another_process_was_asked_for_holds_free_calls_back(database, steady, clock):
    vendor = Vendor()
    async with gate_over(database, steady, clock) as gate, free_calls(database, steady, clock) as calls:
        limits = gate.parts.doors.limits
        limits.pause("hubspot", 3600)
        await limits._buckets["hubspot"].meter.report()
        with pytest.raises(ProviderUnavailable, match="rate_limit_reached"):
            await calls.send(read(vendor))
    assert vendor.sent == 0


async def test_a_free_call_is_not_made_while_the_breaker_is_open(database, steady, clock):
    refuses(database, steady, is_permanent=False)
    vendor = Vendor()
    async with free_calls(database, steady, clock) as calls:
        with pytest.raises(ProviderUnavailable, match="unauthorized"):
            await calls.send(read(vendor))
    assert vendor.sent == 0


async def test_failures_of_free_calls_count_for_every_process(database, steady, clock):
    vendor = Vendor(*[DOWN] * 9)
    async with free_calls(database, steady, clock) as calls:
        for _ in range(2):
            with pytest.raises((CallFailed, ProviderUnavailable)):
                await calls.send(read(vendor))
    assert vendor.sent == 3
    with database.read() as connection:
        assert load_breakers(connection)["hubspot"].state.phase is BreakerPhase.OPEN
        assert "hubspot" in figures_since(connection, clock.now().replace(second=0, microsecond=0))


async def test_whoever_sets_up_sees_that_a_vendor_is_well_again_before_its_breaker_is_closed(
    sqlite_database, steady, clock
):
    refuses(sqlite_database, steady, is_permanent=True)
    assert await Knocks(steady).send(read(Vendor("well"))) == "well"


async def test_free_answers_that_nobody_can_read_open_the_breaker(database, steady, clock):
    def unreadable(_body: Any) -> Any:
        raise ValueError("no list of results")

    vendor = Vendor()
    async with free_calls(database, steady, clock) as calls:
        for _ in range(3):
            with pytest.raises(CallFailed, match="undecodable_answer"):
                await calls.send(replace(read(vendor), decode=unreadable))
        with pytest.raises(ProviderUnavailable, match="undecodable_answer"):
            await calls.send(read(vendor))
    assert vendor.sent == 3


async def test_free_answers_of_a_batch_that_nobody_can_read_open_the_breaker(database, steady, clock):
    def unreadable(_body: Any) -> Any:
        raise ValueError("no list of results")

    vendor = Vendor()
    batch = new_batch(database, steady)
    async with stage_gate(database, steady, clock, batch) as gate:
        for _ in range(3):
            with pytest.raises(CallFailed, match="undecodable_answer"):
                await gate.call(replace(read(vendor), decode=unreadable), leads=[], step="s")
    with database.read() as connection:
        assert load_breakers(connection)["hubspot"].state.phase is BreakerPhase.OPEN
