"""Cancelled and killed runs: money that is out is accounted for, answers that came are kept (spec 12.4, I-20)."""

import asyncio

import pytest
from gate_world import (
    FETCH_MICROS,
    Vendor,
    attempts,
    gate_over,
    handle,
    ledger,
    money_of,
    new_batch,
    policy_with,
    stage_gate,
    uid,
)

from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.gate import GateOptions, spending_gate
from socialanalyzer_dagster.pipeline.writer import GroupWriter


async def test_a_cancelled_call_in_flight_may_settle_and_the_cancellation_goes_on(database, policy, clock):
    batch, vendor = new_batch(database, policy), Vendor({"data": 1})
    vendor.hold = asyncio.Event()
    async with stage_gate(database, policy, clock, batch) as gate:
        task = asyncio.create_task(gate.call(vendor.call(), leads=[uid(0)], step="fetch"))
        await vendor.arrived.wait()
        task.cancel()
        await asyncio.sleep(0)
        vendor.hold.set()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert money_of(database) == (FETCH_MICROS, 0, 0)
    async with stage_gate(database, policy, clock, batch) as gate:
        assert (await gate.call(vendor.call(), leads=[uid(0)], step="fetch")).value == {"data": 1}
    assert vendor.sent == 1


async def test_a_cancelled_call_that_does_not_settle_in_time_is_unknown(database, policy, clock):
    batch, vendor = new_batch(database, policy), Vendor()
    vendor.hold = asyncio.Event()
    impatient = policy.model_copy(update={"runtime": policy.runtime.model_copy(update={"settle_seconds": 0.01})})
    async with stage_gate(database, impatient, clock, batch) as gate:
        task = asyncio.create_task(gate.call(vendor.call(), leads=[uid(0)], step="fetch"))
        await vendor.arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert money_of(database) == (0, 0, FETCH_MICROS)
    assert attempts(database) == [("unknown", 1, "interrupted")]


async def test_a_call_that_waits_for_a_permit_is_cancelled_at_once_and_holds_nothing(database, policy, clock):
    one_at_a_time = policy_with(
        policy, limits={"buckets": policy.document()["limits"]["buckets"] | {"insightiq": {"concurrent": 1}}}
    )
    batch, busy, waiting = new_batch(database, policy), Vendor(), Vendor()
    busy.hold = asyncio.Event()
    async with stage_gate(database, one_at_a_time, clock, batch) as gate:
        first = asyncio.create_task(gate.call(busy.call("a"), leads=[uid(0)], step="fetch"))
        await busy.arrived.wait()
        second = asyncio.create_task(gate.call(waiting.call("b"), leads=[uid(1)], step="fetch"))
        await asyncio.sleep(0.02)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        busy.hold.set()
        await first
    assert waiting.sent == 0
    assert attempts(database) == [("settled", 1, None)]


async def test_a_killed_run_leaves_its_calls_unknown_and_the_next_run_sends_them_again(database, policy, clock):
    batch, vendor = new_batch(database, policy), Vendor()
    vendor.hold = asyncio.Event()
    writer = GroupWriter(database)
    await writer.__aenter__()
    dead = spending_gate(database, writer, policy, GateOptions(clock=clock, suppression_key=b"k" * 32))
    bound = dead.bind(batch, Stage.SCREENED)
    await bound.identify(uid(0), [handle(0)])
    task = asyncio.create_task(bound.call(vendor.call(), leads=[uid(0)], step="fetch"))
    await vendor.arrived.wait()
    assert money_of(database) == (0, FETCH_MICROS, 0)  # the process is killed here

    vendor_of_next_run = Vendor({"data": 1})
    async with gate_over(database, policy, clock) as gate:
        recovered = await gate.recover(batch.batch_id)
        assert (recovered.lost, recovered.open_jobs) == (1, 0)
        assert money_of(database) == (0, 0, FETCH_MICROS)
        bound = gate.bind(batch, Stage.SCREENED)
        await bound.identify(uid(0), [handle(0)])
        answer = await bound.call(vendor_of_next_run.call(), leads=[uid(0)], step="fetch")
        assert answer.value == {"data": 1}
        assert (await gate.recover(batch.batch_id)).lost == 0
    assert money_of(database) == (FETCH_MICROS, 0, FETCH_MICROS)

    # the late settlement of the run that was believed dead takes the unknown amount back
    vendor.hold.set()
    await task
    await writer.__aexit__(None, None, None)
    assert money_of(database) == (2 * FETCH_MICROS, 0, 0)
    rows = ledger(database)
    assert rows["unknown"] == [(uid(0), FETCH_MICROS, 0)]
    assert rows["resolved"] == [(uid(0), -FETCH_MICROS, 0)]


async def test_recovery_leaves_the_calls_of_the_living_run_alone(sqlite_database, policy, clock):
    batch, vendor = new_batch(sqlite_database, policy), Vendor()
    vendor.hold = asyncio.Event()
    async with gate_over(sqlite_database, policy, clock) as gate:
        bound = gate.bind(batch, Stage.SCREENED)
        await bound.identify(uid(0), [handle(0)])
        task = asyncio.create_task(bound.call(vendor.call(), leads=[uid(0)], step="fetch"))
        await vendor.arrived.wait()
        assert (await gate.recover(batch.batch_id)).lost == 0
        vendor.hold.set()
        await task
    assert money_of(sqlite_database) == (FETCH_MICROS, 0, 0)
