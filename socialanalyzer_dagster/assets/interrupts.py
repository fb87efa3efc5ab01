"""Interrupting a run: its event loop sees a cancellation, so that calls in flight settle before the run ends."""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_settling(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The result of `work`, run in an event loop of its own.

    Dagster's own handler would raise inside the loop and so cut off every task at once, the writer of the ledger too.
    Here the first Ctrl-C or termination cancels `work` alone; when it has ended, the signal is raised again for whoever
    waits for it (architecture 5). Off the main thread signals do not arrive, and nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        return asyncio.run(work())
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        return asyncio.run(_cancellable(work, received))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if received:
            signal.raise_signal(received[0])


async def _cancellable(work: Callable[[], Coroutine[Any, Any, T]], received: list[int]) -> T:
    task, loop = asyncio.create_task(work()), asyncio.get_running_loop()

    def interrupted(number: int, _frame: FrameType | None) -> None:
        if not received:
            loop.call_soon_threadsafe(task.cancel)
        received.append(number)

    for number in _SIGNALS:
        signal.signal(number, interrupted)
    return await task
