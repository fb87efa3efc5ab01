"""Ending a vendor job that nobody waits for any more: stopped at the vendor, then looked at until it has ended."""

import logging

from socialanalyzer_dagster.domain.calls import JobState, JobStatus, VendorError, VendorJob
from socialanalyzer_dagster.pipeline.limit_rates import Sleep

_LOG = logging.getLogger(__name__)
_LOOKS, _SECONDS_BETWEEN = 3, 1.0


async def aborted(job: VendorJob[object], job_id: str, sleep: Sleep) -> JobStatus | None:
    """The terminal status after an abort; None where there is none, or not soon: its figures are not final.

    A job that was quicker than the abort has succeeded all the same.
    """
    if job.abort is None:
        return None
    try:
        await job.abort(job_id)
        for _ in range(_LOOKS):
            if (status := await job.poll(job_id)).state is not JobState.RUNNING:
                return status
            await sleep(_SECONDS_BETWEEN)
    except VendorError as error:
        _LOG.warning("a %s job could not be ended: %s", job.operation, error)
    return None
