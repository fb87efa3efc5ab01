"""Simulated time for a whole process: clocks stand still while it works and jump to the next moment it waits for."""

import asyncio
import selectors
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

import time_machine

from socialanalyzer_dagster.vendors.images import PictureThreads

T = TypeVar("T")
_ZERO = datetime(2000, 1, 1, tzinfo=UTC)
_GRAIN = timedelta(seconds=1)
"""Waits end at multiples of this: what ends at nearly the same time goes into one transaction, as under real load."""

_PICTURE_SECONDS = 1.0
"""What composing a picture takes at the most while all processors are busy."""


class SimulatedTime:
    """Where the clocks stand; made by `simulated_time`."""

    def __init__(self, traveller: time_machine.Traveller) -> None:
        self._traveller = traveller

    def now(self) -> datetime:
        """The simulated moment, aware, in UTC."""
        return datetime.now(UTC)

    def advance(self, seconds: float) -> None:
        """Let at least these seconds pass, up to the next multiple of the grain."""
        over = (self.now() - _ZERO) % _GRAIN
        grains = -(-(over + timedelta(seconds=seconds)) // _GRAIN)
        self._traveller.shift(max(grains, 1) * _GRAIN - over)

    def advance_to(self, moment: datetime) -> None:
        """Let time pass until a moment; one that has passed already changes nothing."""
        if moment > self.now():
            self._traveller.move_to(moment, tick=False)


@contextmanager
def simulated_time(start: datetime) -> Iterator[SimulatedTime]:
    """Every clock of this process begins at `start` and moves only when somebody waits or says so.

    Event loops that are made while the block runs sleep without any real time passing, and do themselves what they
    would have a thread do, but for pictures.
    """
    before = asyncio.get_event_loop_policy()
    with time_machine.travel(start, tick=False) as traveller:
        found = SimulatedTime(traveller)
        asyncio.set_event_loop_policy(_Policy(found))
        try:
            yield found
        finally:
            asyncio.set_event_loop_policy(before)


class _Policy(asyncio.DefaultEventLoopPolicy):
    def __init__(self, simulated: SimulatedTime) -> None:
        super().__init__()
        self._simulated = simulated

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return _Loop(_Selector(self._simulated))


class _Selector(selectors.DefaultSelector):
    """Waits for its loop: when only timers are left to wait for, the clock goes to the next of them."""

    def __init__(self, simulated: SimulatedTime) -> None:
        super().__init__()
        self._simulated = simulated

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        self._simulated.advance(timeout)
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    """Does the work of threads itself, at once: no time passes meanwhile, and to change between threads takes long.

    Pictures alone are composed beside it, by code that needs no interpreter and keeps a second processor busy: each is
    there after the same simulated time, whatever it really takes.
    """

    def __init__(self, selector: selectors.BaseSelector) -> None:
        super().__init__(selector)
        self._began = time.time_ns()
        self._due: deque[Callable[[], None]] = deque()

    def time(self) -> float:
        """Seconds since the loop was made: of seconds since 1970 a float cannot tell two neighbouring timers apart."""
        return (time.time_ns() - self._began) / 1e9

    def run_in_executor(self, executor: Executor | None, func: Callable[..., T], *args: object) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()
        if isinstance(executor, PictureThreads):
            composed = executor.submit(func, *args)
            self.call_later(_PICTURE_SECONDS, self._deliver, partial(_settle, future, composed.result))
        else:
            _settle(future, partial(func, *args))
        return future

    def _deliver(self, settle: Callable[[], None]) -> None:
        self._due.append(settle)
        if len(self._due) == 1:
            self.call_soon(self._deliver_one)

    def _deliver_one(self) -> None:
        """One picture a turn: what it leads to goes on while the next ones are composed."""
        self._due[0]()
        self._due.popleft()
        if self._due:
            self.call_soon(self._deliver_one)


def _settle(future: asyncio.Future[T], work: Callable[[], T]) -> None:
    if future.cancelled():
        return
    try:
        future.set_result(work())
    except Exception as error:  # noqa: BLE001 - raised to whoever waits for the work
        future.set_exception(error)
