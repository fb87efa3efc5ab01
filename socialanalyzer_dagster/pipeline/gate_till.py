"""The gate's hand on the money: reserve before a sending, and say afterwards how it ended (spec 12.4)."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from socialanalyzer_dagster.domain.calls import VendorError
from socialanalyzer_dagster.domain.operations import OPERATIONS, Operation, Repeat
from socialanalyzer_dagster.domain.refusals import UnknownPrice
from socialanalyzer_dagster.pipeline.gate_parts import CallSite, GateParts, Sending
from socialanalyzer_dagster.pipeline.price_news import FinalCost
from socialanalyzer_dagster.pipeline.retries import Charge, charge_of
from socialanalyzer_dagster.storage.attempts import Attempt, AttemptState, CallHistory
from socialanalyzer_dagster.storage.ledger import RecordReuse
from socialanalyzer_dagster.storage.money import Finish, Reserve, SuppressionsChanged

_LOG = logging.getLogger(__name__)
_MOST_REPEATS = 1
"""Of a lost paid call without a person (spec 12.4), also under a policy that was stored when more was allowed."""


class Till:
    """Moves the money of sendings through the group writer."""

    def __init__(self, parts: GateParts) -> None:
        self._parts = parts

    async def reserve(
        self, attempt: Attempt, site: CallSite, *, job_request: Mapping[str, Any] | None = None
    ) -> Attempt:
        """The sending with its scopes, committed; raises the refusals of domain.refusals.

        Whoever was put on the suppression list while the call waited is found by the list that the reservation names.
        """
        while True:
            await self._parts.suppression.check(site.leads)
            write = Reserve(
                attempt=attempt,
                caps=self._parts.caps,
                suppression_revision=self._parts.suppression.revision,
                job_request=job_request,
            )
            try:
                reserved = await self._parts.writer.submit(write)
            except SuppressionsChanged:
                self._parts.suppression.expire()
                continue
            for warning in reserved.warnings:
                self._parts.on_cap_warning(warning)
            return reserved.attempt

    async def settle(
        self,
        attempt: Attempt,
        amount_micros: int,
        *,
        body: bytes | None = None,
        error_code: str | None = None,
        latency_milliseconds: int | None = None,
    ) -> bool:
        """Book what the vendor charged, with the answer; False when the sending was booked before and stays as it is.

        An error code keeps other batches from reusing the answer.
        """
        if amount_micros > attempt.reserved_micros:
            _LOG.warning(
                "%s charged %d micro-USD where at most %d were expected",
                attempt.operation, amount_micros, attempt.reserved_micros,
            )  # fmt: skip
        write = Finish(
            attempt=attempt,
            state=AttemptState.SETTLED,
            at=self._parts.clock.now(),
            amount_micros=amount_micros,
            body=body,
            error_code=error_code,
            latency_milliseconds=latency_milliseconds,
        )
        return await self._parts.writer.submit(write)

    async def correct(self, attempt: Attempt, reported_micros: int) -> None:
        """Replace what is booked by the vendor's own, later figure, and tell of a price that it contradicts."""
        write = FinalCost(attempt=attempt, reported_micros=reported_micros, at=self._parts.clock.now())
        await self._parts.writer.submit(write)

    async def release(self, attempt: Attempt, error_code: str, latency_milliseconds: int | None = None) -> None:
        """Nothing was charged for certain."""
        await self._end(attempt, AttemptState.RELEASED, error_code, latency_milliseconds)

    async def lose(self, attempt: Attempt, error_code: str, latency_milliseconds: int | None = None) -> None:
        """Whether it was charged is not known: the worst case stays held as unknown."""
        await self._end(attempt, AttemptState.UNKNOWN, error_code, latency_milliseconds)

    async def fail(self, attempt: Attempt, error: VendorError, latency_milliseconds: int | None = None) -> Charge:
        """Release or lose, by what is certain about the error."""
        charge = charge_of(OPERATIONS[attempt.operation], error)
        end = self.release if charge is Charge.NONE else self.lose
        await end(attempt, error.code, latency_milliseconds)
        return charge

    async def record_reuse(self, sending: Sending, attempt_key: str, saved_micros: int) -> None:
        """Make visible that an answer was given again, and what that saved the batch."""
        asked = replace(sending.attempt(self._parts), attempt_key=attempt_key)
        write = RecordReuse(attempt=asked, saved_micros=saved_micros, at=self._parts.clock.now())
        await self._parts.writer.submit(write)

    def billed(self, price: Callable[[], int], worst_micros: int) -> int:
        """The price of an answer; the worst case when the vendor bills a unit without a price: never less than due."""
        try:
            return price()
        except UnknownPrice as error:
            _LOG.error("an answer was billed in '%s', which has no price: the worst case is booked", error.price_key)
            return worst_micros

    def may_repeat_lost(self, operation: Operation, history: CallHistory) -> bool:
        """Whether a call may be sent in spite of its lost sendings (spec 12.4).

        The policy bounds repeats of one call in a batch, over all of its runs; what the contract says to look up first
        is never repeated blindly. When a person asks for the batch again, every lost call may be sent once, unless the
        policy forbids repeats altogether; that a batch was queued by itself, as after a crash, allows nothing.
        """
        repeats = min(self._parts.policy.retries.reissue_lost, _MOST_REPEATS)
        if history.lost == 0 or (repeats > 0 and history.lost_since_asked == 0):
            return True
        return history.lost <= repeats and operation.repeat is not Repeat.ASK_FIRST

    async def _end(
        self, attempt: Attempt, state: AttemptState, error_code: str, latency_milliseconds: int | None
    ) -> None:
        write = Finish(
            attempt=attempt,
            state=state,
            at=self._parts.clock.now(),
            error_code=error_code,
            latency_milliseconds=latency_milliseconds,
        )
        await self._parts.writer.submit(write)
