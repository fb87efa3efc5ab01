"""What people do with a batch that exists: confirm, stop, set its cap, retry, release a canary (spec 2.4, 12.5)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.approval import QuestionKind
from socialanalyzer_dagster.domain.money import micros_from_usd, usd_text
from socialanalyzer_dagster.domain.types import BatchKey, Stage
from socialanalyzer_dagster.pipeline.batch_drafts import BatchRefused, check_confirmation
from socialanalyzer_dagster.pipeline.batch_finish import Ending, finish_batch
from socialanalyzer_dagster.pipeline.batch_status import (
    BatchStatus,
    ChangedMeanwhile,
    StatusRefused,
    Transition,
    change,
    transition,
)
from socialanalyzer_dagster.pipeline.gate_log import withdraw
from socialanalyzer_dagster.pipeline.locks import batch_lock
from socialanalyzer_dagster.pipeline.policies import active_policy, policy_of_hash
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import audit_log, batches, claims, outcome_sets
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.breakers import resume_breakers

RETRIED = "batch.retry"
"""The audited action of a person who asks for a batch again; what a sensor does is `batch.requeue`."""
_TRIES = 10
_WAITING = frozenset({BatchStatus.PAUSED, BatchStatus.AWAITING_APPROVAL})


class NoSuchBatch(LookupError):
    """There is no batch of that key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Who does something, and why; a sensor is no person."""

    by: str
    reason: str | None = None
    is_person: bool = True


def find_batch(workplace: Workplace, key: str) -> Batch:
    """The batch of a key; raises NoSuchBatch."""
    with workplace.database.read() as connection:
        found = batches.batch_by_key(connection, key)
    if found is None:
        raise NoSuchBatch(f"there is no batch '{key}'; `socialanalyzer batch list` shows those that exist")
    return found


def confirm(workplace: Workplace, key: str, deed: Deed, *, estimate_micros: int) -> Batch:
    """Accept the estimate of a batch that waits for it; raises WrongConfirmation for another figure."""

    def act(connection: Connection, batch: Batch) -> Batch:
        check_confirmation(estimate_micros, batch.estimate_micros)
        if batch.status != BatchStatus.AWAITING_CONFIRMATION:
            raise StatusRefused(f"batch {key} is {batch.status}; there is nothing to confirm")
        workplace.announce(BatchKey(key))
        return transition(connection, batch, Transition(to=BatchStatus.QUEUED, cause=None, now=workplace.clock.now()))

    return _do(workplace, key, _Act("batch.confirm", deed, act, {"estimate_micros": estimate_micros}))


def stop(workplace: Workplace, key: str, deed: Deed) -> Batch:
    """No new paid call from now on; a batch nobody works on ends at once, a running one when its calls have settled."""

    def act(connection: Connection, batch: Batch) -> Batch:
        if batch.is_terminal:
            raise StatusRefused(f"batch {key} is {batch.status} already")
        return change(
            connection, batch, {"stop_requested": True, "cause": _stop_cause(deed), "halted_run_id": batch.run_id}
        )

    _do(workplace, key, _Act("batch.stop", deed, act, {}))
    end_if_stopped(workplace, key)
    return find_batch(workplace, key)


def end_if_stopped(workplace: Workplace, key: str) -> None:
    """End a batch that was asked to stop and that nobody works on; every other batch is left as it is.

    The one who stops asks after setting the flag, a run asks after giving the lock back: one of them sees both, so a
    stop that comes while a run closes is never lost (I-49). What a run left in flight or at work becomes unknown.
    """
    batch = find_batch(workplace, key)
    if not batch.stop_requested or batch.is_terminal:
        return
    lock = batch_lock(workplace.database, workplace.home, batch.batch_id)
    if not lock.acquire():
        return
    try:
        batch = find_batch(workplace, key)
        if batch.stop_requested and not batch.is_terminal:
            ending = Ending(status=BatchStatus.STOPPED, cause=batch.cause, now=workplace.clock.now())
            finish_batch(workplace, batch, ending)
    finally:
        lock.release()


def _stop_cause(deed: Deed) -> str:
    return f"stopped by {deed.by}" + (f": {deed.reason}" if deed.reason else "")


def set_cap(workplace: Workplace, key: str, deed: Deed, *, cap_micros: int) -> Batch:
    """Another cap; a higher one queues an ended batch again whose leads were skipped for the money (spec 2.4)."""

    def act(connection: Connection, batch: Batch) -> Batch:
        check_cap(workplace, cap_micros)
        changed = change(connection, batch, {"cap_micros": cap_micros})
        if not batch.capped or cap_micros <= batch.cap_micros:
            return changed
        if batch.is_terminal:
            return reopen(connection, workplace, changed)
        return _queue_again(connection, workplace, changed) if batch.status in _WAITING else changed

    return _do(workplace, key, _Act("batch.set_cap", deed, act, {"cap_micros": cap_micros}))


def check_cap(workplace: Workplace, cap_micros: int) -> None:
    """Raises BatchRefused for a cap that no batch may have (spec 12.5)."""
    highest = micros_from_usd(active_policy(workplace.database).budgets.batch_absolute_usd)
    if not 0 < cap_micros <= highest:
        raise BatchRefused(f"a batch cap must be above $0.00 and at most {usd_text(highest)}")


def retry(workplace: Workplace, key: str, deed: Deed) -> Batch:
    """Queue a batch again: paused and ended ones, the latter while there are leads to attempt (spec 2.4).

    When a person does, vendors that refused their service may be tried again by one call, and so may lost calls.
    """

    def act(connection: Connection, batch: Batch) -> Batch:
        if deed.is_person:
            resume_breakers(connection)
            withdraw(connection, batch.batch_id, workplace.clock.now(), [QuestionKind.RESUME])
        if batch.is_terminal:
            return reopen(connection, workplace, batch)
        return _queue_again(connection, workplace, batch, plan_only=batch.plan_only and not deed.is_person)

    return _do(workplace, key, _Act(RETRIED if deed.is_person else "batch.requeue", deed, act, {}))


def release_canary(workplace: Workplace, key: str, deed: Deed) -> Batch:
    """Let the rest of the leads follow those that went ahead."""

    def act(connection: Connection, batch: Batch) -> Batch:
        if batch.canary is None:
            raise StatusRefused(f"batch {key} has no canary that holds leads back")
        released = change(connection, batch, {"canary": None})
        return released if _is_running(released) else _queue_again(connection, workplace, released)

    return _do(workplace, key, _Act("batch.release_canary", deed, act, {}))


def _is_running(batch: Batch) -> bool:
    return batch.status in {BatchStatus.QUEUED, BatchStatus.REQUESTED, BatchStatus.AWAITING_CONFIRMATION}


def reopen(connection: Connection, workplace: Workplace, batch: Batch) -> Batch:
    """An ended batch queued again, its leads claimed anew; raises StatusRefused when nothing is left to attempt."""
    if not has_work_left(connection, batch):
        raise StatusRefused(f"batch {batch.partition_key} is {batch.status} and has no lead left to attempt")
    outcome_sets.forget_upstream(connection, batch.batch_id)
    now = workplace.clock.now()
    claims.drop_dead_claims(connection, batch.batch_id, _silent_since(workplace, batch))
    claims.claim_again(connection, batch.batch_id, now)
    return _queue_again(connection, workplace, batch)


def _silent_since(workplace: Workplace, batch: Batch) -> datetime:
    hours = policy_of_hash(workplace.database, batch.policy_hash).search.claim_hours
    return workplace.clock.now() - timedelta(hours=hours)


def has_work_left(connection: Connection, batch: Batch) -> bool:
    """True while discovery is unfinished, or leads failed retryably, are held or were skipped for a passing cause."""
    discovered = batches.stage_progress(connection, batch.batch_id).get(Stage.DISCOVERED)
    if discovered is None or discovered.finished_at is None:
        return True
    return any(count.retryable for count in outcome_sets.outcome_counts(connection, batch.batch_id))


def _queue_again(connection: Connection, workplace: Workplace, batch: Batch, *, plan_only: bool = False) -> Batch:
    values: dict[str, Any] = {"attempt": batch.attempt + 1, "plan_only": plan_only, "capped": False}
    values |= {"stop_requested": False, "finished_at": None}
    workplace.announce(batch.partition_key)
    wanted = Transition(to=BatchStatus.QUEUED, cause=None, now=workplace.clock.now(), values=values)
    return transition(connection, batch, wanted)


@dataclass(frozen=True, slots=True)
class _Act:
    action: str
    deed: Deed
    do: Callable[[Connection, Batch], Batch]
    detail: dict[str, Any]


def _do(workplace: Workplace, key: str, act: _Act) -> Batch:
    """Do it on the batch as it is now, once more when a worker changed the row meanwhile; one audit entry."""
    for _ in range(_TRIES):
        try:
            with workplace.database.write() as connection:
                batch = batches.batch_by_key(connection, key)
                if batch is None:
                    raise NoSuchBatch(f"there is no batch '{key}'; `socialanalyzer batch list` shows those that exist")
                changed = act.do(connection, batch)
                audit_log.record(
                    connection,
                    at=workplace.clock.now(),
                    actor=act.deed.by,
                    action=act.action,
                    subject=key,
                    reason=act.deed.reason,
                    before=batch.status,
                    **act.detail,
                )
                return changed
        except ChangedMeanwhile:
            continue
    raise ChangedMeanwhile(f"batch {key} keeps changing; try again")
