"""Reading a job's cost a second time: vendors report their final figure late (spec 12.4, vendor-contracts 4.1)."""

import asyncio
import logging
from dataclasses import dataclass, replace

from socialanalyzer_dagster.domain.calls import VendorJob
from socialanalyzer_dagster.domain.operations import OPERATIONS
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.refusals import Refusal
from socialanalyzer_dagster.pipeline.gate_calls import Desk
from socialanalyzer_dagster.pipeline.gate_parts import CallSite, NoBatch
from socialanalyzer_dagster.storage.attempts import Attempt

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EndedJob:
    """A job that is booked; `is_over` is set once its run has read what it can of it."""

    attempt: Attempt
    job_id: str
    is_over: asyncio.Event


class Rereads:
    """Background reads of this process; a difference becomes a correction row of the batch."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tasks: set[asyncio.Task[None]] = set()

    def plan(self, job: VendorJob[object], site: CallSite, ended: EndedJob) -> None:
        """Read the cost of a settled job again after the policy's wait; a stop of its batch does not prevent it."""
        parts = self._desk.parts
        nobody = NoBatch(platform=site.batch.platform, policy_version=site.batch.policy_version, run=parts.owner)
        task = asyncio.create_task(self._reread(job, replace(site, batch=nobody, leads=()), ended))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, *, wait: bool) -> None:
        """Wait for the planned reads, or drop them when the run is being cancelled."""
        tasks = tuple(self._tasks)
        if not wait:
            for task in tasks:
                task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    async def _reread(self, job: VendorJob[object], site: CallSite, ended: EndedJob) -> None:
        parts = self._desk.parts
        await parts.sleep(parts.policy.retries.cost_reread_seconds)
        reads = OPERATIONS[job.operation].reads or job.operation
        try:
            status = await self._desk.read(OPERATIONS[reads], site, lambda: job.poll(ended.job_id))
        except (CallFailed, Refusal) as error:
            _LOG.warning("the final cost of a %s job could not be read: %s", job.operation, error)
            return
        await ended.is_over.wait()  # what it cost is held against what it delivered
        if status.reported_micros is not None:
            await self._desk.till.correct(ended.attempt, status.reported_micros)
