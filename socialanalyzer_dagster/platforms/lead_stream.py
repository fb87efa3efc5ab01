"""Works on the leads of a chunk side by side and turns refusals and failures into outcomes, one lead at a time."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

from socialanalyzer_dagster.domain.error_texts import place_of
from socialanalyzer_dagster.domain.log_fields import logged_as
from socialanalyzer_dagster.domain.outcomes import Outcome, failed, rejected
from socialanalyzer_dagster.domain.ports import CallFailed, LeadResult, LeadWork
from socialanalyzer_dagster.domain.refusals import (
    BatchStopped,
    BudgetExceeded,
    JobStillRunning,
    PersonSuppressed,
    ProviderUnavailable,
    UnknownPrice,
)
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.platforms.base import Process, StageContext
from socialanalyzer_dagster.platforms.model_calls import JudgementFailedError

T = TypeVar("T")
U = TypeVar("U")
_LOG = logging.getLogger(__name__)

OneLead = Callable[[LeadWork, StageContext], Awaitable[LeadResult]]

_STOPS_THE_CHUNK = (BatchStopped, BudgetExceeded, JobStillRunning, ProviderUnavailable, UnknownPrice)
"""Refusals that are no fact about one lead: the chunk ends, its open leads stay pending for the runner to decide on."""


def each_lead(one_lead: OneLead, stage: Stage) -> Process:
    """The stage function that works on every lead by itself, as many at once as the policy allows in work.

    Results come as they are ready. A lead's own exception becomes that lead's outcome. A refusal that concerns more
    than one lead lets the calls in flight settle, yields what they gave and is raised then; leads not begun stay
    pending.
    """

    async def process(works: Sequence[LeadWork], context: StageContext) -> AsyncIterator[LeadResult]:
        permits = asyncio.Semaphore(context.policy.limits.leads_in_work[stage])
        stops: list[Exception] = []

        async def guarded(work: LeadWork) -> LeadResult | None:
            async with permits:
                if stops:
                    return None
                with logged_as(lead_uid=work.uid):
                    try:
                        return await one_lead(work, context)
                    except _STOPS_THE_CHUNK as stop:
                        stops.append(stop)
                        return None
                    except Exception as error:  # noqa: BLE001 - one lead's exception is its outcome (architecture 5)
                        return LeadResult(uid=work.uid, outcome=outcome_of(error, stage))

        tasks = [asyncio.create_task(guarded(work)) for work in works]
        try:
            for next_done in asyncio.as_completed(tasks):
                result = await next_done
                if result is not None:
                    yield result
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if stops:
            raise stops[0]

    return process


async def settled(*jobs: Awaitable[T]) -> list[T]:
    """All results, in order; when some fail, the first failure is raised after all have ended.

    Calls in flight of one lead are never abandoned for a neighbour's sake: their answers are paid for.
    """
    results = await asyncio.gather(*jobs, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


async def both(first: Awaitable[T], second: Awaitable[U]) -> tuple[T, U]:
    """Two results of different kinds; a failure is raised after both have ended."""
    one, other = asyncio.ensure_future(first), asyncio.ensure_future(second)
    await asyncio.gather(one, other, return_exceptions=True)
    return one.result(), other.result()


def outcome_of(error: Exception, stage: Stage) -> Outcome:
    """The outcome of a lead whose work ended in an exception (spec 2.3); never carries exception text."""
    if isinstance(error, PersonSuppressed):
        return rejected(stage, "suppressed")
    if isinstance(error, JudgementFailedError):
        _LOG.error("a lead failed at %s: %s of %s", stage, error.code, error.prompt_id)
        return failed(stage, error.code, prompt=error.prompt_id, problems=list(error.problems))
    if isinstance(error, CallFailed):
        code = "outcome_unknown" if error.outcome_unknown else "internal_error"
        _LOG.error("a lead failed at %s after %s", stage, error.error)
        return failed(stage, code, vendor=error.error.vendor, reason=error.error.code)
    where = place_of(error)
    _LOG.error("a lead failed at %s with %s in %s", stage, type(error).__name__, where)
    return failed(stage, "internal_error", error=type(error).__name__, where=where)
