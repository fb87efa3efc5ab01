"""What an interrupt does to the event loop of a stage (architecture 5)."""

import asyncio
import os
import signal

import pytest

from socialanalyzer_dagster.assets.interrupts import run_settling


class Terminated(Exception):
    """Raised by the test's own handler of SIGTERM, as Dagster raises in its handler."""


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_an_interrupt_cancels_the_work_alone_and_is_raised_when_calls_have_settled(number: int, raised: type) -> None:
    told: list[str] = []

    def terminate(_number: int, _frame: object) -> None:
        raise Terminated

    async def call_in_flight() -> None:
        await asyncio.sleep(0.05)
        told.append("settled")

    async def work() -> None:
        flight = asyncio.create_task(call_in_flight())
        os.kill(os.getpid(), number)
        try:
            await asyncio.Event().wait()
        finally:
            await flight
            told.append("committed")

    before = signal.signal(signal.SIGTERM, terminate)
    before_interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        with pytest.raises(raised):
            run_settling(work)
        assert signal.getsignal(signal.SIGTERM) is terminate, "the handler from before is back"
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGINT, before_interrupt)
    assert told == ["settled", "committed"]


def test_work_that_nobody_interrupts_gives_its_result() -> None:
    async def work() -> int:
        return 7

    assert run_settling(work) == 7
