"""Rate and concurrency of one process per bucket of the policy; a wait here never holds money (spec 13.2)."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from socialanalyzer_dagster.domain.policy_money import Limit, LimitsPolicy

Sleep = Callable[[float], Awaitable[None]]


class LimitTooFar(Exception):
    """The next permit is further away than a worker may wait."""

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(f"the next call is allowed in {wait_seconds:.0f} s")
        self.wait_seconds = wait_seconds


@dataclass(slots=True)
class _Bucket:
    limit: Limit
    slots: asyncio.Semaphore
    turn: asyncio.Lock
    granted: deque[float]
    not_before: float = 0.0

    def wait_seconds(self, now: float) -> float:
        """Until the next grant, in any window and after any pause."""
        wait = self.not_before - now
        for window in self.limit.windows:
            if len(self.granted) >= window.calls:
                wait = max(wait, self.granted[-window.calls] + float(window.seconds) - now)
        return wait


@dataclass(slots=True)
class Permit:
    """The right to make one call now; leaving the block frees the slot."""

    _bucket: _Bucket
    _granted_at: float
    _given_back: bool = field(default=False)

    def give_back(self) -> None:
        """The call is not made: it does not count against the rate."""
        if not self._given_back and self._granted_at in self._bucket.granted:
            self._bucket.granted.remove(self._granted_at)
        self._given_back = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bucket.slots.release()


class Limits:
    """Permits for the calls of one process; belongs to one event loop."""

    def __init__(
        self, policy: LimitsPolicy, *, sleep: Sleep = asyncio.sleep, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._sleep = sleep
        self._monotonic = monotonic
        self._buckets: Mapping[str, _Bucket] = {
            name: _Bucket(limit, asyncio.Semaphore(limit.concurrent), asyncio.Lock(), deque(maxlen=_longest(limit)))
            for name, limit in policy.buckets.items()
        }

    async def acquire(self, name: str, *, longest_wait_seconds: float) -> Permit:
        """Wait for a free slot, then for the rate, in the order of asking.

        Raises LimitTooFar instead of waiting longer than `longest_wait_seconds` for the rate.
        """
        bucket = self._buckets[name]
        await bucket.slots.acquire()
        try:
            async with bucket.turn:
                granted_at = await self._rate_permit(bucket, longest_wait_seconds)
        except BaseException:
            bucket.slots.release()
            raise
        return Permit(bucket, granted_at)

    async def _rate_permit(self, bucket: _Bucket, longest_wait_seconds: float) -> float:
        while (wait := bucket.wait_seconds(self._monotonic())) > 0:
            if wait > longest_wait_seconds:
                raise LimitTooFar(wait)
            await self._sleep(wait)
        granted_at = self._monotonic()
        bucket.granted.append(granted_at)
        return granted_at

    def pause(self, name: str, seconds: float) -> None:
        """The vendor asked for a break: nobody gets a permit of this bucket before it is over."""
        bucket = self._buckets[name]
        bucket.not_before = max(bucket.not_before, self._monotonic() + seconds)


def _longest(limit: Limit) -> int:
    return max((window.calls for window in limit.windows), default=1)
