"""What must hold when several processes work at the same time: invariants I-43 to I-46 and I-49 (spec 21.4)."""

import asyncio
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from batch_world import World, book_policy
from gate_world import (
    FETCH_MICROS,
    Vendor,
    VirtualTime,
    gate_over,
    handle,
    money_of,
    new_batch,
    policy_with,
    stop_batch,
    uid,
    vendor_error,
)
from shared_limits import rules, shared, side_by_side
from sqlalchemy import func, insert, select

from socialanalyzer_dagster.domain.breaker import BreakerPhase, BreakerState, CallResult, Rules
from socialanalyzer_dagster.domain.calls import ErrorClass
from socialanalyzer_dagster.domain.refusals import BatchStopped, ProviderUnavailable
from socialanalyzer_dagster.domain.slot_leases import SlotAsk
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.batch_drafts import BatchRefused
from socialanalyzer_dagster.pipeline.batch_requests import BatchRequest
from socialanalyzer_dagster.pipeline.batches import create_batch
from socialanalyzer_dagster.pipeline.limit_rates import LimitTooFar
from socialanalyzer_dagster.pipeline.limit_source import SharedSource
from socialanalyzer_dagster.pipeline.writer import GroupWriter
from socialanalyzer_dagster.storage.breakers import (
    BreakerChanged,
    ChangeBreaker,
    StoredBreaker,
    change_breaker,
    load_breakers,
    store_breaker,
)
from socialanalyzer_dagster.storage.budget_scopes import ScopeRoom, hold
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.models_control import BudgetScopeRow
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow, LeadRow
from tests.pipeline.batch_world import PLATFORM

pytestmark = pytest.mark.usefixtures("every_core")

RULES = Rules(window=10, failure_share=0.5, failures_in_a_row=3, reset_seconds=300, probe_seconds=120)
BAD = CallResult(trip=0, code="http_500")


async def test_i_43_two_concurrent_batches_never_insert_a_lead_twice_nor_work_on_it_at_once(
    database: Database, policy: Any, clock: Any, tmp_path: Any
):
    world = World(database, book_policy(policy), clock, tmp_path)
    keys = [world.create().key for _ in range(2)]
    await asyncio.gather(*(world.run(key, Stage.DISCOVERED, Stage.SCREENED) for key in keys))
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(LeadRow)).scalar_one() == len(world.vendor.names)
    paid = {name: count for name, count in world.vendor.asked.items() if name.startswith("screened:")}
    assert paid == {f"screened:{name}": 1 for name in world.vendor.names}
    assert world.codes(Stage.DISCOVERED) == {"passed": 6, "claimed_by_other_batch": 6}


def opened(database: Database) -> None:
    """The breaker of a vendor after three failures in a row at the beginning of time."""
    with database.write() as connection:
        change_breaker(connection, "insightiq", lambda state, now: state.after([BAD] * 3, RULES, now), 0.0)


def test_i_44_a_breaker_changes_by_compare_and_set(database: Database):
    opened(database)
    with database.read() as connection:
        seen = load_breakers(connection)["insightiq"]
    with database.write() as connection:
        store_breaker(connection, "insightiq", seen, seen.state.reset(), 10.0)
    for late in (seen, StoredBreaker(0, BreakerState())):
        with pytest.raises(BreakerChanged), database.write() as connection:
            store_breaker(connection, "insightiq", late, seen.state, 11.0)
    with database.read() as connection:
        assert load_breakers(connection)["insightiq"].state.phase is BreakerPhase.CLOSED


def test_i_44_a_spending_scope_takes_no_more_than_its_cap_from_whoever_comes_late(database: Database):
    amounts = {"cap_micros": 100, "settled_micros": 30, "held_micros": 50, "unknown_micros": 0}
    with database.write() as connection:
        connection.execute(insert(BudgetScopeRow).values(scope="day:2026-11-20", **amounts))
    read_too_early = ScopeRoom(cap_micros=100, used_micros=0, warned=False, taken_micros=40)
    with pytest.raises(RuntimeError), database.write() as connection:
        hold(connection, {"day:2026-11-20": read_too_early})
    with database.read() as connection:
        assert connection.execute(select(BudgetScopeRow.held_micros)).scalar_one() == 50


def test_i_45_the_same_idempotency_key_is_the_same_batch_however_many_ask_at_once(
    database: Database, policy: Any, clock: Any, tmp_path: Any
):
    world = World(database, book_policy(policy), clock, tmp_path)
    request = BatchRequest(platform=PLATFORM, filters={"keyword": "books"}, fields={"idempotency_key": "once"})
    workplace = world.workplace
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _number: create_batch(workplace, request), range(4)))
    assert len({each.batch_id for each in made}) == 1
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(LeadBatchRow)).scalar_one() == 1


def test_i_45_a_search_that_runs_already_is_refused_unless_forced_with_a_reason(world: World):
    first = world.create(filters={"keyword": "same"})
    with pytest.raises(BatchRefused, match=first.key):
        world.create(filters={"keyword": "same"})
    assert world.create(filters={"keyword": "same"}, force_reason="a second look").key != first.key


def test_i_46_four_processes_together_never_exceed_what_the_receiver_allows(database: Database):
    policy, arrivals = rules(6, (8, 0.25), (30, 60)), list[float]()
    open_calls, most_open = Counter[str](), Counter[str]()

    async def work(own: Database, _number: int) -> None:
        async with shared(own, policy) as found:

            async def call() -> None:
                async with await found.acquire("b", longest_wait_seconds=5) as permit:
                    permit.sent()
                    arrivals.append(time.monotonic())
                    open_calls["now"] += 1
                    most_open["now"] = max(most_open["now"], open_calls["now"])
                    await asyncio.sleep(0.02)
                    open_calls["now"] -= 1

            refused = await asyncio.gather(*(call() for _ in range(12)), return_exceptions=True)
            assert {type(each) for each in refused if each is not None} <= {LimitTooFar}

    side_by_side(database, 4, work)
    times = sorted(arrivals)
    assert len(times) == 30, "the long window is full, and no call of it was lost"
    assert most_open["now"] <= 6
    assert max(sum(start <= each < start + 0.25 for each in times) for start in times) <= 10, "the vendor allows ten"


async def test_i_46_a_killed_process_loses_its_places_to_the_others(database: Database):
    clock, policy = VirtualTime(), rules(2)
    async with GroupWriter(database) as writer:
        source = SharedSource(writer, lambda _connection: clock.seconds)
        assert (await source.slots("b", 2, 10, SlotAsk(holder="killed", wanted=2))).held == 2
    async with shared(database, policy, clock) as found:
        waiting = asyncio.create_task(found.acquire("b", longest_wait_seconds=60))
        await asyncio.wait({waiting}, timeout=0.15)
        assert not waiting.done()
        clock.seconds += 11
        async with await waiting:
            pass


def test_i_46_half_open_admits_one_call_over_all_processes(database: Database):
    opened(database)
    url = database.url.render_as_string(hide_password=False)

    def claim(number: int) -> bool:
        own = Database(url)
        write = ChangeBreaker(service="insightiq", probe=f"p{number}", rules=RULES, time=lambda _connection: 400.0)
        try:
            with own.write() as connection:
                return ChangeBreaker.apply(connection, [write])[0].is_probed_by(write.probe)
        finally:
            own.dispose()

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(claim, range(6))) == 1


async def test_i_46_failures_are_counted_over_all_processes(database: Database, policy: Any, clock: Any):
    rule = {"failures_in_a_row": 3, "reset_seconds": 300, "wait_in": [], "on_open": "skip"}
    strict = policy_with(
        policy, breakers={"services": {"insightiq": rule}}, retries={"attempts": 1, "longest_wait_seconds": 60}
    )
    batch, down = new_batch(database, strict), vendor_error(ErrorClass.TRANSIENT, "http_503", status=503, sent=False)
    for failures in (2, 1):
        async with gate_over(database, strict, clock) as gate:
            stage = gate.bind(batch, Stage.SCREENED)
            await stage.identify(uid(0), [handle(0)])
            vendor = Vendor(*[down] * failures)
            for number in range(failures):
                with pytest.raises(Exception, match="http_503"):
                    await stage.call(vendor.call(f"{failures}-{number}"), leads=[uid(0)], step="fetch")
    healthy = Vendor()
    async with gate_over(database, strict, clock) as gate:
        stage = gate.bind(batch, Stage.SCREENED)
        await stage.identify(uid(0), [handle(0)])
        with pytest.raises(ProviderUnavailable):
            await stage.call(healthy.call(), leads=[uid(0)], step="fetch")
    assert healthy.sent == 0


async def test_i_49_a_stop_reaches_every_process_before_its_next_paid_call(database: Database, policy: Any, clock: Any):
    batch, vendors = new_batch(database, policy), [Vendor() for _ in range(3)]
    url, still = database.url.render_as_string(hide_password=False), VirtualTime().options

    async def process(vendor: Vendor, ready: asyncio.Barrier) -> None:
        own = Database(url)
        async with gate_over(own, policy, clock, **still) as gate:  # what each knows of the batch stays fresh for ever
            stage = gate.bind(batch, Stage.SCREENED)
            await stage.identify(uid(0), [handle(0)])
            await stage.call(vendor.call(uuid.uuid4().hex), leads=[uid(0)], step="fetch")
            await ready.wait()
            await ready.wait()
            with pytest.raises(BatchStopped):
                await stage.call(vendor.call(uuid.uuid4().hex), leads=[uid(0)], step="fetch")
        own.dispose()

    async def person(ready: asyncio.Barrier) -> None:
        await ready.wait()
        await asyncio.to_thread(stop_batch, database, batch)
        await ready.wait()

    ready = asyncio.Barrier(len(vendors) + 1)
    await asyncio.gather(person(ready), *(process(vendor, ready) for vendor in vendors))
    assert [vendor.sent for vendor in vendors] == [1, 1, 1]
    assert money_of(database) == (3 * FETCH_MICROS, 0, 0)
