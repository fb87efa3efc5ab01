"""Rates and concurrency per bucket of the policy, over all processes; a wait here never holds money (spec 13.2)."""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from socialanalyzer_dagster.domain.call_windows import RateLimit
from socialanalyzer_dagster.domain.calls import Quota
from socialanalyzer_dagster.domain.policy_money import LimitsPolicy, Window
from socialanalyzer_dagster.pipeline.beats import Beat
from socialanalyzer_dagster.pipeline.limit_rates import MeterParts, RateMeter, RatePermit, Sleep
from socialanalyzer_dagster.pipeline.limit_slots import PoolParts, SlotPool
from socialanalyzer_dagster.pipeline.limit_source import LimitSource, OwnSource

_LOG = logging.getLogger(__name__)
_BEAT_SECONDS = 0.5
_MINUTE = 60


@dataclass(slots=True)
class Permit:
    """The right to make one call now; leaving the block frees its places.

    `sent` says that the call goes out; `give_back` that it is not made, so that it does not count against the rate.
    """

    _rates: Sequence[RatePermit]
    _pools: Sequence[SlotPool]
    sent_at: float | None = field(default=None)
    _monotonic: Callable[[], float] = field(default=time.monotonic)

    @property
    def has_lapsed(self) -> bool:
        """True when it was kept too long: the call must not be made with it."""
        return any(rate.has_lapsed for rate in self._rates)

    def sent(self) -> None:
        """The call goes out now."""
        self.sent_at = self._monotonic()
        for rate in self._rates:
            rate.used()

    def give_back(self) -> None:
        """The call is not made."""
        for rate in self._rates:
            rate.give_back()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for rate in self._rates:
            rate.used()
        for pool in self._pools:
            pool.release()


@dataclass(frozen=True, slots=True)
class _Bucket:
    meter: RateMeter
    pool: SlotPool
    within: str | None


class Limits:
    """Permits for the calls of one process; belongs to one event loop, and is closed at its end."""

    def __init__(
        self,
        policy: LimitsPolicy,
        source: LimitSource | None = None,
        *,
        holder: str = "",
        sleep: Sleep = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`holder` names the work (a batch) that may later be taken over; without `source` nothing is shared."""
        self._policy = policy
        self._source = source or OwnSource(monotonic)
        self._monotonic = monotonic
        self._holder = f"{holder}.{uuid.uuid4().hex[:12]}"
        self._beat = Beat(_BEAT_SECONDS, self._renew)
        self._meter_parts = MeterParts(
            source=self._source, holder=self._holder, sleep=sleep, monotonic=monotonic, tell_soon=self._beat.soon
        )
        pools = PoolParts(
            source=self._source,
            holder=self._holder,
            lease_seconds=policy.lease_seconds,
            monotonic=monotonic,
            tell_soon=self._beat.soon,
        )
        self._buckets: Mapping[str, _Bucket] = {
            name: _Bucket(self._meter(name, limit.windows), SlotPool(name, limit.concurrent, pools), limit.within)
            for name, limit in policy.buckets.items()
        }
        self._chains: Mapping[str, Sequence[_Bucket]] = {
            name: [bucket] if bucket.within is None else [bucket, self._buckets[bucket.within]]
            for name, bucket in self._buckets.items()
        }
        self._tokens: Mapping[str, RateMeter] = {
            each.model: self._meter(f"tokens:{each.model}", (Window(calls=each.per_minute, seconds=_MINUTE),))
            for each in policy.tokens
        }

    async def acquire(
        self, name: str, *, longest_wait_seconds: float, tokens: Mapping[str, int] | None = None
    ) -> Permit:
        """Wait for a free place, then for the rate of calls and of model tokens, in the order of asking.

        Raises LimitTooFar instead of waiting longer than `longest_wait_seconds` for a rate, and what the database
        raises when the shared state cannot be read.
        """
        if self._source.is_shared:
            self._beat.start()
        chain = self._chains[name]
        meters = [(bucket.meter, 1) for bucket in reversed(chain)]  # a pause of theirs is waited out without tokens
        meters += [(self._tokens[model], count) for model, count in (tokens or {}).items() if model in self._tokens]
        occupied: list[SlotPool] = []
        try:
            for bucket in chain:
                await bucket.pool.acquire()
                occupied.append(bucket.pool)
            rates = await _all_rates(meters, longest_wait_seconds)
        except BaseException:
            for pool in occupied:
                pool.release()
            raise
        return Permit(rates, occupied, _monotonic=self._monotonic)

    def pause(self, name: str, seconds: float) -> None:
        """The vendor asked for a break: no process gets a permit of this bucket before it is over."""
        for bucket in self._chains[name]:
            bucket.meter.pause(seconds)

    def obey(self, name: str, quotas: Sequence[Quota], sent_at: float | None) -> None:
        """Learn what the headers of an answer announce about what is left (contracts section 2)."""
        if not quotas:
            return
        moment = self._monotonic() if sent_at is None else sent_at
        calls = [quota for quota in quotas if quota.tokens_of is None]
        self._chains[name][-1].meter.obey(calls, moment)
        for model, meter in self._tokens.items():
            meter.obey([quota for quota in quotas if quota.tokens_of == model], moment)

    async def take_over(self, holder: str) -> None:
        """Free the places of earlier processes that did this work; the caller holds its lock, so they are dead."""
        await self._source.free_slots(f"{holder}.", keep=self._holder)

    async def close(self) -> None:
        """Give back everything this process holds; what cannot be told lapses by itself."""
        await self._beat.close()
        buckets = self._buckets.values()
        meters = [each.close() for each in (*self._tokens.values(), *(bucket.meter for bucket in buckets))]
        pools = [bucket.pool.close() for bucket in buckets]
        ended = await asyncio.gather(*meters, *pools, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                _LOG.warning("permits were not given back and lapse by themselves: %s", type(error).__name__)
                return

    def _meter(self, name: str, windows: Sequence[Window]) -> RateMeter:
        limit = RateLimit(
            windows=tuple(windows),
            hold_seconds=self._policy.hold_seconds,
            slow_below=float(self._policy.slow_below),
        )
        return RateMeter(name, limit, self._meter_parts)

    async def _renew(self, is_due: bool) -> None:
        """A renewal that fails is made up for by the next one, or by the next question, which then fails visibly."""
        buckets = self._buckets.values()
        meters = (*self._tokens.values(), *(bucket.meter for bucket in buckets))
        reports = [each.report() for each in meters if each.has_news]
        pools = (bucket.pool for bucket in buckets if bucket.pool.is_in_use)
        renewals = [each.renew() for each in pools if is_due or each.is_wanted]
        for error in await asyncio.gather(*reports, *renewals, return_exceptions=True):
            if isinstance(error, Exception):
                _LOG.warning("shared limits could not be renewed: %s", type(error).__name__)
                break


async def _all_rates(meters: Sequence[tuple[RateMeter, int]], longest_wait_seconds: float) -> list[RatePermit]:
    """A permit of every meter, all of them valid at the same time."""
    rates: dict[int, RatePermit] = {}
    try:
        while missing := [at for at in range(len(meters)) if at not in rates or rates[at].has_lapsed]:
            meter, amount = meters[missing[0]]
            if lapsed := rates.pop(missing[0], None):
                lapsed.give_back()
            rates[missing[0]] = await meter.take(amount, longest_wait_seconds)
    except BaseException:
        for rate in rates.values():
            rate.give_back()
        raise
    return list(rates.values())
