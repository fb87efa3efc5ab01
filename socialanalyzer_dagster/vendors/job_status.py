"""Asking where a stored job stands, as a free call of its own (for whoever watches jobs outside a run)."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict

from socialanalyzer_dagster.domain.calls import JobState, JobStatus, Reply, VendorCall
from socialanalyzer_dagster.domain.types import JsonValue
from socialanalyzer_dagster.vendors.http import as_object


def job_status_call(operation: str, job_id: str, poll: Callable[[], Awaitable[JobStatus]]) -> VendorCall[JobStatus]:
    """The call that polls one job once; its answer is the whole status, the cost the vendor reports included."""

    async def send() -> Reply:
        return Reply(body=asdict(await poll()))

    return VendorCall(operation=operation, request={"job_id": job_id}, max_units={}, send=send, decode=decode_status)


def decode_status(body: JsonValue) -> JobStatus:
    """The status of `send`; raises ValueError for anything else."""
    known = as_object(body)
    dataset_id, reported, reason = (known.get(name) for name in ("dataset_id", "reported_micros", "reason"))
    return JobStatus(
        job_id=str(known.get("job_id")),
        state=JobState(str(known.get("state"))),
        dataset_id=str(dataset_id) if dataset_id else None,
        reported_micros=reported if isinstance(reported, int) else None,
        reason=str(reason) if reason else None,
    )
