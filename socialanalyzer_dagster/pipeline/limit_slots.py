"""The places for open calls of one bucket as one process holds them: leased in blocks, handed on without asking."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from socialanalyzer_dagster.domain.slot_leases import SlotAsk, SlotGrant
from socialanalyzer_dagster.pipeline.limit_source import LimitSource

_POLL_SECONDS = 0.1
"""How often a process that waits for places of others asks again."""
_TURN_SECONDS = 1.0
"""How long a process keeps its place when there are more processes than places."""
_LOOKS_PER_LEASE = 3
"""How often a process that has all it needs renews its lease, and so hears of others who wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolParts:
    """What the pools of one process share; `tell_soon` is called when others wait for a place that has become free."""

    source: LimitSource
    holder: str
    lease_seconds: float
    monotonic: Callable[[], float]
    tell_soon: Callable[[], None]


class SlotPool:
    """A semaphore whose places all processes share."""

    def __init__(self, bucket: str, places: int, parts: PoolParts) -> None:
        self._bucket = bucket
        self._places = places
        self._parts = parts
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._serving: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._busy = 0
        self._peak = 0
        self._grant = SlotGrant(0, contended=False, keep=0)
        self._confirmed_at = float("-inf")
        self._turn_began = float("-inf")

    async def acquire(self) -> None:
        """Wait for a place, in the order of asking; raises what the database raises."""
        if not self._waiters and self._has_free:
            self._occupy()
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve())
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.release()
            raise

    def release(self) -> None:
        """A call has ended: its place goes to the next one at once, or back to the others."""
        self._busy -= 1
        self._hand_out()
        if self._busy < self._grant.held or self._grant.contended:
            self._changed.set()
        if self.is_wanted:
            self._parts.tell_soon()

    @property
    def is_wanted(self) -> bool:
        """True when this process holds places that it does not need and others wait for."""
        return self._grant.contended and self._needed < self._grant.held

    @property
    def is_in_use(self) -> bool:
        """True while this process holds places."""
        return bool(self._grant.held or self._busy)

    async def renew(self) -> None:
        """Give back the places that were idle since the last time; when it is time, tell that this process lives."""
        spare, self._peak = self._peak, self._busy
        wanted = self._needed if self._grant.contended else max(self._needed, spare)
        if wanted != self._grant.held or self._grant.contended or self._is_time:
            await self._ask(wanted)
            self._changed.set()

    async def close(self) -> None:
        """Give everything back; whoever still waits is cancelled."""
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
        for waiter in self._waiters:
            waiter.cancel()
        if self._grant.held:
            await self._ask(0)

    @property
    def _is_time(self) -> bool:
        return self._parts.monotonic() - self._confirmed_at >= self._parts.lease_seconds / _LOOKS_PER_LEASE

    @property
    def _needed(self) -> int:
        return min(self._places, self._busy + sum(not waiter.done() for waiter in self._waiters))

    @property
    def _has_free(self) -> bool:
        is_sure = self._parts.monotonic() - self._confirmed_at < self._parts.lease_seconds
        return is_sure and self._busy < self._grant.held and not self._must_yield

    @property
    def _must_yield(self) -> bool:
        """Others wait for their share, or for their turn."""
        if not self._grant.contended or self._busy >= self._grant.held:
            return False
        if self._grant.keep:
            return self._grant.held > self._grant.keep
        return self._parts.monotonic() - self._turn_began >= _TURN_SECONDS

    def _occupy(self) -> None:
        self._busy += 1
        self._peak = max(self._peak, self._busy)

    async def _serve(self) -> None:
        try:
            self._changed.clear()
            while self._hand_out():
                await self._find_more()
                self._changed.clear()
        except Exception as error:  # noqa: BLE001 - the state cannot be read: nobody who waits may call (I-36)
            for waiter in self._waiters:
                if not waiter.done():
                    waiter.set_exception(error)
            self._waiters.clear()

    def _hand_out(self) -> bool:
        """Give free places to those who wait; True when somebody still does."""
        while self._waiters and (self._waiters[0].done() or self._has_free):
            waiter = self._waiters.popleft()
            if not waiter.done():
                self._occupy()
                waiter.set_result(None)
        return bool(self._waiters)

    async def _find_more(self) -> None:
        """Yield what others wait for, ask for what is missing, then wait until something may have changed."""
        if self._must_yield:
            await self._ask(max(self._busy, self._grant.keep))
        before = self._grant.held
        is_sure = self._parts.monotonic() - self._confirmed_at < self._parts.lease_seconds
        if before < self._places or not is_sure:
            grant = await self._ask(self._needed)
            if grant.held > self._busy and not self._must_yield:
                return
        with suppress(TimeoutError):
            async with asyncio.timeout(None if self._grant.held >= self._places else _POLL_SECONDS):
                await self._changed.wait()

    async def _ask(self, wanted: int) -> SlotGrant:
        asked_at = self._parts.monotonic()
        ask = SlotAsk(holder=self._parts.holder, wanted=wanted)
        before = self._grant.held
        self._grant = await self._parts.source.slots(self._bucket, self._places, self._parts.lease_seconds, ask)
        self._confirmed_at = asked_at
        if not before and self._grant.held:
            self._turn_began = self._parts.monotonic()
        return self._grant
