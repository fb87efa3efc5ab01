"""One call through the gate: permits, money, sending, repeating, settling (architecture section 4, steps 3 to 7)."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Generic, TypeVar

from socialanalyzer_dagster.domain.calls import ErrorClass, Quota, Reply, VendorCall, VendorError
from socialanalyzer_dagster.domain.log_fields import logged_as
from socialanalyzer_dagster.domain.operations import OPERATIONS, Operation
from socialanalyzer_dagster.domain.ports import Answer, CallFailed
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable
from socialanalyzer_dagster.domain.types import JsonObject, JsonValue, Stage
from socialanalyzer_dagster.pipeline.gate_doors import Passage, PermitLapsed
from socialanalyzer_dagster.pipeline.gate_flight import Flight, let_settle
from socialanalyzer_dagster.pipeline.gate_parts import CallKeys, CallSite, GateParts, Sending
from socialanalyzer_dagster.pipeline.gate_till import Till
from socialanalyzer_dagster.pipeline.retries import Charge, Tries, throttles_of
from socialanalyzer_dagster.pipeline.traces import COST, call_span
from socialanalyzer_dagster.storage.attempts import Attempt, CallHistory, MarkUndecodable, packed
from socialanalyzer_dagster.storage.vendor_jobs import JobPhase, SaveJob

T = TypeVar("T")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Again:
    """A sending that failed and may be repeated: after how long, and the error when it may have been billed."""

    wait_seconds: float
    lost: VendorError | None = None


def outcome_unknown(error: VendorError) -> CallFailed:
    """The failure of a call that may have been billed without an answer."""
    return CallFailed(error, outcome_unknown=True)


def lost_before(vendor: str) -> VendorError:
    """Stands for a loss of an earlier run."""
    return VendorError(vendor, ErrorClass.UNKNOWN, "outcome_unknown")


def decoded(decode: Callable[[JsonValue], T], vendor: str, body: JsonValue) -> T:
    """The typed answer; raises CallFailed when the body does not fit."""
    try:
        return decode(body)
    except ValueError as error:
        raise CallFailed(VendorError(vendor, ErrorClass.PERMANENT_ITEM, "undecodable_answer")) from error


def unwell(unreadable: CallFailed, quotas: Sequence[Quota] = ()) -> VendorError:
    """What breaker and health are told of an answer that nobody can read: a vendor that gives such is not well."""
    error = unreadable.error
    return VendorError(error.vendor, ErrorClass.TRANSIENT, error.code, quotas=tuple(quotas))


@dataclass(frozen=True, slots=True)
class FreeAnswer(Generic[T]):
    """A free answer that could be read, and what the vendor said of its limits."""

    value: T
    quotas: Sequence[Quota]


async def free_answer(call: VendorCall[T]) -> FreeAnswer[T]:
    """One sending; raises VendorError, and CallFailed for an answer that nobody can read."""
    reply = await call.send()
    return FreeAnswer(decoded(call.decode, OPERATIONS[call.operation].vendor, reply.body), reply.quotas)


class Desk:
    """What calls and jobs have in common: permits, free reads, and judging errors."""

    def __init__(self, parts: GateParts) -> None:
        self.parts = parts
        self.till = Till(parts)

    async def passage(
        self, operation: Operation, site: CallSite, *, tokens: Mapping[str, int] | None = None
    ) -> Passage:
        """The right to call now; raises ProviderUnavailable, and BatchStopped while it waits for the vendor."""
        still_wanted = partial(self.parts.stop_flags.check, site.batch.batch_id)
        return await self.parts.doors.passage(operation, site.stage, still_wanted, tokens=tokens)

    async def reserved(
        self, sending: Sending, passage: Passage, flight: Flight, *, job_request: JsonObject | None = None
    ) -> Attempt:
        """The committed reservation of a sending that goes out now; what refuses it hands the permit back.

        Raises the refusals, and PermitLapsed when the reservation took too long: nothing is held then, and a vendor job
        (`job_request`) that was stored with it is failed, so that nobody resumes what was never sent.
        """
        try:
            attempt = await self.till.reserve(sending.attempt(self.parts), sending.site, job_request=job_request)
        except BaseException:
            passage.not_made()
            raise
        try:
            flight.raise_if_abandoned()
            await self._leave(sending.site, passage)
        except BaseException:
            passage.not_made()
            await self.till.release(attempt, "not_sent")
            if job_request is not None:
                failed = SaveJob(
                    attempt_key=attempt.attempt_key, phase=JobPhase.FAILED, polled_at=self.parts.clock.now()
                )
                await self.parts.writer.submit(failed)
            raise
        return attempt

    async def read(self, operation: Operation, site: CallSite, send: Callable[[], Awaitable[T]]) -> T:
        """A free call, repeated as the policy allows; raises CallFailed or a refusal."""
        tries = Tries(self.parts.policy.retries)
        while True:
            async with await self.passage(operation, site) as passage:
                try:
                    await self._leave(site, passage)
                except PermitLapsed:
                    passage.not_made()
                    continue
                except BaseException:
                    passage.not_made()
                    raise
                try:
                    with call_span(operation):
                        answer = await send()
                except CallFailed as unreadable:
                    passage.failed(unwell(unreadable))
                    raise
                except VendorError as error:
                    passage.failed(error)
                    wait = self.judge(operation, site, error, tries)
                else:
                    passage.answered(answer.quotas if isinstance(answer, Reply | FreeAnswer) else ())
                    return answer
            await self.parts.sleep(wait)
            await self.parts.stop_flags.check(site.batch.batch_id)

    async def _leave(self, site: CallSite, passage: Passage) -> None:
        """The call goes out now, however long it waited: raises when its people or its batch may not be worked on."""
        await self.parts.suppression.check(site.leads)
        await self.parts.stop_flags.check(site.batch.batch_id)
        passage.sent()

    def judge(self, operation: Operation, site: CallSite, error: VendorError, tries: Tries) -> float:
        """Seconds to wait before the next sending; raises CallFailed or ProviderUnavailable when there is none.

        Nothing is given up because the vendor is away, which its breaker says: the next sending waits for it.
        """
        if error.error_class is ErrorClass.PERMANENT_SERVICE:
            raise ProviderUnavailable(error.vendor, error.code) from error
        wait = tries.wait_before_next(operation, error)
        if error.error_class is ErrorClass.THROTTLED:
            longest = float(self.parts.policy.retries.longest_wait_seconds)
            pause = error.retry_after_seconds or (longest if wait is None else wait)
            self.parts.doors.limits.pause(operation.bucket, pause)
            if wait is None and site.stage is not Stage.SYNCED:  # the CRM write answers for its rows itself
                retry_at = self.parts.clock.now() + timedelta(seconds=pause)
                raise ProviderUnavailable(error.vendor, "rate_limit_reached", retry_at=retry_at) from error
        elif wait is None and error.error_class is not ErrorClass.PERMANENT_ITEM:
            is_awaited = self.parts.doors.breakers.waits_for(operation.vendor, site.stage)
            wait = tries.backoff_seconds() if is_awaited else None
        if wait is None:
            if error.error_class is not ErrorClass.PERMANENT_ITEM:
                _LOG.warning("%s is given up after %s", operation.key, error)
            raise CallFailed(error) from error
        _LOG.warning("%s is tried again in %.1f s after %s", operation.key, wait, error)
        return wait


class Exchange(Generic[T]):
    """The sendings of one call until there is an answer."""

    def __init__(self, desk: Desk, call: VendorCall[T], site: CallSite, keys: CallKeys) -> None:
        self._desk = desk
        self._parts = desk.parts
        self._call = call
        self._site = site
        self._keys = keys
        self._operation = OPERATIONS[call.operation]
        policy = self._parts.policy
        self._tries = Tries(policy.retries, throttles=throttles_of(self._operation, policy))

    async def run(self, history: CallHistory) -> Answer[T]:
        """The answer, settled and stored; raises CallFailed and the refusals."""
        worst = 0
        if self._operation.spends:
            worst = self._parts.prices.worst_case(self._operation.key, self._call.max_units)
        lost = lost_before(self._operation.vendor)
        while True:
            if not self._desk.till.may_repeat_lost(self._operation, history):
                raise outcome_unknown(lost)
            sending = Sending(
                site=self._site,
                operation=self._operation,
                keys=self._keys,
                issue=history.issues + 1,
                worst_micros=worst,
            )
            passage = await self._desk.passage(self._operation, self._site, tokens=self._call.tokens)
            async with passage:
                result = await let_settle(
                    partial(self._send, sending, passage), self._parts.policy.runtime.settle_seconds
                )
            if isinstance(result, Answer):
                return result
            history = replace(history, issues=sending.issue)
            if result.lost is not None:
                lost = result.lost
                history = replace(history, lost=history.lost + 1, lost_since_asked=history.lost_since_asked + 1)
            await self._parts.sleep(result.wait_seconds)
            await self._parts.stop_flags.check(self._site.batch.batch_id)

    async def _send(self, sending: Sending, passage: Passage, flight: Flight) -> Answer[T] | Again:
        try:
            attempt = await self._desk.reserved(sending, passage, flight)
        except PermitLapsed:
            return Again(0.0)
        with logged_as(attempt_key=attempt.attempt_key), call_span(self._operation) as note:
            result = await self._sent(attempt, passage)
            if isinstance(result, Answer):
                note.set_attribute(COST, result.cost_micros)
            return result

    async def _sent(self, attempt: Attempt, passage: Passage) -> Answer[T] | Again:
        began = self._parts.monotonic()
        try:
            reply = await self._call.send()
        except VendorError as error:
            passage.failed(error)
            return await self._failed(attempt, error, self._elapsed(began))
        except BaseException:  # cancelled or broken on our side while the request was out: it may have been billed
            await self._desk.till.lose(attempt, "interrupted", self._elapsed(began))
            raise
        value = self._value(reply.body)
        if isinstance(value, CallFailed):  # paid all the same
            passage.failed(unwell(value, reply.quotas))
        else:
            passage.answered(reply.quotas)
        return await self._settled(attempt, reply, value, self._elapsed(began))

    async def _failed(self, attempt: Attempt, error: VendorError, latency_milliseconds: int) -> Again:
        charge = await self._desk.till.fail(attempt, error, latency_milliseconds)
        if charge is Charge.NONE:
            return Again(self._desk.judge(self._operation, self._site, error, self._tries))
        _LOG.warning("whether %s was charged is not known after %s", self._operation.key, error)
        return Again(self._tries.backoff_seconds(), lost=error)

    async def _settled(
        self, attempt: Attempt, reply: Reply, value: T | CallFailed, latency_milliseconds: int
    ) -> Answer[T]:
        amount = self._desk.till.billed(lambda: self._parts.prices.settled(reply), attempt.reserved_micros)
        try:
            body: bytes | None = packed(reply.body)
        except (TypeError, ValueError):
            body = None
        await self._desk.till.settle(attempt, amount, body=body, latency_milliseconds=latency_milliseconds)
        return Answer(
            value=await self._usable(attempt.attempt_key, value),
            attempt_key=attempt.attempt_key,
            cost_micros=amount,
            reused=False,
            fetched_at=self._parts.clock.now(),
        )

    async def decoded(self, attempt_key: str, body: JsonValue) -> T:
        """The typed answer of a settled sending; raises CallFailed, and marks the body so that nobody gets it again."""
        return await self._usable(attempt_key, self._value(body))

    def _value(self, body: JsonValue) -> T | CallFailed:
        try:
            return decoded(self._call.decode, self._operation.vendor, body)
        except CallFailed as failure:
            return failure

    async def _usable(self, attempt_key: str, value: T | CallFailed) -> T:
        if isinstance(value, CallFailed):
            mark = MarkUndecodable(attempt_key=attempt_key, error_code=value.error.code)
            await self._parts.writer.submit(mark)
            raise value
        return value

    def _elapsed(self, began: float) -> int:
        return round((self._parts.monotonic() - began) * 1000)
