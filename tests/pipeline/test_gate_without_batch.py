"""Calls of no batch: the shared caps bound them, the ledger has them, no crash loses them (spec 12.4, 12.5)."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from batch_world import World, book_policy
from gate_world import (
    FETCH_MICROS,
    KEY,
    PLATFORM,
    Vendor,
    attempts,
    gate_over,
    handle,
    ledger,
    money_of,
    new_batch,
    policy_with,
    scopes,
    store_policy,
    uid,
    vendor_error,
)
from sqlalchemy import select

from socialanalyzer_dagster.domain.calls import ErrorClass
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.refusals import BudgetExceeded
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.gate import GateOptions, spending_gate
from socialanalyzer_dagster.pipeline.ledger_view import ledger_view
from socialanalyzer_dagster.pipeline.writer import GroupWriter
from socialanalyzer_dagster.storage.cost_views import billed_micros
from socialanalyzer_dagster.storage.models_control import LedgerEntryRow


async def ask(database, policy, clock, vendor, name="a"):
    """One call of no batch in a run of its own."""
    async with gate_over(database, policy, clock) as gate:
        await gate.recover_stray()
        return await gate.without_batch(PLATFORM).call(vendor.call(name), leads=(), step="ideas")


@asynccontextmanager
async def call_in_flight(database, policy, clock):
    """A process whose call is out; the block decides what happens, at its end the answer arrives."""
    vendor = Vendor({"late": 1})
    vendor.hold = asyncio.Event()
    async with GroupWriter(database) as writer:
        gate = spending_gate(database, writer, policy, GateOptions(clock=clock, suppression_key=KEY))
        task = asyncio.create_task(gate.without_batch(PLATFORM).call(vendor.call(), leads=(), step="ideas"))
        await vendor.arrived.wait()
        yield
        vendor.hold.set()
        await task


def billed(database):
    with database.read() as connection:
        return billed_micros(connection)


def view(database):
    with database.read() as connection:
        return ledger_view(connection, None)


async def test_a_call_of_no_batch_is_paid_from_the_shared_caps_alone(database, policy, clock):
    policy = policy_with(policy, budgets={"provider_month_usd": {"insightiq": "5"}})
    store_policy(database, policy)
    answer = await ask(database, policy, clock, Vendor())
    assert (answer.cost_micros, answer.reused) == (FETCH_MICROS, False)
    assert set(scopes(database)) == {"platform-day", "day", "month", "provider-month"}
    assert money_of(database) == (FETCH_MICROS, 0, 0)


async def test_its_ledger_row_names_everything_but_a_batch_a_stage_and_a_lead(database, policy, clock):
    store_policy(database, policy)
    await ask(database, policy, clock, Vendor())
    row = LedgerEntryRow
    with database.read() as connection:
        found = connection.execute(
            select(
                row.batch_id,
                row.stage,
                row.lead_uid,
                row.platform,
                row.step,
                row.kind,
                row.amount_micros,
                row.policy_version,
            )
        ).all()
    assert found == [(None, None, None, PLATFORM, "ideas", "settled", FETCH_MICROS, policy.policy_version)]


async def test_all_bills_sum_to_the_ledger_with_and_without_batches(database, policy, clock):
    batch, vendor = new_batch(database, policy), Vendor()
    async with gate_over(database, policy, clock) as gate:
        stage = gate.bind(batch, Stage.SCREENED)
        await stage.identify(uid(0), [handle(0)])
        await stage.call(vendor.call("of a lead"), leads=[uid(0)], step="fetch")
    await ask(database, policy, clock, vendor)
    assert billed(database) == vendor.sent * FETCH_MICROS == 2 * FETCH_MICROS
    shown = view(database)
    assert (shown["total_micros"], shown["by_vendor"], shown["by_stage"]) == (
        FETCH_MICROS,
        {"insightiq": FETCH_MICROS},
        {},
    )
    assert scopes(database)["day"] == (2 * FETCH_MICROS, 0, 0)
    assert scopes(database)["batch"] == (FETCH_MICROS, 0, 0)


@pytest.mark.parametrize("cap", ["platform_day_usd", "day_usd", "month_usd"])
async def test_a_full_shared_cap_refuses_it_and_names_its_key(database, policy, clock, cap):
    tight = policy_with(policy, budgets={cap: "0.07"})
    store_policy(database, tight)
    vendor = Vendor()
    await ask(database, tight, clock, vendor, "first")
    with pytest.raises(BudgetExceeded) as refused:
        await ask(database, tight, clock, vendor, "second")
    assert refused.value.policy_key == f"budgets.{cap}"
    assert vendor.sent == 1
    assert money_of(database) == (FETCH_MICROS, 0, 0)


async def test_processes_at_once_stay_under_the_cap_together(database, policy, clock):
    tight = policy_with(policy, budgets={"day_usd": "0.13"})
    store_policy(database, tight)
    vendors = [Vendor() for _ in range(5)]
    asked = (ask(database, tight, clock, vendor, f"question {n}") for n, vendor in enumerate(vendors))
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(each, BudgetExceeded) for each in results) == 2
    assert money_of(database) == (3 * FETCH_MICROS, 0, 0)


async def test_two_processes_that_ask_the_same_at_once_both_get_an_answer_and_both_pay(database, policy, clock):
    store_policy(database, policy)
    async with call_in_flight(database, policy, clock):
        other = await ask(database, policy, clock, Vendor())
    assert other.cost_micros == FETCH_MICROS
    assert billed(database) == 2 * FETCH_MICROS


async def test_the_same_question_costs_nothing_within_the_reuse_window(database, policy, clock):
    store_policy(database, policy)
    vendor = Vendor()
    first = await ask(database, policy, clock, vendor)
    for _ in range(2):
        again = await ask(database, policy, clock, vendor)
        assert (again.value, again.cost_micros, again.reused) == (first.value, 0, True)
    assert ledger(database)["reuse"] == [(None, 0, FETCH_MICROS)], "asking again and again is one saving"
    clock.advance(days=policy.cache.reuse_days["insightiq.contents_fetch"], seconds=1)
    assert not (await ask(database, policy, clock, vendor)).reused
    assert billed(database) == vendor.sent * FETCH_MICROS == 2 * FETCH_MICROS


async def test_a_batch_and_a_call_of_none_use_each_others_answers(database, policy, clock):
    batch, vendor = new_batch(database, policy), Vendor()
    await ask(database, policy, clock, vendor)
    async with gate_over(database, policy, clock) as gate:
        stage = gate.bind(batch, Stage.SCREENED)
        await stage.identify(uid(0), [handle(0)])
        assert (await stage.call(vendor.call(), leads=[uid(0)], step="fetch")).reused
    assert vendor.sent == 1


async def test_a_lost_answer_stays_held_and_a_person_may_ask_again(database, policy, clock):
    policy = policy_with(policy, retries={"reissue_lost": 0})
    store_policy(database, policy)
    lost = Vendor(vendor_error(ErrorClass.UNKNOWN, "timeout"))
    with pytest.raises(CallFailed) as failed:
        await ask(database, policy, clock, lost)
    assert failed.value.outcome_unknown
    assert money_of(database) == (0, 0, FETCH_MICROS)
    assert view(database)["unknown_micros"] == FETCH_MICROS
    assert ledger(database)["unknown"] == [(None, FETCH_MICROS, 0)]
    assert (await ask(database, policy, clock, Vendor())).cost_micros == FETCH_MICROS
    assert money_of(database) == (FETCH_MICROS, 0, FETCH_MICROS)


async def test_a_call_in_flight_is_left_alone_while_its_process_may_live(database, policy, clock):
    store_policy(database, policy)
    async with call_in_flight(database, policy, clock):
        clock.advance(minutes=policy.runtime.stale_heartbeat_minutes)
        async with gate_over(database, policy, clock) as gate:
            assert await gate.recover_stray() == 0
        assert money_of(database) == (0, FETCH_MICROS, 0)
    assert attempts(database) == [("settled", 1, None)]


async def test_a_dead_process_call_becomes_unknown_and_a_late_answer_still_settles(database, policy, clock):
    store_policy(database, policy)
    async with call_in_flight(database, policy, clock):
        clock.advance(minutes=policy.runtime.stale_heartbeat_minutes, seconds=1)
        async with gate_over(database, policy, clock) as gate:
            assert [await gate.recover_stray() for _ in range(2)] == [1, 0]
        assert money_of(database) == (0, 0, FETCH_MICROS)
    assert money_of(database) == (FETCH_MICROS, 0, 0)
    assert ledger(database) == {
        "unknown": [(None, FETCH_MICROS, 0)],
        "resolved": [(None, -FETCH_MICROS, 0)],
        "settled": [(None, FETCH_MICROS, 0)],
    }


async def test_a_run_of_any_batch_accounts_for_stray_calls_too(sqlite_database, policy, clock, tmp_path):
    world = World(sqlite_database, book_policy(policy), clock, tmp_path)
    async with call_in_flight(sqlite_database, world.policy, clock):
        clock.advance(hours=1)
        async with world.opened(world.create().key):
            assert view(sqlite_database)["unknown_micros"] == FETCH_MICROS


async def test_recovery_of_stray_calls_leaves_those_of_batches_to_their_lock_holder(database, policy, clock):
    batch, vendor = new_batch(database, policy), Vendor()
    vendor.hold = asyncio.Event()
    async with gate_over(database, policy, clock) as gate:
        stage = gate.bind(batch, Stage.SCREENED)
        await stage.identify(uid(0), [handle(0)])
        task = asyncio.create_task(stage.call(vendor.call(), leads=[uid(0)], step="fetch"))
        await vendor.arrived.wait()
        clock.advance(hours=1)
        async with gate_over(database, policy, clock) as other:
            assert await other.recover_stray() == 0
        vendor.hold.set()
        await task
    assert money_of(database) == (FETCH_MICROS, 0, 0)
