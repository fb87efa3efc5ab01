"""Batches that wait for a vendor's job: polled by the stored id, queued again when it has ended (spec 6.2, 3.4)."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from socialanalyzer_dagster.domain.calls import JobState, JobStatus, VendorCall
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.refusals import Refusal
from socialanalyzer_dagster.pipeline.batch_actions import Deed, retry
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus, Transition, transition
from socialanalyzer_dagster.pipeline.gate import CallWindow, spending_gate
from socialanalyzer_dagster.pipeline.gate_parts import BatchIdentity
from socialanalyzer_dagster.pipeline.policies import policy_of_hash
from socialanalyzer_dagster.pipeline.price_news import BILLED_UNITS
from socialanalyzer_dagster.pipeline.session import PipelineSession
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import batches
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.models_control import VendorJobRow
from socialanalyzer_dagster.storage.recovery import give_up_held
from socialanalyzer_dagster.storage.vendor_jobs import JobPhase
from socialanalyzer_dagster.vendors.bundle import Vendors

_STEP = "poll"
_BY = "vendor_job_sensor"
_AT_ONCE = 5
_PATIENCE_SECONDS = 40.0
"""Less than the minute after which Dagster gives a sensor up."""
StatusCall = Callable[[Vendors, str], VendorCall[JobStatus] | None]

STATUS_CALLS: Mapping[str, StatusCall] = {
    "insightiq": lambda vendors, job_id: vendors.insightiq.job_status(job_id) if vendors.insightiq else None,
    "openai": lambda vendors, job_id: vendors.llm.batch_status(job_id) if vendors.llm else None,
    "apify": lambda vendors, job_id: vendors.apify.run_status(job_id) if vendors.apify else None,
}
"""How each vendor with jobs is asked where one stands; None where it is not configured."""
COST_TELLERS = tuple(BILLED_UNITS)
"""Those that report what a job cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenJob:
    """A job the vendor works on."""

    provider: str
    job_id: str
    created_at: datetime


def waiting_batches(workplace: Workplace) -> list[Batch]:
    """Batches whose run ended because a vendor was still working."""
    with workplace.database.read() as connection:
        return batches.batches_with_status(connection, [BatchStatus.AWAITING_PROVIDER])


async def poll_batches(session: PipelineSession, waiting: Sequence[Batch]) -> list[str]:
    """`poll_batch` for each of them, a few at a time; whoever is not heard of in time is asked at the next tick."""
    places, deadline = asyncio.Semaphore(_AT_ONCE), asyncio.get_running_loop().time() + _PATIENCE_SECONDS

    async def poll(batch: Batch) -> str:
        try:
            async with asyncio.timeout_at(deadline), places:
                return await poll_batch(session, batch)
        except TimeoutError:
            return f"No answer in time about the vendor's job of batch {batch.partition_key}; it is asked again."

    return await asyncio.gather(*(poll(batch) for batch in waiting))


async def poll_batch(session: PipelineSession, batch: Batch) -> str:
    """Ask once about the batch's open jobs; a sentence for people about what was found and done."""
    workplace = session.parts.workplace
    with workplace.database.read() as connection:
        jobs = _open_jobs(connection, batch.batch_id)
    running = [job for job in jobs if await _is_running(session, batch, job)]
    if not running:
        retry(workplace, batch.partition_key, Deed(by=_BY, reason="the vendor's job has ended", is_person=False))
        return f"The vendor's job of batch {batch.partition_key} has ended; the batch is queued again."
    policy = policy_of_hash(workplace.database, batch.policy_hash)
    patience = timedelta(hours=policy.discovery.give_up_hours)
    if workplace.clock.now() - min(job.created_at for job in running) > patience:
        return _give_up(workplace, batch, policy.discovery.give_up_hours)
    return f"{running[0].provider} is still working for batch {batch.partition_key}."


def _open_jobs(connection: Connection, batch_id: str) -> list[OpenJob]:
    rows = connection.execute(
        select(VendorJobRow.provider, VendorJobRow.job_id, VendorJobRow.created_at).where(
            VendorJobRow.batch_id == batch_id, VendorJobRow.state == JobPhase.RUNNING
        )
    )
    return [
        OpenJob(provider=provider, job_id=job_id, created_at=created_at)
        for provider, job_id, created_at in rows
        if job_id is not None
    ]


async def _is_running(session: PipelineSession, batch: Batch, job: OpenJob) -> bool:
    call = STATUS_CALLS[job.provider](session.parts.vendors, job.job_id)
    if call is None:
        return True
    workplace = session.parts.workplace
    policy = policy_of_hash(workplace.database, batch.policy_hash)
    identity = BatchIdentity(batch_id=batch.batch_id, platform=batch.platform, policy_version=batch.policy_version)
    async with spending_gate(workplace.database, session.writer, policy, session.parts.gate) as gate:
        try:
            answer = await CallWindow(gate, identity, None).call(call, leads=(), step=_STEP)  # no stage waits here
        except (CallFailed, Refusal):
            return True  # not knowing is no reason to start a run: the next tick asks again
    return answer.value.state is JobState.RUNNING


def _give_up(workplace: Workplace, batch: Batch, hours: int) -> str:
    cause = (
        f"the vendor did not finish its job within {hours} hours; its price counts as unknown until a retry of the "
        "batch reads the job, or `socialanalyzer ledger settle` books it"
    )
    with workplace.database.write() as connection:
        current = batches.batch_by_id(connection, batch.batch_id)
        if current is not None and current.status == BatchStatus.AWAITING_PROVIDER:
            wanted = Transition(to=BatchStatus.PAUSED, cause=cause, now=workplace.clock.now())
            transition(connection, current, wanted)
            give_up_held(connection, batch.batch_id, wanted.now)
    return f"Batch {batch.partition_key} is paused: {cause}."
