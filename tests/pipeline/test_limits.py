"""Rates and concurrency, within one process and over several (spec 13.2, I-46)."""

import asyncio
import itertools
from collections import Counter

import pytest
from gate_world import VirtualTime
from shared_limits import REST, rules, shared
from sqlalchemy import select

from socialanalyzer_dagster.domain.call_windows import RateAsk, RateGrant, RateLimit, RateState
from socialanalyzer_dagster.domain.calls import Quota
from socialanalyzer_dagster.domain.policy_money import LimitsPolicy, Window
from socialanalyzer_dagster.domain.slot_leases import SlotAsk, SlotState
from socialanalyzer_dagster.pipeline.limit_rates import LimitTooFar
from socialanalyzer_dagster.pipeline.limit_source import OwnSource, SharedSource
from socialanalyzer_dagster.pipeline.limits import Limits
from socialanalyzer_dagster.pipeline.writer import GroupWriter
from socialanalyzer_dagster.storage.database import Database, shared_seconds
from socialanalyzer_dagster.storage.models_health import LimiterRow

pytestmark = pytest.mark.usefixtures("every_core")


def limits(time: VirtualTime, concurrent: int, *windows: tuple[int, float]) -> Limits:
    return Limits(rules(concurrent, *windows), sleep=time.sleep, monotonic=time.monotonic)


async def grant_times(time: VirtualTime, found: Limits, count: int) -> list[float]:
    began, at = time.seconds, []
    for _ in range(count):
        async with await found.acquire("b", longest_wait_seconds=60):
            at.append(round(time.seconds - began, 6))
    return at


async def test_no_window_ever_holds_more_calls_than_allowed():
    time = VirtualTime()
    assert await grant_times(time, limits(time, 9, (3, 1.0)), 7) == [0, 0, 0, 1, 1, 1, 2]


async def test_every_window_of_a_bucket_holds():
    time = VirtualTime()
    times = await grant_times(time, limits(time, 9, (1, 0.3), (3, 10)), 5)
    assert all(later - earlier >= 0.3 for earlier, later in itertools.pairwise(times))
    assert times[3] - times[0] >= 10
    assert times == pytest.approx([0, 0.3, 0.6, 10.0, 10.3], abs=10 / 64), "no later than a 64th of the window"


async def test_without_windows_only_the_concurrency_counts():
    time = VirtualTime()
    found = limits(time, 2)
    first, second = [await found.acquire("b", longest_wait_seconds=60) for _ in range(2)]
    third = asyncio.create_task(found.acquire("b", longest_wait_seconds=60))
    await asyncio.sleep(0)
    assert not third.done()
    async with first:
        pass
    async with await third, second:
        pass
    assert time.slept == []


async def test_a_permit_given_back_does_not_count_against_the_rate():
    time = VirtualTime()
    found = limits(time, 9, (1, 5.0))
    async with await found.acquire("b", longest_wait_seconds=60) as permit:
        permit.give_back()
        permit.give_back()
    assert await grant_times(time, found, 2) == [0, 5]


async def test_a_wait_longer_than_allowed_is_refused_and_frees_the_slot():
    time = VirtualTime()
    found = limits(time, 1, (1, 3600))
    async with await found.acquire("b", longest_wait_seconds=60):
        pass
    for _ in range(2):
        with pytest.raises(LimitTooFar) as far:
            await found.acquire("b", longest_wait_seconds=60)
        assert far.value.wait_seconds == pytest.approx(3600, rel=1 / 64)


async def test_a_pause_that_a_vendor_asked_for_holds_everybody():
    time = VirtualTime()
    found = limits(time, 9)
    found.pause("b", 7)
    assert await grant_times(time, found, 2) == [7, 7]


async def test_a_cancelled_wait_frees_its_slot():
    time = VirtualTime()
    found = limits(time, 1)
    holder = await found.acquire("b", longest_wait_seconds=60)
    waiting = asyncio.create_task(found.acquire("b", longest_wait_seconds=60))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    async with holder:
        pass
    async with await found.acquire("b", longest_wait_seconds=60):
        pass


async def test_a_call_counts_in_the_bucket_it_is_within_too():
    time = VirtualTime()
    buckets = {
        "all": {"concurrent": 9, "windows": [{"calls": 3, "seconds": 10}]},
        "b": {"concurrent": 9, "windows": [{"calls": 2, "seconds": 1}], "within": "all"},
    }
    policy = LimitsPolicy.model_validate({"buckets": buckets, **REST})
    found = Limits(policy, sleep=time.sleep, monotonic=time.monotonic)
    async with await found.acquire("all", longest_wait_seconds=60):
        pass
    assert await grant_times(time, found, 3) == pytest.approx([0, 0, 10], abs=0.2)


async def test_tokens_of_a_model_are_a_limit_of_their_own():
    time = VirtualTime()
    policy = rules(9, tokens=[{"model": "m", "per_minute": 1000}])
    found = Limits(policy, sleep=time.sleep, monotonic=time.monotonic)
    began, at = time.seconds, []
    for _ in range(3):
        async with await found.acquire("b", longest_wait_seconds=70, tokens={"m": 500, "other": 9999}):
            at.append(time.seconds - began)
    assert at == pytest.approx([0, 0, 60], abs=1)


async def test_a_pause_of_calls_is_waited_out_without_tokens():
    time = VirtualTime()
    found = Limits(
        rules(9, (100, 1.0), tokens=[{"model": "m", "per_minute": 1000}]), sleep=time.sleep, monotonic=time.monotonic
    )
    found.pause("b", 30)
    began = time.seconds
    async with await found.acquire("b", longest_wait_seconds=60, tokens={"m": 600}):
        assert time.seconds - began == pytest.approx(30, abs=1), "tokens taken before the pause would be used up by now"


async def test_a_lapsed_permit_is_given_back_only_while_it_does_not_count_as_used():
    time = VirtualTime()
    meter = limits(time, 9, (3, 3600))._buckets["b"].meter
    first = await meter.take(1, 60)
    time.seconds += 4
    second = await meter.take(1, 60)
    time.seconds += 2
    assert (first.has_lapsed, second.has_lapsed) == (True, False)
    first.give_back()
    await meter.take(1, 60)
    last = await meter.take(1, 60)
    time.seconds += 20
    with pytest.raises(LimitTooFar):
        await meter.take(1, 60)
    last.give_back()
    with pytest.raises(LimitTooFar):
        await meter.take(1, 60)


async def test_a_permit_of_long_ago_hands_back_nothing_that_was_given_since():
    time = VirtualTime()
    meter = limits(time, 9, (2, 3600))._buckets["b"].meter
    old = await meter.take(1, 60)
    time.seconds += 20
    await meter.take(1, 60)
    old.give_back()
    with pytest.raises(LimitTooFar):
        await meter.take(1, 60)


# --- the pure dealing ------------------------------------------------------------------------------------------------

LIMIT = RateLimit(windows=(Window(calls=8, seconds=1),), hold_seconds=5, slow_below=0.1)


def test_what_a_process_never_tells_of_counts_until_it_must_have_been_used():
    state = RateState()
    assert state.deal(RateAsk(holder="dead", amounts=(1,) * 8), LIMIT, 100.0).given == 8
    assert state.deal(RateAsk(holder="b", amounts=(1,)), LIMIT, 105.9).given == 0
    assert state.deal(RateAsk(holder="b", amounts=(1,) * 9), LIMIT, 106.1).given == 8


def test_no_process_hoards_when_few_calls_are_left():
    state = RateState()
    state.deal(RateAsk(holder="a", amounts=(1,)), LIMIT, 100.0)
    assert state.deal(RateAsk(holder="b", amounts=(1,) * 20), LIMIT, 100.0).given == 3
    assert state.deal(RateAsk(holder="a", amounts=(1,) * 20), LIMIT, 100.0).given == 2
    assert state.deal(RateAsk(holder="c", returned=1), LIMIT, 100.0).given == 0, "nobody returns what it has not"


def test_an_announced_quota_of_nothing_pauses_until_it_is_full_again():
    state = RateState()
    quota = Quota(remaining=0, reset_seconds=30, limit=500)
    state.deal(RateAsk(holder="a", quota=quota), LIMIT, 100.0)
    refused = state.deal(RateAsk(holder="b", amounts=(1,)), LIMIT, 101.0)
    assert (refused.given, refused.wait_seconds) == (0, 29.0)
    assert state.deal(RateAsk(holder="b", amounts=(1,)), LIMIT, 130.1).given == 1


def test_a_small_quota_is_spread_over_its_time_and_counts_what_went_out_since():
    state = RateState()
    state.deal(RateAsk(holder="a", amounts=(1,) * 4), LIMIT, 100.0)
    told = RateAsk(holder="a", used=4, quota=Quota(remaining=8, reset_seconds=10, limit=100), quota_ago=1.0)
    state.deal(told, LIMIT, 100.5)
    given = []
    for tenth in range(140):
        now = 102 + tenth / 10
        if state.deal(RateAsk(holder="b", amounts=(1,) * 8), LIMIT, now).given:
            given.append(now)
            state.deal(RateAsk(holder="b", used=8), LIMIT, now)
    inside = [moment for moment in given if moment < 110.5]
    assert len(inside) == 4, "eight were left, four of them were out already"
    assert all(later - earlier >= 1 for earlier, later in itertools.pairwise(inside))


def test_the_record_of_a_day_is_as_small_as_that_of_a_second():
    state, day = RateState(), RateLimit(windows=(Window(calls=10**6, seconds=86400),), hold_seconds=5, slow_below=0.1)
    for second in range(0, 86_400, 20):
        state.deal(RateAsk(holder="a", amounts=(1,), used=1), day, float(second))
    assert len(str(state.as_json())) < 2_000
    assert RateState.from_json(state.as_json()) == state


def test_places_of_a_silent_process_come_back():
    state = SlotState()
    assert state.deal(SlotAsk(holder="dead", wanted=5), 5, 10, 100.0).held == 5
    assert state.deal(SlotAsk(holder="b", wanted=5), 5, 10, 109.0).held == 0
    assert state.deal(SlotAsk(holder="b", wanted=5), 5, 10, 110.1).held == 5


def test_two_processes_come_to_equal_shares_and_a_turn_is_given_in_order():
    state = SlotState()
    state.deal(SlotAsk(holder="a", wanted=4), 4, 10, 100.0)
    assert state.deal(SlotAsk(holder="b", wanted=4), 4, 10, 100.1).held == 0
    told = state.deal(SlotAsk(holder="a", wanted=4), 4, 10, 100.2)
    assert (told.contended, told.keep) == (True, 2)
    state.deal(SlotAsk(holder="a", wanted=2), 4, 10, 100.3)
    assert state.deal(SlotAsk(holder="b", wanted=4), 4, 10, 100.4).held == 2
    assert not state.deal(SlotAsk(holder="a", wanted=4), 4, 10, 100.5).contended

    single = SlotState()
    single.deal(SlotAsk(holder="a", wanted=1), 1, 10, 100.0)
    single.deal(SlotAsk(holder="b", wanted=1), 1, 10, 100.1)
    assert single.deal(SlotAsk(holder="a", wanted=0), 1, 10, 100.2).contended
    assert single.deal(SlotAsk(holder="a", wanted=1), 1, 10, 100.3).held == 0, "b asked before"
    assert single.deal(SlotAsk(holder="b", wanted=1), 1, 10, 100.4).held == 1


# --- over processes --------------------------------------------------------------------------------------------------


async def test_the_next_run_of_a_batch_takes_over_the_places_of_its_dead_one(database: Database):
    policy = rules(1)
    async with GroupWriter(database) as writer:
        ask = SlotAsk(holder="batch.dead", wanted=1)
        await SharedSource(writer, shared_seconds).slots("b", 1, 10, ask)
    async with shared(database, policy) as found:
        await found.take_over("batch")
        async with await found.acquire("b", longest_wait_seconds=60):
            pass


@pytest.mark.parametrize("windows", [((100, 1.0),), ()])
async def test_a_pause_reaches_the_other_processes(database: Database, windows: tuple[tuple[int, float], ...]):
    clock, policy = VirtualTime(), rules(4, *windows)
    async with shared(database, policy, clock) as one, shared(database, policy, clock) as other:
        for process in (one, other):
            async with await process.acquire("b", longest_wait_seconds=60):
                clock.seconds += 1
        one.pause("b", 40)
        await one._buckets["b"].meter.report()
        began = clock.seconds
        with pytest.raises(LimitTooFar):
            await other.acquire("b", longest_wait_seconds=30)
        async with await other.acquire("b", longest_wait_seconds=60):
            assert clock.seconds - began >= 40


class TroubledSource:
    """Shared limits that answer after `seconds`, and nothing of rates while `is_broken`."""

    is_shared = False

    def __init__(self, time: VirtualTime, seconds: float = 0.0) -> None:
        self.own = OwnSource(time.monotonic)
        self.slots, self.free_slots = self.own.slots, self.own.free_slots
        self.questions, self.is_broken = 0, False
        self._time, self._half = time, seconds / 2

    async def rate(self, bucket: str, limit: RateLimit, ask: RateAsk, *, leaves: bool = False) -> RateGrant:
        self.questions += 1
        self._time.seconds += self._half
        await asyncio.sleep(0)
        if self.is_broken:
            raise OSError("the database is away")
        grant = await self.own.rate(bucket, limit, ask, leaves=leaves)
        self._time.seconds += self._half
        return grant


async def test_calls_that_ask_for_breaks_at_the_same_time_share_one_question_however_slow():
    time = VirtualTime()
    source = TroubledSource(time, seconds=0.6)
    found = Limits(rules(20), source, sleep=time.sleep, monotonic=time.monotonic)
    for permit in await asyncio.gather(*(found.acquire("b", longest_wait_seconds=60) for _ in range(10))):
        async with permit:
            assert source.questions == 1


async def test_a_short_break_lasts_to_its_end_though_the_answer_about_it_was_late():
    time = VirtualTime()
    source = TroubledSource(time, seconds=0.4)
    one, other = (Limits(rules(4), source, sleep=time.sleep, monotonic=time.monotonic) for _ in range(2))
    one.pause("b", 0.8)
    await one._renew(is_due=True)
    async with await other.acquire("b", longest_wait_seconds=60):
        assert time.seconds >= source.own._rates["b"].not_before


async def test_a_break_that_could_not_be_told_is_told_again():
    time = VirtualTime()
    source = TroubledSource(time)
    one, other = (Limits(rules(4), source, sleep=time.sleep, monotonic=time.monotonic) for _ in range(2))
    one.pause("b", 40)
    for source.is_broken in (True, False):
        await one._renew(is_due=True)
    with pytest.raises(LimitTooFar):
        await other.acquire("b", longest_wait_seconds=30)


async def test_a_process_that_has_what_it_needs_renews_its_places_a_few_times_per_lease(sqlite_database: Database):
    clock, policy, seen = VirtualTime(), rules(2), list[float]()
    async with shared(sqlite_database, policy, clock) as found, await found.acquire("b", longest_wait_seconds=60):
        began = clock.seconds
        for _ in range(20):
            clock.seconds += 0.5
            await found._buckets["b"].pool.renew()
            with sqlite_database.read() as connection:
                query = select(LimiterRow.state).where(LimiterRow.name == "slots:b")
                [[_held, at, _waits]] = connection.execute(query).scalar_one().values()
            seen.append(at - began)
    assert sorted(set(seen)) == [0, 3.5, 7]


async def test_one_place_goes_from_process_to_process(sqlite_database: Database):
    clock, policy, turns = VirtualTime(), rules(1), list[int]()

    async def process(number: int) -> None:
        async with shared(sqlite_database, policy, clock, holder=str(number)) as found:

            async def call() -> None:
                async with await found.acquire("b", longest_wait_seconds=60):
                    turns.append(number)
                    clock.seconds += 1.1  # a turn is over after every call

            await asyncio.gather(*(call() for _ in range(3)))

    await asyncio.wait_for(asyncio.gather(*(process(number) for number in range(4))), 60)
    assert Counter(turns) == dict.fromkeys(range(4), 3)


async def test_what_a_process_holds_is_handed_back_when_it_closes(database: Database):
    policy = rules(3, (5, 60))
    async with shared(database, policy) as found:
        for _ in range(2):
            async with await found.acquire("b", longest_wait_seconds=60) as permit:
                permit.give_back()
    with database.read() as connection:
        states = {row.name: row.state for row in connection.execute(select(LimiterRow.name, LimiterRow.state))}
    assert states["slots:b"] == {}
    assert (states["rate:b"]["blocks"], states["rate:b"]["used"]) == ({}, {})
