"""Whether a vendor may be called now, and what its calls tell about that: one breaker for all processes (spec 13.2)."""

import asyncio
import itertools
import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError

from socialanalyzer_dagster.domain.breaker import BreakerPhase, BreakerState, CallResult, Rules, rule_of
from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.domain.operations import OPERATIONS
from socialanalyzer_dagster.domain.policy_money import BreakersPolicy
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.beats import Beat
from socialanalyzer_dagster.pipeline.limit_rates import Sleep
from socialanalyzer_dagster.pipeline.writer import GroupWriter
from socialanalyzer_dagster.storage.breakers import ChangeBreaker, load_breakers
from socialanalyzer_dagster.storage.database import Database, SharedTime

_LOG = logging.getLogger(__name__)
_FRESH_SECONDS = 1.0
_SOON_SECONDS = 0.05
_CLOSED = BreakerState()
_MANY_HOSTS = frozenset(operation.vendor for operation in OPERATIONS.values() if operation.asks_many_hosts)


@dataclass(frozen=True, slots=True)
class Ticket:
    """With what a call was let through: the number of the breaker's last trip, and the probe it is, if it is one."""

    vendor: str
    trip: int
    probe: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerParts:
    """What the breakers of one process work with; `sleep`, `monotonic` and `shared_time` are for tests."""

    database: Database
    writer: GroupWriter
    policy: BreakersPolicy
    shared_time: SharedTime
    sleep: Sleep = asyncio.sleep
    monotonic: Callable[[], float] = time.monotonic


class Breakers:
    """The breakers of all vendors, read at most once a second, and at once after own failures.

    A vendor whose service is asked of many hosts (public pages, media) has none: one host says nothing about the next.
    """

    def __init__(self, parts: BreakerParts) -> None:
        self._parts = parts
        self._name = uuid.uuid4().hex[:12]
        self._numbers = itertools.count()
        self._states: dict[str, BreakerState] = {}
        self._read_at = float("-inf")
        self._clock_ahead = 0.0
        self._reading = asyncio.Lock()
        self._untold: dict[str, list[CallResult]] = defaultdict(list)
        self._telling: dict[str, list[CallResult]] = {}
        self._beat = Beat(_FRESH_SECONDS, self._tell)

    async def admit(self, vendor: str, stage: Stage | None, still_wanted: Callable[[], Awaitable[None]]) -> Ticket:
        """The ticket of a call; waits for a vendor that is away where the policy says so.

        `still_wanted` is asked every second of such a wait and raises when the call is not. Raises ProviderUnavailable
        when there is nothing (more) to wait for, and what the database raises when the state cannot be read (I-36).
        """
        if vendor in _MANY_HOSTS:
            return Ticket(vendor, 0)
        while True:
            state = await self._state(vendor)
            if state.phase is BreakerPhase.CLOSED:
                return Ticket(vendor, state.trip)
            if state.allows_probe(self._now) and (ticket := await self._probe(vendor)):
                return ticket
            await self._wait(vendor, stage, self._states[vendor])
            await still_wanted()

    async def still_admits(self, ticket: Ticket) -> bool:
        """False when the breaker opened, or the probe ran out, while the call waited for a place or a rate."""
        if ticket.vendor in _MANY_HOSTS:
            return True
        state = await self._state(ticket.vendor)
        if ticket.probe is None:
            return state.phase is BreakerPhase.CLOSED and state.trip == ticket.trip
        return state.is_probed_by(ticket.probe) and self._now < state.probe_until

    def waits_for(self, vendor: str, stage: Stage | None) -> bool:
        """True when the vendor is known to be away and failed calls of the stage wait for it instead of being given up.

        Not at synced: a write without an answer may have been carried out, and its author looks before anything else.
        """
        is_away = self._states.get(vendor, _CLOSED).phase is not BreakerPhase.CLOSED
        return is_away and stage is not Stage.SYNCED and stage in rule_of(self._parts.policy, vendor).wait_in

    def succeeded(self, ticket: Ticket) -> None:
        """An answer came, be it that the vendor refused this one item."""
        self._add(ticket.vendor, CallResult(trip=ticket.trip, probe=ticket.probe))

    def failed(self, ticket: Ticket, error: VendorError) -> None:
        """A call failed: throttling tells nothing of the vendor's health, a refusal of one item that it is well."""
        if error.error_class is ErrorClass.PERMANENT_ITEM:
            self.succeeded(ticket)
            return
        result = CallResult(
            trip=ticket.trip,
            probe=ticket.probe,
            code=error.code,
            permanent=error.error_class is ErrorClass.PERMANENT_SERVICE,
            tells_nothing=error.error_class is ErrorClass.THROTTLED,
        )
        self._add(ticket.vendor, result)

    def not_made(self, ticket: Ticket) -> None:
        """The call was not sent after all; a probe may be made by another."""
        if ticket.probe is not None:
            self._add(ticket.vendor, CallResult(trip=ticket.trip, probe=ticket.probe, tells_nothing=True))

    async def close(self) -> None:
        """Tell what is left to tell."""
        await self._beat.close()
        await self._tell(True)

    @property
    def _now(self) -> float:
        """The shared clock's time, as far as this process knows."""
        return self._parts.monotonic() + self._clock_ahead

    def _rules(self, vendor: str) -> Rules:
        return Rules.of(self._parts.policy, vendor)

    async def _state(self, vendor: str) -> BreakerState:
        if not self._is_fresh:
            async with self._reading:
                if not self._is_fresh:
                    await self._read()
        return self._states.get(vendor, _CLOSED)

    @property
    def _is_fresh(self) -> bool:
        return self._parts.monotonic() - self._read_at < _FRESH_SECONDS

    async def _read(self) -> None:
        began = self._parts.monotonic()
        states, now = await asyncio.to_thread(self._load)
        own = {vendor: self._with_untold(vendor, state) for vendor, state in states.items()}
        self._states = {**self._states, **own}
        self._read_at, self._clock_ahead = began, now - began

    def _load(self) -> tuple[Mapping[str, BreakerState], float]:
        with self._parts.database.read() as connection:
            stored = load_breakers(connection)
            return {vendor: each.state for vendor, each in stored.items()}, self._parts.shared_time(connection)

    def _with_untold(self, vendor: str, state: BreakerState) -> BreakerState:
        results = [*self._telling.get(vendor, ()), *self._untold[vendor]]
        return state.after(results, self._rules(vendor), self._now)

    async def _probe(self, vendor: str) -> Ticket | None:
        probe = f"{self._name}.{next(self._numbers)}"
        claim = ChangeBreaker(service=vendor, probe=probe, rules=self._rules(vendor), time=self._parts.shared_time)
        self._states[vendor] = state = await self._parts.writer.submit(claim)
        return Ticket(vendor, state.trip, probe) if state.is_probed_by(probe) else None

    async def _wait(self, vendor: str, stage: Stage | None, state: BreakerState) -> None:
        """A second or less nearer to the next try; raises ProviderUnavailable when waiting is over.

        What a probe that is out now will tell is waited for, however long the vendor was away.
        """
        if state.needs_person and state.retry_at is None:
            raise ProviderUnavailable(vendor, state.code or "refused")
        rule, now = rule_of(self._parts.policy, vendor), self._now
        retry_at = state.retry_at if state.phase is BreakerPhase.OPEN else None
        is_probed = retry_at is None and now < state.probe_until
        since = state.down_since if state.down_since is not None else now
        patience = float(self._parts.policy.wait_resets * rule.reset_seconds)
        if stage not in rule.wait_in or (now >= since + patience and not is_probed):
            back = datetime.fromtimestamp(max(now, retry_at or now), UTC)
            raise ProviderUnavailable(vendor, state.code or "unavailable", retry_at=back)
        left = retry_at - now if retry_at is not None else 0.0
        await self._parts.sleep(min(_FRESH_SECONDS, max(_SOON_SECONDS, left)))

    def _add(self, vendor: str, result: CallResult) -> None:
        if vendor in _MANY_HOSTS:
            return
        before = self._states.get(vendor, _CLOSED)
        if before.is_clean and result.code is None:
            return
        after = before.after([result], self._rules(vendor), self._now)
        self._untold[vendor].append(result)
        self._states[vendor] = after
        if after.phase is not before.phase:
            _LOG.warning("the breaker of %s is %s after '%s'", vendor, after.phase.value, after.code)
        self._beat.start()
        if result.code is not None or result.probe is not None:
            self._beat.soon()

    async def _tell(self, _is_due: bool) -> None:
        """Write what is untold; what could not be written is kept for the next time."""
        for vendor, results in list(self._untold.items()):
            if not results:
                continue
            self._telling[vendor], self._untold[vendor] = results, []
            write = ChangeBreaker(
                service=vendor, rules=self._rules(vendor), results=tuple(results), time=self._parts.shared_time
            )
            try:
                told = await self._parts.writer.submit(write)
            except SQLAlchemyError as error:
                self._untold[vendor] = results + self._untold[vendor]
                _LOG.warning("the breaker of %s could not be told: %s", vendor, type(error).__name__)
                continue
            finally:
                del self._telling[vendor]
            self._states[vendor] = self._with_untold(vendor, told)
