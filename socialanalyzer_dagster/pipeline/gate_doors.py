"""The way out of one call: past its vendor's breaker and limits, and what its end tells both (spec 3.3, 13.2)."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Self

from socialanalyzer_dagster.domain.calls import Quota, VendorError
from socialanalyzer_dagster.domain.operations import Operation
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import Clock
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.call_health import CallHealth
from socialanalyzer_dagster.pipeline.gate_breaker import BreakerParts, Breakers, Ticket
from socialanalyzer_dagster.pipeline.limit_rates import LimitTooFar, Sleep
from socialanalyzer_dagster.pipeline.limit_source import SharedSource
from socialanalyzer_dagster.pipeline.limits import Limits, Permit
from socialanalyzer_dagster.pipeline.writer import GroupWriter
from socialanalyzer_dagster.storage.database import Database, SharedTime, shared_seconds


class PermitLapsed(Exception):
    """The reservation took longer than a permit may be kept: nothing was sent, ask again."""


@dataclass(slots=True, kw_only=True)
class Passage:
    """One call on its way out, as `async with`; exactly one of `answered`, `failed` and `not_made` ends it."""

    doors: "Doors"
    operation: Operation
    permit: Permit
    ticket: Ticket
    _is_ended: bool = field(default=False)

    def sent(self) -> None:
        """The call goes out now; raises PermitLapsed when it must not any more."""
        if self.permit.has_lapsed:
            raise PermitLapsed
        self.permit.sent()

    def answered(self, quotas: Sequence[Quota] = ()) -> None:
        """An answer came."""
        self._is_ended = True
        self.doors.breakers.succeeded(self.ticket)
        self._note(None, quotas)

    def failed(self, error: VendorError) -> None:
        """The call failed, in any class."""
        self._is_ended = True
        self.doors.breakers.failed(self.ticket, error)
        self._note(error, error.quotas)

    def not_made(self) -> None:
        """The call was not sent: it counts against no rate."""
        self._is_ended = True
        self.permit.give_back()
        self.doors.breakers.not_made(self.ticket)

    async def turned_away(self) -> None:
        """The vendor went away meanwhile: everything is handed back."""
        async with self:
            self.not_made()

    async def __aenter__(self) -> Self:
        await self.permit.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_ended:  # cut off: nothing is known of the vendor
            self.doors.breakers.not_made(self.ticket)
        await self.permit.__aexit__(kind, error, trace)

    def _note(self, error: VendorError | None, quotas: Sequence[Quota]) -> None:
        if self.permit.sent_at is not None:
            took = self.doors.monotonic() - self.permit.sent_at
            self.doors.health.note(self.operation.vendor, round(took * 1000), error)
        self.doors.limits.obey(self.operation.bucket, quotas, self.permit.sent_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """What every call of a process passes: breakers and limits that all processes share, and notes on its health."""

    breakers: Breakers
    limits: Limits
    health: CallHealth
    longest_wait_seconds: float
    monotonic: Callable[[], float]

    async def passage(
        self,
        operation: Operation,
        stage: Stage | None,
        still_wanted: Callable[[], Awaitable[None]],
        *,
        tokens: Mapping[str, int] | None = None,
    ) -> Passage:
        """The right to call now; raises ProviderUnavailable when the vendor is away or the rate allows it too late.

        The breaker is asked before the wait for a place, which it spares, and after it, which may have been long.
        """
        while True:
            ticket = await self.breakers.admit(operation.vendor, stage, still_wanted)
            passage = await self._admitted(operation, ticket, tokens)
            try:
                if await self.breakers.still_admits(ticket):
                    return passage
            except BaseException:
                await passage.turned_away()
                raise
            await passage.turned_away()

    async def _admitted(self, operation: Operation, ticket: Ticket, tokens: Mapping[str, int] | None) -> Passage:
        try:
            permit = await self.limits.acquire(
                operation.bucket, longest_wait_seconds=self.longest_wait_seconds, tokens=tokens
            )
        except BaseException as error:
            self.breakers.not_made(ticket)
            if isinstance(error, LimitTooFar):
                retry_at = self.health.clock.now() + timedelta(seconds=error.wait_seconds)
                raise ProviderUnavailable(operation.vendor, "rate_limit_reached", retry_at=retry_at) from error
            raise
        return Passage(doors=self, operation=operation, permit=permit, ticket=ticket)

    async def close(self) -> None:
        """Hand everything back and write what is left to write."""
        await self.limits.close()
        await self.breakers.close()
        await self.health.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorParts:
    """What doors are made of; `holder` is the work that may be taken over; the last three are for tests."""

    database: Database
    writer: GroupWriter
    policy: Policy
    clock: Clock
    holder: str = ""
    sleep: Sleep = asyncio.sleep
    monotonic: Callable[[], float] = time.monotonic
    shared_time: SharedTime = shared_seconds


def doors_of(parts: DoorParts) -> Doors:
    """The doors of one process under one policy; belongs to the event loop that will use it."""
    breakers = BreakerParts(
        database=parts.database,
        writer=parts.writer,
        policy=parts.policy.breakers,
        shared_time=parts.shared_time,
        sleep=parts.sleep,
        monotonic=parts.monotonic,
    )
    limits = Limits(
        parts.policy.limits,
        SharedSource(parts.writer, parts.shared_time),
        holder=parts.holder,
        sleep=parts.sleep,
        monotonic=parts.monotonic,
    )
    return Doors(
        breakers=Breakers(breakers),
        limits=limits,
        health=CallHealth(parts.writer, parts.clock),
        longest_wait_seconds=parts.policy.retries.longest_wait_seconds,
        monotonic=parts.monotonic,
    )
