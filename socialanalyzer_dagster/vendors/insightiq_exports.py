"""Search-export jobs of InsightIQ: what may be asked, where a job stands, how many results it has (contracts 3.3)."""

from socialanalyzer_dagster.domain.calls import JobState, JobStatus, Units
from socialanalyzer_dagster.domain.types import JsonObject, JsonValue
from socialanalyzer_dagster.vendors.http import HttpAnswer, as_object, unreadable

VENDOR = "insightiq"
MOST_RESULTS = 4000
_FAILED = frozenset({"FAILED", "FAILURE"})


def checked_max_results(body: JsonObject) -> int:
    """The most profiles the search can bill; raises ValueError for a body the vendor would refuse."""
    for key in ("work_platform_id", "sort_by"):
        if not body.get(key):
            raise ValueError(f"a search export needs '{key}'")
    most = body.get("max_results")
    if not isinstance(most, int) or isinstance(most, bool) or not 1 <= most <= MOST_RESULTS:
        raise ValueError(f"max_results must be a whole number from 1 to {MOST_RESULTS}")
    return most


def export_status(answer: HttpAnswer, operation: str) -> JobStatus:
    """Where the job stands; a status that is not listed is a failure. Raises VendorError when there is no job id.

    A failed job that shows profiles all the same has delivered them: they are named as its dataset, to be read and
    paid for like any others.
    """
    body = as_object(answer.value)
    job_id, word = body.get("id"), body.get("status")
    if not isinstance(job_id, str) or not job_id:
        raise unreadable(VENDOR, operation, status=answer.status, code="answer_without_job_id")
    states = {"IN_PROGRESS": JobState.RUNNING, "SUCCESS": JobState.SUCCEEDED}
    state = states.get(str(word).upper(), JobState.FAILED)
    if state is not JobState.FAILED:
        return JobStatus(job_id=job_id, state=state)
    dataset = job_id if body.get("data") and isinstance(body["data"], list) else None
    return JobStatus(job_id=job_id, state=state, dataset_id=dataset, reason=_failure_word(word))


def is_failed_export(body: JsonObject) -> bool:
    """True for the answer about a search that ended in vain."""
    return isinstance(body.get("id"), str) and str(body.get("status")).upper() in _FAILED


def _failure_word(word: JsonValue) -> str:
    return str(word).lower() if str(word).upper() in _FAILED else "unknown_status"


def total_results(body: JsonObject, items: list[JsonValue]) -> int | None:
    """The number of results, from either of its two places, as number or text (contracts 3.3)."""
    for holder in (body, *(as_object(item) for item in items[:1])):
        value = as_object(holder.get("metadata")).get("total_results")
        if isinstance(value, int | str) and str(value).isdigit():
            return int(value)
    return None


def export_units(count: int) -> Units:
    """What so many profiles bill."""
    return {"insightiq.search_export": count}
