"""Work that is done again and again in the background of a process, and at once when there is a reason."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

_GATHER_SECONDS = 0.05


class Beat:
    """Does its work every few seconds from `start` to `close`, and soon after `soon`.

    `work` is told whether the regular time has come, and handles its own failures.
    """

    def __init__(self, seconds: float, work: Callable[[bool], Awaitable[None]]) -> None:
        self._seconds = seconds
        self._work = work
        self._soon = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, unless it has begun."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="beat")

    def soon(self) -> None:
        """Do the work in a moment, together with what else gathers until then."""
        self._soon.set()

    async def close(self) -> None:
        """End, after what is being done now."""
        self._closing.set()
        self._soon.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + self._seconds
        while True:
            await _happens(self._soon, due - loop.time())
            if self._closing.is_set() or (self._soon.is_set() and await _happens(self._closing, _GATHER_SECONDS)):
                return
            self._soon.clear()
            is_due = loop.time() >= due
            await self._work(is_due)
            if is_due:
                due = loop.time() + self._seconds


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    """True when it happened within the time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await event.wait()
    return event.is_set()
