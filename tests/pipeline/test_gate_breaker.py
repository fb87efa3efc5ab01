"""The circuit breaker: what opens and closes it, over all processes, and what the gate makes of it (spec 13.2)."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from gate_world import (
    FETCH_MICROS,
    Vendor,
    VirtualTime,
    attempts,
    money_of,
    new_batch,
    policy_with,
    stage_gate,
    stop_batch,
    uid,
    vendor_error,
)
from sqlalchemy import event

from socialanalyzer_dagster.domain.breaker import BreakerPhase, BreakerState, CallResult, Rules
from socialanalyzer_dagster.domain.calls import ErrorClass
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.refusals import BatchStopped, BudgetExceeded, ProviderUnavailable
from socialanalyzer_dagster.pipeline import beats
from socialanalyzer_dagster.storage.breakers import (
    ChangeBreaker,
    change_breaker,
    load_breakers,
    resume_breakers,
)
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.limiters import AskRate, AskSlots, FreeSlots
from socialanalyzer_dagster.storage.service_health import AddFigures, figures_since

RULES = Rules(window=10, failure_share=0.5, failures_in_a_row=3, reset_seconds=300, probe_seconds=120)
BAD, GOOD = CallResult(trip=0, code="http_500"), CallResult(trip=0)
DOWN = vendor_error(ErrorClass.TRANSIENT, "http_503", status=503, sent=False)
CLOSED, OPEN, HALF_OPEN = BreakerPhase


def state_of(*results: CallResult, at: float = 0.0, state: BreakerState | None = None) -> BreakerState:
    return (state or BreakerState()).after(results, RULES, at)


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not():
    assert state_of(BAD, BAD, BAD).phase is OPEN
    assert state_of(BAD, BAD, GOOD, BAD, BAD).phase is CLOSED


def test_more_than_half_of_the_last_ten_open_it():
    even = [BAD, GOOD] * 5
    assert state_of(*even).phase is CLOSED
    assert state_of(*even[:-1], BAD, BAD).phase is OPEN
    assert state_of(BAD, BAD, GOOD, BAD).phase is CLOSED, "three of four, but ten calls are looked at"


def test_a_refusal_of_the_service_opens_it_at_once_until_a_person_acts():
    refused = state_of(replace(BAD, permanent=True), at=5.0)
    assert (refused.phase, refused.needs_person, refused.retry_at) == (OPEN, True, None)
    assert not refused.allows_calls(10**9)
    assert refused.resumed(7.0).allows_probe(7.0)
    assert refused.reset().phase is CLOSED


def test_throttling_counts_neither_way():
    assert state_of(*[replace(BAD, tells_nothing=True)] * 9) == BreakerState()


def test_what_was_let_through_before_the_trip_changes_nothing():
    opened = state_of(BAD, BAD, BAD, at=0.0)
    assert state_of(GOOD, BAD, state=opened, at=1.0) == opened
    probing = opened.with_probe("p", until=420.0)
    assert state_of(GOOD, state=probing, at=301.0) == probing
    closed = state_of(CallResult(trip=1, probe="p"), state=probing, at=302.0)
    assert (closed.phase, closed.trip) == (CLOSED, 1)
    assert state_of(BAD, BAD, BAD, state=closed, at=303.0) == closed


def test_one_probe_decides_and_a_failed_one_waits_again():
    opened = state_of(BAD, BAD, BAD, at=0.0)
    assert [opened.allows_probe(moment) for moment in (299.0, 300.0)] == [False, True]
    probing = opened.with_probe("p", until=420.0)
    assert [probing.allows_probe(moment) for moment in (301.0, 420.0)] == [False, True], "a lost probe is made again"
    failed = state_of(CallResult(trip=1, probe="p", code="timeout"), state=probing, at=310.0)
    assert (failed.phase, failed.retry_at, failed.down_since) == (OPEN, 610.0, 0.0)
    dropped = state_of(CallResult(trip=1, probe="p", tells_nothing=True), state=probing, at=310.0)
    assert dropped.allows_probe(310.0)
    assert BreakerState.from_json(failed.as_json()) == failed


# --- in the database -------------------------------------------------------------------------------------------------


def opened(database: Database, vendor: str = "insightiq", *, at: float = 0.0, **facts: Any) -> None:
    with database.write() as connection:
        change_breaker(connection, vendor, lambda state, now: replace(state_of(BAD, BAD, BAD, at=now), **facts), at)


def stored(database: Database, vendor: str = "insightiq") -> BreakerState:
    with database.read() as connection:
        return load_breakers(connection)[vendor].state


def test_writes_about_several_vendors_lock_their_rows_in_one_order_and_answer_in_the_order_of_asking(database):
    opened(database, "openai")
    opened(database, "apollo")
    locked: list[str] = []

    def note(_connection, _cursor, statement, parameters, *_rest) -> None:
        if statement.startswith("UPDATE breaker_states"):
            locked.extend(each for each in ("openai", "apollo") if each in str(parameters))

    asked = [
        ChangeBreaker(service="openai", probe="mine", rules=RULES, time=lambda _connection: 999.0),
        ChangeBreaker(service="hubspot", results=(BAD,) * 3, rules=RULES, time=lambda _connection: 999.0),
        ChangeBreaker(service="apollo", probe="mine", rules=RULES, time=lambda _connection: 999.0),
    ]
    event.listen(database.engine, "before_cursor_execute", note)
    with database.write() as connection:
        states = ChangeBreaker.apply(connection, asked)
    event.remove(database.engine, "before_cursor_execute", note)
    assert [state.is_probed_by("mine") for state in states] == [True, False, True]
    assert [state.trip for state in states] == [1, 1, 1]
    assert locked == ["apollo", "openai"]


def test_rows_that_everybody_changes_are_locked_by_one_kind_of_write_after_the_other():
    kinds = [AskRate, FreeSlots, AskSlots, ChangeBreaker, AddFigures]
    assert [kind.turn for kind in kinds] == sorted({kind.turn for kind in kinds})


# --- through the gate ------------------------------------------------------------------------------------------------


def slow(policy: Any, **rule: Any) -> Any:
    """Breakers as shipped for production."""
    rules = {"failures_in_a_row": 3, "reset_seconds": 300, "wait_in": ["screened"], "on_open": "skip"}
    return policy_with(policy, breakers={"services": {"insightiq": rules | rule}})


async def test_calls_wait_for_a_vendor_that_is_away_and_none_fails(database, policy, clock):
    time, patient = VirtualTime(), slow(policy)
    batch, vendor = new_batch(database, patient), Vendor(*[DOWN] * 3)
    async with stage_gate(database, patient, clock, batch, **time.options) as gate:
        answers = await asyncio.gather(*(gate.call(vendor.call(name), leads=[uid(0)], step="s") for name in "abcd"))
    assert len(answers) == 4
    assert time.seconds - 1000 >= 300
    assert stored(database).phase is CLOSED
    assert [state for state, _, _ in attempts(database)].count("settled") == 4


async def test_after_twice_the_reset_time_nobody_waits_any_more_and_nothing_is_held(
    sqlite_database, policy, clock, monkeypatch
):
    monkeypatch.setattr(beats, "_GATHER_SECONDS", 0.0)  # real ones, in which many virtual seconds pass
    time, patient = VirtualTime(), slow(policy)
    batch, vendor = new_batch(sqlite_database, patient), Vendor(*[DOWN] * 99)
    async with stage_gate(sqlite_database, patient, clock, batch, **time.options) as gate:
        with pytest.raises(ProviderUnavailable) as away:
            await gate.call(vendor.call("a"), leads=[uid(0)], step="s")
        assert away.value.retry_at is not None
        waited = time.seconds - 1000
        with pytest.raises(ProviderUnavailable):
            await gate.call(vendor.call("b"), leads=[uid(0)], step="s")
    assert 600 <= waited < 700
    assert time.seconds - 1000 < waited + 5, "the second one does not wait anew"
    assert vendor.sent <= 3 + 2, "three failures, then one probe per reset time"
    assert money_of(sqlite_database) == (0, 0, 0)


async def test_where_the_policy_waits_not_a_call_is_refused_at_once(sqlite_database, policy, clock):
    hasty = slow(policy, wait_in=[])
    opened(sqlite_database, at=1000.0)
    batch, vendor, time = new_batch(sqlite_database, hasty), Vendor(), VirtualTime()
    async with stage_gate(sqlite_database, hasty, clock, batch, **time.options) as gate:
        with pytest.raises(ProviderUnavailable, match="http_500"):
            await gate.call(vendor.call(), leads=[uid(0)], step="s")
    assert (vendor.sent, time.seconds) == (0, 1000.0)


async def test_a_stop_ends_the_wait_for_a_vendor(sqlite_database, policy, clock):
    patient, time = slow(policy), VirtualTime()
    opened(sqlite_database, at=1000.0, retry_at=1300.0)
    batch, vendor = new_batch(sqlite_database, patient), Vendor()

    async def sleep(seconds: float) -> None:
        stop_batch(sqlite_database, batch)
        await time.sleep(seconds + 1)

    options = time.options | {"sleep": sleep}
    async with stage_gate(sqlite_database, patient, clock, batch, **options) as gate:
        with pytest.raises(BatchStopped):
            await gate.call(vendor.call(), leads=[uid(0)], step="s")
    assert vendor.sent == 0


async def test_a_probe_that_is_not_sent_is_left_to_the_next_call(sqlite_database, policy, clock):
    patient, time = slow(policy), VirtualTime()
    opened(sqlite_database, at=100.0)
    batch, vendor = new_batch(sqlite_database, patient, cap_micros=1), Vendor()
    async with stage_gate(sqlite_database, patient, clock, batch, **time.options) as gate:
        with pytest.raises(BudgetExceeded):
            await gate.call(vendor.call(), leads=[uid(0)], step="s")
    assert stored(sqlite_database).allows_probe(time.seconds)


def one_at_a_time(policy: Any, **rule: Any) -> Any:
    buckets = slow(policy).document()["limits"]["buckets"] | {"insightiq": {"concurrent": 1, "windows": []}}
    return policy_with(slow(policy, **rule), limits={"buckets": buckets})


async def test_calls_in_the_queue_for_a_place_are_not_sent_when_the_breaker_opens(database, policy, clock):
    hasty = one_at_a_time(policy, failures_in_a_row=1, wait_in=[])
    batch, vendor, time = new_batch(database, hasty), Vendor(DOWN), VirtualTime()
    vendor.hold = asyncio.Event()
    async with stage_gate(database, hasty, clock, batch, **time.options) as gate:
        calls = [asyncio.create_task(gate.call(vendor.call(name), leads=[uid(0)], step="s")) for name in "abc"]
        await vendor.arrived.wait()
        await asyncio.sleep(0.2)
        vendor.hold.set()
        ends = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(end) for end in ends] == [ProviderUnavailable] * 3
    assert vendor.sent == 1


async def test_a_probe_that_waited_too_long_for_a_place_is_not_made(database, policy, clock):
    hasty, time = one_at_a_time(policy, wait_in=[]), VirtualTime()
    opened(database, at=100.0)
    batch, vendor = new_batch(database, hasty), Vendor()
    async with stage_gate(database, hasty, clock, batch, **time.options) as gate:
        place = await gate._parts.doors.limits.acquire("insightiq", longest_wait_seconds=60)
        call = asyncio.create_task(gate.call(vendor.call(), leads=[uid(0)], step="s"))
        await asyncio.sleep(0.2)
        assert stored(database).phase is HALF_OPEN
        time.seconds += RULES.probe_seconds + 1
        with database.write() as connection:  # another process makes the lost probe again
            until = time.seconds + RULES.probe_seconds
            change_breaker(connection, "insightiq", lambda state, _now: state.with_probe("other", until=until), 0.0)
        async with place:
            pass
        with pytest.raises(ProviderUnavailable):
            await call
    assert vendor.sent == 0
    assert stored(database).is_probed_by("other")


async def test_a_stop_while_a_free_call_waits_for_the_rate_keeps_it_from_going_out(sqlite_database, policy, clock):
    time, batch, vendor = VirtualTime(), new_batch(sqlite_database, policy), Vendor()

    async def sleep(seconds: float) -> None:
        stop_batch(sqlite_database, batch)
        await time.sleep(seconds)

    call = replace(vendor.call(), operation="insightiq.status", max_units={})
    async with stage_gate(sqlite_database, policy, clock, batch, **time.options | {"sleep": sleep}) as gate:
        gate._parts.doors.limits.pause("insightiq", 10)
        with pytest.raises(BatchStopped):
            await gate.call(call, leads=[uid(0)], step="s")
    assert vendor.sent == 0


async def test_a_vendor_that_refuses_its_service_is_refused_to_every_process(database, policy, clock):
    batch = new_batch(database, policy)
    refusing = Vendor(vendor_error(ErrorClass.PERMANENT_SERVICE, "no_credit", status=402))
    async with stage_gate(database, policy, clock, batch) as gate:
        with pytest.raises(ProviderUnavailable):
            await gate.call(refusing.call(), leads=[uid(0)], step="s")
    healthy = Vendor()
    async with stage_gate(database, policy, clock, batch) as gate:
        with pytest.raises(ProviderUnavailable, match="no_credit") as away:
            await gate.call(healthy.call(), leads=[uid(0)], step="s")
    assert (healthy.sent, away.value.retry_at) == (0, None)
    with database.write() as connection:
        resume_breakers(connection)
    async with stage_gate(database, policy, clock, batch) as gate:
        await gate.call(healthy.call(), leads=[uid(0)], step="s")
    assert stored(database).phase is CLOSED


async def test_a_rate_that_allows_a_call_too_late_makes_the_lead_wait_outside_the_run(sqlite_database, policy, clock):
    buckets = policy.document()["limits"]["buckets"]
    daily = {"concurrent": 3, "windows": [{"calls": 1, "seconds": 86400}]}
    tight = policy_with(policy, limits={"buckets": buckets | {"insightiq": daily}})
    batch, vendor = new_batch(sqlite_database, tight), Vendor()
    async with stage_gate(sqlite_database, tight, clock, batch) as gate:
        await gate.call(vendor.call("a"), leads=[uid(0)], step="s")
        with pytest.raises(ProviderUnavailable, match="rate_limit_reached") as away:
            await gate.call(vendor.call("b"), leads=[uid(0)], step="s")
    assert away.value.retry_at is not None
    assert (away.value.retry_at - clock.now()).total_seconds() == pytest.approx(86_400, rel=1 / 50)


async def test_answers_that_nobody_can_read_open_the_breaker_and_show_in_the_figures_though_they_are_paid(
    database, policy, clock
):
    patient = slow(policy, wait_in=[])
    batch, vendor = new_batch(database, patient), Vendor("odd", "odd", "odd")

    def refuse(_body: Any) -> Any:
        raise ValueError("another shape than the contract's")

    async with stage_gate(database, patient, clock, batch) as gate:
        for name in "abc":
            with pytest.raises(CallFailed, match="undecodable_answer"):
                await gate.call(vendor.call(name, decode=refuse), leads=[uid(0)], step="s")
        with pytest.raises(ProviderUnavailable):
            await gate.call(vendor.call("d"), leads=[uid(0)], step="s")
    assert (stored(database).phase, vendor.sent) == (OPEN, 3)
    assert money_of(database) == (3 * FETCH_MICROS, 0, 0)
    with database.read() as connection:
        figures = figures_since(connection, clock.now() - timedelta(minutes=1))["insightiq"]
    assert figures.success_rate == 0


async def test_failures_of_public_hosts_close_no_service(sqlite_database, policy, clock):
    batch = new_batch(sqlite_database, policy)
    vendor = Vendor(*[vendor_error(ErrorClass.TRANSIENT, "timeout")] * 12)
    call = replace(vendor.call(), operation="page.fetch", max_units={})
    async with stage_gate(sqlite_database, policy, clock, batch, **VirtualTime().options) as gate:
        for _ in range(4):
            with pytest.raises(CallFailed):
                await gate.call(call, leads=[uid(0)], step="s")
    assert vendor.sent == 12
    with sqlite_database.read() as connection:
        assert load_breakers(connection) == {}
