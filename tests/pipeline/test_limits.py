"""Rates and concurrency of one process (spec 13.2)."""

import asyncio

import pytest
from gate_world import VirtualTime

from socialanalyzer_dagster.domain.policy_money import LimitsPolicy
from socialanalyzer_dagster.pipeline.limits import Limits, LimitTooFar


def limits(time: VirtualTime, concurrent: int, *windows: tuple[int, float]) -> Limits:
    bucket = {"concurrent": concurrent, "windows": [{"calls": calls, "seconds": seconds} for calls, seconds in windows]}
    policy = LimitsPolicy.model_validate({"buckets": {"b": bucket}, "leads_in_work": {}})
    return Limits(policy, sleep=time.sleep, monotonic=time.monotonic)


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
    assert await grant_times(time, limits(time, 9, (1, 0.3), (3, 10)), 5) == [0, 0.3, 0.6, 10.0, 10.3]


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
        assert far.value.wait_seconds == pytest.approx(3600)


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
