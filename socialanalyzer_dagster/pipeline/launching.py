"""Which queued batches are launched now: a pure decision over their rows and what the orchestrator knows (3.4)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from socialanalyzer_dagster.domain.types import BatchKey


class Stretch(StrEnum):
    """The longest stretch of stages before the next closed gate."""

    TO_PLAN = "to_plan"
    SYNC = "sync"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedBatch:
    """A queued row; `attempt` grows each time the batch is queued."""

    key: BatchKey
    attempt: int
    stretch: Stretch

    @property
    def run_key(self) -> str:
        """One launch per batch and attempt."""
        return f"{self.key}:{self.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchDecision:
    """What to launch, which keys must become partitions first, and a sentence when nothing is launched."""

    launch: tuple[QueuedBatch, ...]
    missing_partitions: tuple[BatchKey, ...]
    reason: str


def decide_launches(
    queued: Sequence[QueuedBatch], *, partitions: Collection[str], launched: Collection[str], free_places: int
) -> LaunchDecision:
    """Queued batches in order of their keys, as many as there are places.

    `partitions` are the keys the orchestrator knows (an unknown key would fail the whole tick), `launched` the run keys
    it already has.
    """
    waiting = sorted((each for each in queued if each.run_key not in launched), key=lambda each: each.key)
    missing = tuple(each.key for each in waiting if each.key not in partitions)
    ready = [each for each in waiting if each.key in partitions]
    launch = tuple(ready[: max(0, free_places)])
    return LaunchDecision(
        launch=launch,
        missing_partitions=missing,
        reason=_reason(queued=len(queued), waiting=len(waiting), ready=len(ready), free_places=free_places),
    )


def _reason(*, queued: int, waiting: int, ready: int, free_places: int) -> str:
    if not queued:
        return "No batch is queued."
    if not waiting:
        return f"{queued} queued batches are launched already and wait for their run to start."
    if not ready:
        return f"{waiting} queued batches had no partition; it was added, and they are launched at the next tick."
    if free_places < 1:
        return f"{ready} batches wait: as many batches are running as the policy allows."
    return f"{min(ready, free_places)} of {ready} waiting batches are launched."
