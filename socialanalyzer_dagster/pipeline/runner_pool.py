"""Chunks of leads worked on side by side, until they are done or something ends the stage early (architecture 5)."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime

from socialanalyzer_dagster.domain.leads import Identifier
from socialanalyzer_dagster.domain.log_fields import logged_as
from socialanalyzer_dagster.domain.outcomes import Outcome, Result, rejected
from socialanalyzer_dagster.domain.ports import LeadResult, LeadWork
from socialanalyzer_dagster.domain.refusals import (
    BatchStopped,
    BudgetExceeded,
    JobStillRunning,
    PersonSuppressed,
    ProviderUnavailable,
    Refusal,
    UnknownPrice,
)
from socialanalyzer_dagster.domain.suppression import identifiers_of_candidates, identifiers_of_record
from socialanalyzer_dagster.domain.types import LeadUid, Stage
from socialanalyzer_dagster.pipeline.open_batch import Brake
from socialanalyzer_dagster.pipeline.outcome_writes import Finished
from socialanalyzer_dagster.pipeline.runner_buffer import ResultBuffer, StorageFault
from socialanalyzer_dagster.pipeline.runner_work import Chunk
from socialanalyzer_dagster.platforms.base import Process, StageContext
from socialanalyzer_dagster.platforms.lead_stream import outcome_of

_LOG = logging.getLogger(__name__)
_FINISHING_PART = 4
"""After this part of the settling time leads in work are cancelled; the gate lets their calls settle in the rest."""
Halting = BatchStopped | ProviderUnavailable | UnknownPrice | JobStillRunning
_HALTING = (BatchStopped, ProviderUnavailable, UnknownPrice, JobStillRunning)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolParts:
    """`reload` gives the same leads with what was stored since."""

    stage: Stage
    process: Process
    context: StageContext
    buffer: ResultBuffer
    brake: Brake
    reload: Callable[[list[LeadWork]], list[LeadWork]]


@dataclass(slots=True)
class Pool:
    """Works on chunks; afterwards `halt` or `budget` say what ended it early, leads without a result stay pending."""

    parts: PoolParts
    halt: Halting | None = None
    budget: BudgetExceeded | None = None
    _parked: list[Chunk] = field(default_factory=list)
    _faulty: bool = False
    _pulling: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self, chunks: AsyncIterator[Chunk], width: int) -> None:
        """Work on everything, `width` chunks at once.

        A spending cap may refuse a call only because others hold their worst case: then what is in flight settles, and
        the rest is worked on one chunk at a time until the cap refuses a call that nobody else holds money beside.
        """
        await self._work(chunks, width)
        if self._parked and self.halt is None:
            waiting, self._parked, self.budget = self._parked, [], None
            await self._work(_followed_by(waiting, chunks), 1)

    async def _work(self, chunks: AsyncIterator[Chunk], width: int) -> None:
        tasks = [asyncio.create_task(self._worker(chunks)) for _ in range(width)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            self._faulty = any(task.done() and task.exception() is not None for task in tasks)
            await asyncio.wait(tasks)
        except asyncio.CancelledError:
            self.parts.brake.pull("its run is being cancelled")
            await asyncio.wait(tasks, timeout=self.parts.context.policy.runtime.settle_seconds / _FINISHING_PART)
            raise
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _worker(self, chunks: AsyncIterator[Chunk]) -> None:
        while (chunk := await self._next(chunks)) is not None:
            await self._do(chunk)

    async def _next(self, chunks: AsyncIterator[Chunk]) -> Chunk | None:
        async with self._pulling:
            return None if self._is_over else await anext(chunks, None)

    @property
    def _is_over(self) -> bool:
        return self.halt is not None or self.budget is not None or self._faulty or self.parts.brake.is_pulled

    async def _do(self, chunk: Chunk) -> None:
        """One chunk to its end; leads that an exception left open are tried one by one, so that it hits only one."""
        attempt = _Attempt(self.parts, chunk)
        try:
            await attempt.run()
        except BudgetExceeded as refused:
            self.budget = refused
            self._parked.append(tuple(attempt.open_leads))
        except _HALTING as refused:
            self.halt = self.halt or refused
        except StorageFault:
            raise
        except Exception as error:  # noqa: BLE001 - one lead's exception is that lead's outcome (architecture 5)
            await self._after_error(attempt, error)

    async def _after_error(self, attempt: "_Attempt", error: Exception) -> None:
        left = attempt.open_leads
        if not left:
            _LOG.error("%s ended with %s after all its leads", self.parts.stage, type(error).__name__)
        if len(left) == 1:
            with logged_as(lead_uid=left[0].uid):
                outcome = outcome_of(error, self.parts.stage)
            await attempt.take(LeadResult(uid=left[0].uid, outcome=outcome))
            return
        for work in await asyncio.to_thread(self.parts.reload, left):
            if not self._is_over:
                await self._do((work,))


async def _followed_by(first: list[Chunk], rest: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
    for chunk in first:
        yield chunk
    async for chunk in rest:
        yield chunk


class _Attempt:
    """One chunk handed to the stage function."""

    def __init__(self, parts: PoolParts, chunk: Chunk) -> None:
        self._parts = parts
        self._open: dict[LeadUid, LeadWork] = {work.uid: work for work in chunk}
        self._started: datetime = parts.context.clock.now()
        self._refusal: Refusal | None = None

    @property
    def open_leads(self) -> list[LeadWork]:
        """Leads without a result, in batch order."""
        return list(self._open.values())

    async def run(self) -> None:
        """Identify everybody, then take results as they come; a suppressed person leaves the chunk."""
        await self._identify()
        while self._open:
            try:
                async for result in self._parts.process(self.open_leads, self._parts.context):
                    await self.take(result)
            except PersonSuppressed as refused:
                if refused.lead not in self._open:
                    raise
                await self._reject(refused.lead)
            else:
                break
        if self._refusal is not None:
            raise self._refusal

    async def _identify(self) -> None:
        for work in self.open_leads:
            try:
                await self._parts.context.gate.identify(work.uid, identifiers_of(work))
            except PersonSuppressed:
                await self._reject(work.uid)

    async def _reject(self, lead: LeadUid) -> None:
        await self.take(LeadResult(uid=lead, outcome=rejected(self._parts.stage, "suppressed")))

    async def take(self, result: LeadResult) -> None:
        """Pass a result on to be stored; a skip that concerns the whole stage is raised at the end of the chunk.

        At the end, because leaving the stage function earlier would cut off calls in flight.
        """
        if result.uid not in self._open:
            raise ValueError("a stage function answered a lead that it was not given, or answered it twice")
        if result.outcome.stage is not self._parts.stage:
            raise ValueError(f"a stage function of {self._parts.stage} gave an outcome of {result.outcome.stage}")
        if (refusal := refusal_of(result.outcome)) is not None:
            self._refusal = self._refusal or refusal
            return
        del self._open[result.uid]
        now = self._parts.context.clock.now()
        await self._parts.buffer.add(Finished(result=result, started_at=self._started, finished_at=now))


def identifiers_of(work: LeadWork) -> tuple[Identifier, ...]:
    """Every spelling a lead is known by."""
    found = (*identifiers_of_record(work.record), *identifiers_of_candidates(work.candidates))
    return tuple(dict.fromkeys(found))


def refusal_of(outcome: Outcome) -> Refusal | None:
    """What a skip stands for that concerns the whole stage: the runner writes it, for all leads alike."""
    if outcome.result is not Result.SKIPPED:
        return None
    if outcome.code == "budget_stopped":
        scope = str(outcome.detail.get("scope", "batch"))
        return BudgetExceeded(scope, _number(outcome, "cap_micros"), _number(outcome, "needed_micros"))
    if outcome.code == "batch_stopped":
        return BatchStopped("the batch was stopped")
    if outcome.code == "provider_unavailable" and not outcome.goes_on:
        return ProviderUnavailable(str(outcome.detail.get("vendor", "a vendor")), str(outcome.detail.get("reason", "")))
    return None


def _number(outcome: Outcome, name: str) -> int:
    value = outcome.detail.get(name)
    return value if isinstance(value, int) else 0
