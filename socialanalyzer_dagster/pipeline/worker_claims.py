"""Which queued batch a worker takes next, so that no two workers take the same one (issue 4, section 6)."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from socialanalyzer_dagster.pipeline.launch_queue import launch_queue
from socialanalyzer_dagster.pipeline.launching import LaunchDecision, QueuedBatch, decide_launches
from socialanalyzer_dagster.pipeline.locks import batch_lock
from socialanalyzer_dagster.pipeline.workplace import Workplace


@dataclass(frozen=True, slots=True)
class NothingToDo:
    """No batch may be run by this worker now; `reason` is a sentence for people."""

    reason: str


@contextmanager
def next_batch(workplace: Workplace, tried: Collection[str]) -> Iterator[QueuedBatch | NothingToDo]:
    """The first batch that may be launched and that no worker has taken; it is this worker's while the block runs.

    What may be launched is decided as for runs of the orchestrator: places, caps, order of keys. Batches whose run key
    is among `tried` are left out. The claim ends with the process at the latest; the run itself still takes the batch's
    own lock, which a run that somebody started elsewhere may hold.
    """
    decision = _launchable(workplace, tried)
    for queued in decision.launch:
        claim = batch_lock(workplace.database, workplace.home, f"worker-{queued.key}")
        if not claim.acquire():
            continue
        try:
            if _still_waits(workplace, queued):
                yield queued
                return
        finally:
            claim.release()
    yield NothingToDo("Other workers have taken what may be run now." if decision.launch else decision.reason)


def _launchable(workplace: Workplace, tried: Collection[str]) -> LaunchDecision:
    queue = launch_queue(workplace)
    return decide_launches(
        queue.queued,
        partitions={each.key for each in queue.queued},
        launched=tried,
        free_places=queue.places - queue.running,
    )


def _still_waits(workplace: Workplace, queued: QueuedBatch) -> bool:
    """False when another worker took and finished it between the look and the claim."""
    return queued.run_key in {each.run_key for each in launch_queue(workplace).queued}
