"""A gate for tests: sends every call, remembers answers by request, notes what went out; no ledger, no waiting."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from typing import TypeVar

from socialanalyzer_dagster.domain.calls import JobState, Reply, Units, VendorCall, VendorError, VendorJob
from socialanalyzer_dagster.domain.leads import Identifier
from socialanalyzer_dagster.domain.operations import OPERATIONS
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import Answer, CallFailed, Clock, StoredJob
from socialanalyzer_dagster.domain.refusals import BudgetExceeded, PersonSuppressed, ProviderUnavailable
from socialanalyzer_dagster.domain.types import JsonValue, LeadUid, sha256_of

T = TypeVar("T")


@dataclass(frozen=True)
class Sent:
    """One call that reached a vendor."""

    operation: str
    step: str
    leads: tuple[LeadUid, ...]
    request: JsonValue
    cost_micros: int


@dataclass
class RememberingGate:
    """Answers from memory or from the vendor; `suppressed` holds lead ids and identifier values, `refusing` vendors."""

    policy: Policy
    clock: Clock
    suppressed: set[str] = field(default_factory=set)
    unavailable: set[str] = field(default_factory=set)
    failing: dict[str, VendorError] = field(default_factory=dict)
    budget_micros: int | None = None
    sent: list[Sent] = field(default_factory=list)
    asked: list[tuple[str, str, tuple[LeadUid, ...], int]] = field(default_factory=list)
    jobs: list[tuple[str, StoredJob]] = field(default_factory=list)
    _permits: dict[str, asyncio.Semaphore] = field(default_factory=dict)
    _answers: dict[str, tuple[JsonValue, str]] = field(default_factory=dict)

    async def call(self, call: VendorCall[T], *, leads: Sequence[LeadUid], step: str, ordinal: int = 0) -> Answer[T]:
        key = self._admit(call.operation, call.request, leads, step, ordinal)
        if key in self._answers:
            return self._answer(call.decode(self._answers[key][0]), key, 0, reused=True)
        self._check_money(call.max_units)
        try:
            async with self._permit(call.operation):
                reply = await call.send()
        except VendorError as error:
            raise CallFailed(error) from error
        cost = self._cost(reply)
        self.sent.append(Sent(call.operation, step, tuple(leads), call.request, cost))
        self._answers[key] = (reply.body, step)
        return self._answer(call.decode(reply.body), key, cost, reused=False)

    async def run_job(self, job: VendorJob[T], *, leads: Sequence[LeadUid], step: str) -> Answer[T]:
        key = self._admit(job.operation, job.request, leads, step, 0)
        if key in self._answers:
            return self._answer(job.decode(self._answers[key][0]), key, 0, reused=True)
        self._check_money(job.max_units)
        self.jobs.append((step, StoredJob(key=key, leads=tuple(leads), request=job.request, is_open=False)))
        try:
            async with self._permit(job.operation):
                items, cost = await self._work_off(job)
        except VendorError as error:
            raise CallFailed(error) from error
        self.sent.append(Sent(job.operation, step, tuple(leads), job.request, cost))
        self._answers[key] = (items, step)
        return self._answer(job.decode(items), key, cost, reused=False)

    async def stored_jobs(self, step: str) -> Sequence[StoredJob]:
        return [job for stored_step, job in self.jobs if stored_step == step]

    async def identify(self, lead: LeadUid, identifiers: Sequence[Identifier]) -> None:
        if any(identifier.value in self.suppressed for identifier in identifiers):
            raise PersonSuppressed(lead)

    def steps_sent(self) -> list[str]:
        """Steps in the order their calls went out."""
        return [sent.step for sent in self.sent]

    def _permit(self, operation: str) -> asyncio.Semaphore:
        bucket = OPERATIONS[operation].bucket
        limit = self.policy.limits.buckets[bucket].concurrent
        return self._permits.setdefault(bucket, asyncio.Semaphore(limit))

    async def _work_off(self, job: VendorJob[T]) -> tuple[list[JsonValue], int]:
        status = await job.start(self._price(job.max_units))
        while status.state is JobState.RUNNING:
            status = await job.poll(status.job_id)
        items: list[JsonValue] = []
        offset: int | None = 0
        while offset is not None:
            page = await job.page(status, offset)
            items.extend(page.items)
            offset = page.next_offset
        reported = status.reported_micros
        return items, reported if reported is not None else self._price(job.units(len(items)))

    def _admit(self, operation: str, request: JsonValue, leads: Sequence[LeadUid], step: str, ordinal: int) -> str:
        for lead in leads:
            if lead in self.suppressed:
                raise PersonSuppressed(lead)
        self.asked.append((operation, step, tuple(leads), ordinal))
        vendor = operation.split(".", maxsplit=1)[0]
        if vendor in self.unavailable or operation in self.unavailable:
            raise ProviderUnavailable(vendor, "switched_off_by_the_test")
        if operation in self.failing:
            raise CallFailed(self.failing[operation])
        return sha256_of([operation, request, ordinal])

    def _check_money(self, units: Units) -> None:
        if self.budget_micros is not None and self.spent_micros + self._price(units) > self.budget_micros:
            raise BudgetExceeded("batch", self.budget_micros, self._price(units))

    @property
    def spent_micros(self) -> int:
        """What all calls cost."""
        return sum(sent.cost_micros for sent in self.sent)

    def _cost(self, reply: Reply) -> int:
        return self._price(reply.units) if reply.reported_micros is None else reply.reported_micros

    def _price(self, units: Units) -> int:
        exact = Decimal(0)
        for key, amount in units.items():
            price = self.policy.prices[key]
            exact += price.usd * Decimal(amount) / price.per * 1_000_000
        return int(exact.to_integral_value(ROUND_CEILING))

    def _answer(self, value: T, key: str, cost: int, *, reused: bool) -> Answer[T]:
        return Answer(value=value, attempt_key=key, cost_micros=cost, reused=reused, fetched_at=self.clock.now())
