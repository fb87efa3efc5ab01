"""The windows of one bucket as one process sees them: who waits, what was given, and what has to be told."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from socialanalyzer_dagster.domain.call_windows import RateAsk, RateGrant, RateLimit
from socialanalyzer_dagster.domain.calls import Quota
from socialanalyzer_dagster.pipeline.limit_source import LimitSource

Sleep = Callable[[float], Awaitable[None]]
_LONGEST_SLEEP = 5.0
"""Others may hand permits back, so a long wait is looked at again."""
_NEWS_SECONDS = 0.5
"""How old may be what is known of breaks that other processes were asked for when a call is made."""


class LimitTooFar(Exception):
    """The next permit is further away than a worker may wait."""

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(f"the next call is allowed in {wait_seconds:.0f} s")
        self.wait_seconds = wait_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterParts:
    """What the meters of one process share; `tell_soon` is called when others may wait for what is to be told."""

    source: LimitSource
    holder: str
    sleep: Sleep
    monotonic: Callable[[], float]
    tell_soon: Callable[[], None]


@dataclass(slots=True)
class _Waiter:
    amount: int
    longest_seconds: float
    future: asyncio.Future["RatePermit"]


@dataclass(slots=True)
class RatePermit:
    """Some calls or tokens that may be used until a moment; exactly one of `used` and `give_back` says what became."""

    _meter: "RateMeter"
    amount: int
    until: float
    _block: int = field(default=0)
    _told: bool = field(default=False)

    @property
    def has_lapsed(self) -> bool:
        """True when it must not be used any more: it counts as used by then."""
        return self._meter.has_passed(self.until)

    def used(self) -> None:
        """The call goes out now."""
        if not self._told:
            self._meter.tell_used(self.amount)
        self._told = True

    def give_back(self) -> None:
        """No call is made with it; one that is known to count as used by now stays used."""
        if not self._told and self._meter.has_out(self._block):
            self._meter.tell_returned(self.amount)
        self._told = True


class RateMeter:
    """Permits of one bucket for one process, in the order of asking."""

    def __init__(self, bucket: str, limit: RateLimit, parts: MeterParts) -> None:
        self._bucket = bucket
        self._limit = limit
        self._parts = parts
        self._waiters: deque[_Waiter] = deque()
        self._serving: asyncio.Task[None] | None = None
        self._used, self._used_at, self._returned = 0, 0.0, 0
        self._block, self._block_until = 0, float("-inf")
        self._pause_until, self._pause_told = 0.0, True
        self._quota: tuple[Quota, float] | None = None
        self._alone = True
        self._touched = False
        self._heard_at = float("-inf")
        self._hearing: asyncio.Task[RateGrant] | None = None

    async def take(self, amount: int, longest_wait_seconds: float) -> RatePermit:
        """A permit; raises LimitTooFar instead of waiting longer, and what the database raises."""
        if not self._limit.windows:
            return await self._after_pause(amount, longest_wait_seconds)
        waiter = _Waiter(amount, longest_wait_seconds, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve())
        try:
            return await waiter.future
        except asyncio.CancelledError:
            if waiter.future.done() and not waiter.future.cancelled() and waiter.future.exception() is None:
                waiter.future.result().give_back()
            raise

    def pause(self, seconds: float) -> None:
        """The vendor asked for a break: nobody gets a permit before it is over."""
        until = self._parts.monotonic() + seconds
        if until > self._pause_until:
            self._pause_until, self._pause_told, self._touched = until, False, True
            self._parts.tell_soon()

    def obey(self, quotas: Sequence[Quota], sent_at: float) -> None:
        """Learn what headers announce; only what is nearly used up has to be told."""
        tight = [each for each in quotas if each.remaining <= 0 or self._is_small(each)]
        if not tight:
            return
        tightest = min(tight, key=lambda each: (each.remaining, -each.reset_seconds))
        if not self._limit.windows:
            if tightest.remaining <= 0:
                self.pause(tightest.reset_seconds)
            return
        self._quota = (tightest, sent_at)
        self._parts.tell_soon()

    def has_passed(self, moment: float) -> bool:
        """True after a moment of this process's clock."""
        return self._parts.monotonic() >= moment

    def has_out(self, block: int) -> bool:
        """True while what was given in this block is not counted as used: each further gift prolongs a block."""
        return block == self._block and not self.has_passed(self._block_until)

    def tell_used(self, amount: int) -> None:
        """Note a call that goes out now."""
        if self._limit.windows:
            self._used, self._used_at = self._used + amount, self._parts.monotonic()
            if not self._alone:
                self._parts.tell_soon()

    def tell_returned(self, amount: int) -> None:
        """Note a permit that will not be used."""
        if self._limit.windows:
            self._returned += amount
            self._parts.tell_soon()

    @property
    def has_news(self) -> bool:
        """True when something has to be told."""
        return bool(self._used or self._returned or self._quota) or not self._pause_told

    async def report(self) -> None:
        """Tell what has to be told."""
        await self._ask(())

    async def close(self) -> None:
        """Tell everything and leave; whoever still waits is cancelled."""
        working = [task for task in (self._serving, self._hearing) if task is not None]
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        for waiter in self._waiters:
            waiter.future.cancel()
        if self._touched:
            await self._ask((), leaves=True)

    @property
    def _is_open(self) -> bool:
        return not self._limit.windows

    def _is_small(self, quota: Quota) -> bool:
        return quota.limit is not None and quota.remaining < quota.limit * self._limit.slow_below

    async def _after_pause(self, amount: int, longest_wait_seconds: float) -> RatePermit:
        while (wait := await self._break_left()) > 0:
            if wait > longest_wait_seconds:
                raise LimitTooFar(wait)
            await self._parts.sleep(wait)
        return RatePermit(self, amount, float("inf"))

    async def _break_left(self) -> float:
        """Seconds until calls may go on, by what all processes know; all who wait for it share one question."""
        if self.has_passed(self._heard_at + _NEWS_SECONDS):
            if self._hearing is None or self._hearing.done():
                self._hearing = asyncio.create_task(self._ask(()))
            await asyncio.shield(self._hearing)
        return self._pause_until - self._parts.monotonic()

    async def _serve(self) -> None:
        try:
            while self._drop_cancelled():
                await self._serve_once()
        except Exception as error:  # noqa: BLE001 - the state cannot be read: nobody who waits may call (I-36)
            for waiter in self._waiters:
                if not waiter.future.done():
                    waiter.future.set_exception(error)
            self._waiters.clear()

    async def _serve_once(self) -> None:
        asked = list(self._waiters)
        began = self._parts.monotonic()
        grant = await self._ask([waiter.amount for waiter in asked])
        if grant.given:
            self._prolong_block(began + self._limit.hold_seconds)
        for waiter in asked[: grant.given]:
            self._waiters.remove(waiter)
            permit = RatePermit(self, waiter.amount, began + self._limit.hold_seconds, self._block)
            if waiter.future.done():
                permit.give_back()
            else:
                waiter.future.set_result(permit)
        if grant.given == len(asked):
            return
        for waiter in [each for each in self._waiters if each.longest_seconds < grant.wait_seconds]:
            self._waiters.remove(waiter)
            if not waiter.future.done():
                waiter.future.set_exception(LimitTooFar(grant.wait_seconds))
        if self._waiters:
            await self._parts.sleep(min(grant.wait_seconds, _LONGEST_SLEEP))

    def _prolong_block(self, until: float) -> None:
        """What was given earlier lives on with what is given now, or may have been counted as used before."""
        if self.has_passed(self._block_until):
            self._block, self._returned = self._block + 1, 0
        self._block_until = until

    def _drop_cancelled(self) -> bool:
        """True when somebody still waits."""
        self._waiters = deque(waiter for waiter in self._waiters if not waiter.future.done())
        return bool(self._waiters)

    async def _ask(self, amounts: Sequence[int], *, leaves: bool = False) -> RateGrant:
        now, self._touched = self._parts.monotonic(), True
        quota, is_pause_told = self._quota, self._pause_told
        ask = RateAsk(
            holder=self._parts.holder,
            amounts=tuple(amounts),
            used=self._used,
            used_ago=max(0.0, now - self._used_at),
            returned=self._returned,
            pause_seconds=0.0 if is_pause_told else max(0.0, self._pause_until - now),
            quota=quota[0] if quota else None,
            quota_ago=max(0.0, now - quota[1]) if quota else 0.0,
        )
        self._used, self._returned, self._pause_told, self._quota = 0, 0, True, None
        try:
            grant = await self._parts.source.rate(self._bucket, self._limit, ask, leaves=leaves)
        except BaseException:  # a break and a quota may be told twice, uses may not: untold ones count as used later
            self._pause_told, self._quota = self._pause_told and is_pause_told, self._quota or quota
            raise
        self._alone, self._heard_at = grant.alone, now
        if self._is_open:
            self._pause_until = max(self._pause_until, self._parts.monotonic() + grant.wait_seconds)
        return grant
