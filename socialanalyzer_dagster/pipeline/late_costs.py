"""The final cost of ended jobs whose run could not read it again: it was killed or cancelled meanwhile (spec 12.4)."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from socialanalyzer_dagster.domain.calls import JobState
from socialanalyzer_dagster.domain.money import usd_text
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable
from socialanalyzer_dagster.pipeline.free_calls import FreeCalls, free_calls
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.price_news import FinalCost
from socialanalyzer_dagster.pipeline.session import PipelineSession
from socialanalyzer_dagster.pipeline.vendor_job_polls import COST_TELLERS, STATUS_CALLS
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage.attempts import Attempt
from socialanalyzer_dagster.storage.corrections import costs_read_once

_AT_ONCE = 5
_PATIENCE_SECONDS = 40.0
"""Less than the minute after which Dagster gives a sensor up."""
Job = tuple[Attempt, str]
"""A sending and the vendor's id of the job it started."""


def late_costs(workplace: Workplace) -> list[Job]:
    """Booked jobs of the last `discovery.give_up_hours` whose cost was read at their end alone.

    A run reads it `retries.cost_reread_seconds` later by itself: whoever waits as long again leaves that to it.
    """
    policy, now = active_policy(workplace.database), workplace.clock.now()
    wait = timedelta(seconds=policy.retries.cost_reread_seconds)
    oldest = now - timedelta(hours=policy.discovery.give_up_hours)
    with workplace.database.read() as connection:
        return costs_read_once(connection, COST_TELLERS, ended_within=(oldest, now - 2 * wait), again_after=wait)


async def read_late_costs(session: PipelineSession, late: Sequence[Job]) -> list[str]:
    """Book what the vendors report by now, a few jobs at a time; a sentence for people, none where there are no jobs.

    A job that cannot be read now is left to the next tick.
    """
    if not late:
        return []
    workplace = session.parts.workplace
    places, deadline = asyncio.Semaphore(_AT_ONCE), asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    async with free_calls(workplace.database, active_policy(workplace.database), workplace.clock) as calls:

        async def read(job: Job) -> int | None:
            try:
                async with asyncio.timeout_at(deadline), places:
                    return await _read_again(session, calls, job)
            except (TimeoutError, CallFailed, ProviderUnavailable):
                return None

        differences = [each for each in await asyncio.gather(*map(read, late)) if each is not None]
    added = usd_text(sum(differences))
    return [f"The final cost of {len(differences)} of {len(late)} ended jobs was read: {added} more than was booked."]


async def _read_again(session: PipelineSession, calls: FreeCalls, job: Job) -> int | None:
    """The difference that was booked; None while the vendor does not say what the job cost."""
    attempt, job_id = job
    call = STATUS_CALLS[attempt.provider](session.parts.vendors, job_id)
    if call is None:
        return None
    status = await calls.send(call)
    if status.state is JobState.RUNNING or status.reported_micros is None:
        return None
    now = session.parts.workplace.clock.now()
    return await session.writer.submit(FinalCost(attempt=attempt, reported_micros=status.reported_micros, at=now))
