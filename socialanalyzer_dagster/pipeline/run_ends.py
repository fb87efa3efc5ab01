"""The ends of runs as they are looked at: from where on, what each means for its batch, and what a quiet look says."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, ValidationError

from socialanalyzer_dagster.pipeline.run_outcomes import FailedRun, run_failed
from socialanalyzer_dagster.pipeline.workplace import Workplace


class How(StrEnum):
    """How a run ended."""

    FAILED = "failed"
    CANCELLED = "was terminated"
    SUCCEEDED = "succeeded"


class EndCursor(BaseModel):
    """The last end of a run that was looked at; it reads what Dagster's own run status sensors stored before."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    record_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """One run of a batch that ended; `key` is None for a run that had none, `attempt` where a person started it."""

    run_id: str
    how: How
    key: str | None
    attempt: int | None
    failed_steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenEnds:
    """The ends of one look, the oldest first, and the last record that it came to, whatever that was about.

    `is_full` when there may be more than fit into one look.
    """

    ends: Sequence[RunEnd]
    record_id: int
    is_full: bool = False


@dataclass(frozen=True, slots=True)
class SettledEnds:
    """What was done, a sentence for each end, and why the others could not be written."""

    told: str
    errors: Sequence[Exception]


def cursor_of(text: str | None) -> EndCursor | None:
    """Where the look before this one ended; None at the first look, and where nobody can read what is stored."""
    if text is None:
        return None
    try:
        return EndCursor.model_validate_json(text)
    except ValidationError:  # edited by hand: what ended before is then left to the sensor of stuck batches
        return None


def quiet(how: How, *, is_first: bool) -> str:
    """What a look says that found nothing to do."""
    if is_first:
        return f"From now on this sensor looks at every run of a batch that {how}."
    return f"No run of a batch {how} since the last look."


def settle_ends(workplace: Workplace, ends: Sequence[RunEnd]) -> SettledEnds:
    """Write each end into the state of its batch, whatever becomes of the others. Safe to repeat."""
    told: list[str] = []
    errors: list[Exception] = []
    for end in ends:
        try:
            told.append(_settled(workplace, end))
        except Exception as error:  # noqa: BLE001 - the caller raises or logs it
            error.add_note(f"at the end of run {end.run_id} of batch {end.key}")
            errors.append(error)
    return SettledEnds(" ".join(told), errors)


def _settled(workplace: Workplace, end: RunEnd) -> str:
    if end.key is None:
        return f"Run {end.run_id} {end.how}; it had no batch."
    failed = FailedRun(
        run_id=end.run_id,
        attempt=end.attempt,
        failed_steps=end.failed_steps,
        cancelled=end.how is How.CANCELLED,
        succeeded=end.how is How.SUCCEEDED,
    )
    return run_failed(workplace, end.key, failed)
