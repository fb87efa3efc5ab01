"""Simulated time: clocks stand still while something works, and jump to what is waited for."""

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from socialanalyzer_dagster.simulation.simulated_time import simulated_time
from socialanalyzer_dagster.vendors.images import PictureThreads

pytestmark = pytest.mark.xdist_group("simulation")  # begun with the other groups: one of them takes long

START = datetime(2027, 1, 4, tzinfo=UTC)


def test_an_hour_is_slept_at_once_and_every_clock_of_the_process_agrees() -> None:
    async def sleepers() -> tuple[float, float]:
        began = asyncio.get_running_loop().time()
        await asyncio.gather(asyncio.sleep(3600), asyncio.sleep(1800))
        return asyncio.get_running_loop().time() - began, time.time() - START.timestamp()

    with simulated_time(START) as clock:
        assert clock.now() == START
        slept, passed = asyncio.run(sleepers())
        assert slept == pytest.approx(3600, abs=0.001)
        assert passed == pytest.approx(3600, abs=0.001)
        assert datetime.now(UTC) - START == pytest.approx(timedelta(hours=1), abs=timedelta(milliseconds=1))
    assert datetime.now(UTC) != START, "the process is back in real time"


def test_work_in_a_thread_takes_no_simulated_time_and_is_waited_for() -> None:
    async def work() -> tuple[int, datetime]:
        timer = asyncio.create_task(asyncio.sleep(10))
        found = await asyncio.to_thread(sum, range(1_000_000))
        moment = datetime.now(UTC)
        await timer
        return found, moment

    with simulated_time(START):
        found, moment = asyncio.run(work())
    assert found == 499_999_500_000
    assert moment == START


def test_pictures_are_composed_beside_the_loop_and_are_there_after_a_simulated_second() -> None:
    async def work() -> tuple[list[int], datetime]:
        begun, ended = threading.Event(), threading.Event()

        def compose() -> int:
            begun.set()
            assert ended.wait(30), "the loop stood still"
            time.sleep(0.05)
            return threading.get_ident()

        loop = asyncio.get_running_loop()
        pictures = [loop.run_in_executor(threads, compose) for _ in range(3)]
        await asyncio.to_thread(begun.wait)
        ended.set()
        return await asyncio.gather(*pictures), datetime.now(UTC)

    with simulated_time(START), PictureThreads() as threads:
        composed, moment = asyncio.run(work())
    assert threading.get_ident() not in composed
    assert moment == START + timedelta(seconds=1)


def test_a_picture_that_cannot_be_composed_raises_and_one_nobody_waits_for_keeps_nobody() -> None:
    def refuse() -> None:
        raise ValueError("no picture")

    async def work() -> int:
        loop = asyncio.get_running_loop()
        given_up = loop.run_in_executor(threads, refuse)
        given_up.cancel()
        with pytest.raises(ValueError, match="no picture"):
            await loop.run_in_executor(threads, refuse)
        return await loop.run_in_executor(threads, threading.active_count)

    with simulated_time(START), PictureThreads() as threads:
        assert asyncio.run(work()) > 1


def test_a_time_out_is_reached_in_simulated_time() -> None:
    async def patience() -> None:
        async with asyncio.timeout(5):
            await asyncio.sleep(100)

    with simulated_time(START) as clock:
        with pytest.raises(TimeoutError):
            asyncio.run(patience())
        assert clock.now() - START == pytest.approx(timedelta(seconds=5), abs=timedelta(milliseconds=1))


def test_a_timer_that_is_due_at_this_very_moment_runs() -> None:
    async def many() -> int:
        loop = asyncio.get_running_loop()
        reached = asyncio.Event()
        loop.call_at(loop.time(), reached.set)
        await reached.wait()
        await asyncio.gather(*(asyncio.sleep(number / 3) for number in range(300)))
        return 300

    with simulated_time(START):
        assert asyncio.run(many()) == 300


def test_time_does_not_go_back() -> None:
    with simulated_time(START) as clock:
        clock.advance_to(START + timedelta(hours=2))
        clock.advance_to(START + timedelta(hours=1))
        assert clock.now() == START + timedelta(hours=2)
