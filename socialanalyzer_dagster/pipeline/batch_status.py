"""The life of a batch: which status may follow which, always by compare-and-set (spec 2.4, I-44)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.storage.batches import TERMINAL, Batch, batch_by_id, compare_and_set


class BatchStatus(StrEnum):
    """Where a batch stands."""

    REQUESTED = "requested"
    AWAITING_CONFIRMATION = "awaiting_confirmation"
    QUEUED = "queued"
    DISCOVERING = "discovering"
    SCREENING = "screening"
    ENRICHING = "enriching"
    ANALYZING = "analyzing"
    SCORING = "scoring"
    SYNCING = "syncing"
    AWAITING_PROVIDER = "awaiting_provider"
    AWAITING_APPROVAL = "awaiting_approval"
    PAUSED = "paused"
    COMPLETED = "completed"
    COMPLETED_EMPTY = "completed_empty"
    FAILED = "failed"
    STOPPED = "stopped"


RUNNING: Mapping[Stage, BatchStatus] = {
    Stage.DISCOVERED: BatchStatus.DISCOVERING,
    Stage.SCREENED: BatchStatus.SCREENING,
    Stage.ENRICHED: BatchStatus.ENRICHING,
    Stage.ANALYZED: BatchStatus.ANALYZING,
    Stage.SCORED: BatchStatus.SCORING,
    Stage.SYNCED: BatchStatus.SYNCING,
}
"""Status while a stage runs (spec 2.1)."""

CANCELLED = "its run was cancelled; materialize the batch again to go on where it was"
"""The cause of a pause after Ctrl-C or a termination."""
CANARY_IS_THROUGH = "the canary is through"
"""How the cause of a pause begins in which nothing went wrong: the other leads wait for their release."""


def waits_for_release(status: str, cause: str | None) -> bool:
    """True for a batch whose canary is done up to the CRM and which holds the other leads back."""
    return status == BatchStatus.PAUSED and cause is not None and cause.startswith(CANARY_IS_THROUGH)


_S = BatchStatus
_WORK = frozenset(RUNNING.values())
_ENDS = frozenset({_S.COMPLETED, _S.COMPLETED_EMPTY, _S.FAILED, _S.STOPPED})
_WAITS = frozenset({_S.AWAITING_PROVIDER, _S.AWAITING_APPROVAL, _S.PAUSED})

ALLOWED: Mapping[BatchStatus, frozenset[BatchStatus]] = {
    _S.REQUESTED: frozenset({_S.AWAITING_CONFIRMATION, _S.QUEUED, _S.FAILED, _S.STOPPED}),
    _S.AWAITING_CONFIRMATION: frozenset({_S.QUEUED, _S.FAILED, _S.STOPPED}),
    _S.QUEUED: _WORK | _WAITS | _ENDS,
    **dict.fromkeys(_WORK, _WORK | _WAITS | _ENDS | {_S.QUEUED}),
    **dict.fromkeys(_WAITS, _WORK | _WAITS | _ENDS | {_S.QUEUED}),
    **dict.fromkeys(_ENDS, frozenset({_S.QUEUED})),
}
"""What may follow; whether an ended batch may be queued again also depends on its leads (batch_actions)."""


class StatusRefused(ValueError):
    """The batch is not in a status from which this is possible; the text says which one it is in."""


class ChangedMeanwhile(RuntimeError):
    """Somebody else changed the batch first; read it again and decide anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A wanted change of status with what else changes in the same write."""

    to: BatchStatus
    cause: str | None
    now: datetime
    values: Mapping[str, Any] | None = None


def transition(connection: Connection, batch: Batch, wanted: Transition) -> Batch:
    """The batch after the change.

    Raises StatusRefused when the table does not allow it, ChangedMeanwhile when somebody changed the batch since.
    """
    if wanted.to not in ALLOWED[BatchStatus(batch.status)]:
        raise StatusRefused(f"batch {batch.partition_key} is {batch.status} and cannot become {wanted.to}")
    values: dict[str, Any] = {"status": wanted.to, "cause": wanted.cause, **(wanted.values or {})}
    if wanted.to is BatchStatus.QUEUED:
        values |= {"waits_for": None, "waits_until": None}
    if wanted.to in TERMINAL:
        values["finished_at"] = wanted.now
    elif wanted.to in _WORK:
        values |= {"started_at": batch.started_at or wanted.now, "heartbeat_at": wanted.now, "finished_at": None}
    return change(connection, batch, values)


def change(connection: Connection, batch: Batch, values: Mapping[str, Any]) -> Batch:
    """Compare-and-set of other columns; returns the batch as stored, raises ChangedMeanwhile."""
    if not compare_and_set(connection, batch, values):
        raise ChangedMeanwhile(f"batch {batch.partition_key} was changed by somebody else meanwhile")
    changed = batch_by_id(connection, batch.batch_id)
    if changed is None:
        raise ChangedMeanwhile(f"batch {batch.partition_key} is gone")
    return changed
