"""Carrying out what rules chose: each choice once, however often a crash lets it be tried (spec 15.1, 15.3)."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.filters import FilterProblems
from socialanalyzer_dagster.domain.rule_questions import EXPIRED, OVERTAKEN
from socialanalyzer_dagster.domain.types import JsonValue, Stage
from socialanalyzer_dagster.pipeline.batch_actions import Deed, retry
from socialanalyzer_dagster.pipeline.batch_drafts import BatchRefused
from socialanalyzer_dagster.pipeline.batch_status import (
    RUNNING,
    BatchStatus,
    ChangedMeanwhile,
    StatusRefused,
    Transition,
    transition,
)
from socialanalyzer_dagster.pipeline.batches import CreatedBatch, create_batch
from socialanalyzer_dagster.pipeline.rule_points import key_at, rule_of
from socialanalyzer_dagster.pipeline.rule_questions import (
    ANSWER,
    HOLDS,
    PROPOSES,
    due_at,
)
from socialanalyzer_dagster.pipeline.rule_requests import deed_of, rule_behind, search_request
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import batches, decisions
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.decisions import DecisionResult, StoredDecision
from socialanalyzer_dagster.storage.lineages import EndedStage

_LOG = logging.getLogger(__name__)
AT_WORK = frozenset({*RUNNING.values(), BatchStatus.QUEUED})
HOLDING = frozenset({"pause", "retry_failed"})
"""Actions that keep a batch from going on."""
_SEARCHES = frozenset({"loosen", "propose_search"})
_FOUND: Mapping[str, str] = {"loosen": "with looser filters", "propose_search": "for more of the same"}
_AGAIN = frozenset({"retry_failed", "resume"})
_TRIES = 10
_VENDOR = ", which it does by itself when the vendor is back"
_WAITS = " and waits for somebody to confirm its estimate"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """What became of a choice, a sentence about it, and what it led to."""

    result: str
    sentence: str
    detail: Mapping[str, JsonValue]


def hold_batch(workplace: Workplace, decision: StoredDecision) -> str | None:
    """Pause the batch that a choice keeps from going on; the sentence that says why, None when it went on already.

    The caller has the batch's lock. A pause has its result with the same commit; a retry has it when it is made.
    """
    for _ in range(_TRIES):
        try:
            return _hold(workplace, decision)
        except ChangedMeanwhile:
            continue
    raise ChangedMeanwhile(f"batch {decision.subject} keeps changing")


def _hold(workplace: Workplace, decision: StoredDecision) -> str | None:
    now = workplace.clock.now()
    with workplace.database.write() as connection:
        batch = _batch_of(connection, decision)
        can_hold = batch.status in AT_WORK and batch.attempt == decision.parameters["attempt"]
        sentence = _held(decision)
        if can_hold:
            transition(connection, batch, Transition(to=BatchStatus.PAUSED, cause=sentence, now=now))
            if batch.run_id is not None:
                batches.halt_run(connection, batch.batch_id, batch.run_id)
        if decision.action == "pause":
            result = DecisionResult(result="paused" if can_hold else "not needed", at=now)
            decisions.finish(connection, decision.dedup_key, result)
    return sentence if can_hold else None


def _held(decision: StoredDecision) -> str:
    moment = due_at(decision)
    if moment is not None:
        return f"{decision.reason} They are tried again at {moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC."
    return f"{decision.reason} Retry the batch to let it go on{_VENDOR if 'vendor' in decision.condition else ''}."


def carry_out(workplace: Workplace, decision: StoredDecision) -> str | None:
    """Do what was chosen and say so; None while its time has not come, and for what is not done but said."""
    moment = due_at(decision)
    if moment is not None and workplace.clock.now() < moment:
        return None
    deed = deed_of(decision)
    if deed in _SEARCHES:
        return _finished(workplace, decision, _child(workplace, decision))
    if deed in _AGAIN and (ended := _retried(workplace, decision)) is not None:
        return _finished(workplace, decision, ended)
    return None


def _finished(workplace: Workplace, decision: StoredDecision, ended: _Ended) -> str | None:
    """Say what became of it; None when somebody else said so first."""
    result = DecisionResult(result=ended.result, at=workplace.clock.now(), detail=ended.detail)
    with workplace.database.write() as connection:
        if not decisions.finish(connection, decision.dedup_key, result):
            return None
    if decision.kind != ANSWER:  # who answers is told at once
        _LOG.info("%s on batch %s: %s", rule_behind(decision), decision.subject, ended.result)
    return f"{rule_behind(decision)}, batch {decision.subject}: {ended.sentence}"


def _child(workplace: Workplace, decision: StoredDecision) -> _Ended:
    """The drafted search as a batch of its own, inside its budget; one batch by the decision's key."""
    with workplace.database.read() as connection:
        parent = _batch_of(connection, decision)
    request = search_request(workplace, decision, parent)
    if parent.stop_requested or parent.status == BatchStatus.STOPPED:
        return _refused("the batch was stopped")
    if not request.fields["max_budget_usd"]:
        return _refused("nothing of the batch's spending cap was left for another search")
    try:
        created = create_batch(workplace, request)
    except (BatchRefused, FilterProblems) as refused:
        return _refused(str(refused))
    return _queued(created, _FOUND[deed_of(decision)])


def _queued(created: CreatedBatch, searches: str) -> _Ended:
    waits = created.status == BatchStatus.AWAITING_CONFIRMATION
    return _Ended(
        result="batch created",
        sentence=f"batch {created.key} searches {searches}{_WAITS if waits else ''}.",
        detail={
            "batch": created.key,
            "estimate_micros": created.estimate_micros,
            "waits_for_confirmation": waits,
            "warnings": list(created.warnings),
        },
    )


def _refused(why: str) -> _Ended:
    return _Ended(result="refused", sentence=f"not done: {why}.", detail={"why": why})


def _retried(workplace: Workplace, decision: StoredDecision) -> _Ended | None:
    """Queue the batch again, unless somebody did or it stands elsewhere; None when it changed in that moment."""
    with workplace.database.read() as connection:
        batch = _batch_of(connection, decision)
    tried = _Ended(result="retried", sentence="its failed leads are tried again.", detail={})
    if batch.attempt != decision.parameters["attempt"]:
        return tried
    is_person = decision.kind == ANSWER
    if not is_person and not _stands_where_left(batch, decision):
        return _refused(f"the batch is {batch.status}")
    by = decision.actor if is_person else rule_of(decision)
    try:
        retry(workplace, batch.partition_key, Deed(by=by, reason=decision.reason, is_person=is_person))
    except (StatusRefused, ChangedMeanwhile) as refused:
        with workplace.database.read() as connection:
            is_done = _batch_of(connection, decision).attempt != batch.attempt  # by whoever carries it out just now
        if is_done:
            return tried
        return _refused(str(refused)) if isinstance(refused, StatusRefused) else None
    return tried


def _stands_where_left(batch: Batch, decision: StoredDecision) -> bool:
    """Held by the rule; or ended because every lead failed, which left nothing to hold."""
    is_held = batch.status == BatchStatus.PAUSED and batch.cause == _held(decision)
    return is_held or batch.status == BatchStatus.COMPLETED_EMPTY


def _batch_of(connection: Connection, decision: StoredDecision) -> Batch:
    found = None if decision.batch_id is None else batches.batch_by_id(connection, decision.batch_id)
    if found is None:
        raise LookupError(f"the batch of decision {decision.dedup_key} is gone")
    return found


def close_question(workplace: Workplace, decision: StoredDecision, before: datetime) -> str | None:
    """End a question that was asked before a moment, or that needs no answer any more; None while it is open.

    No answer is a no (spec 15.4).
    """
    with workplace.database.read() as connection:
        why = overtaken(connection, decision)
    if why is not None:
        return _finished(workplace, decision, _Ended(result=OVERTAKEN, sentence=f"{why}.", detail={"why": why}))
    if decision.at > before:
        return None
    ended = _Ended(result=EXPIRED, sentence="nobody answered, so nothing is done.", detail={})
    return _finished(workplace, decision, ended)


def overtaken(connection: Connection, decision: StoredDecision) -> str | None:
    """Why a question needs no answer any more; None while it does."""
    batch = _batch_of(connection, decision)
    if batch.stop_requested or batch.status == BatchStatus.STOPPED:
        return "the batch was stopped"
    if (held_by := decision.parameters.get(HOLDS)) is not None:
        return _went_on(connection, batch, str(held_by))
    if decision.parameters.get(PROPOSES) != "retry_failed":
        return None
    stage = Stage(str(decision.stage))
    progress = batches.stage_progress(connection, batch.batch_id).get(stage)
    if progress is None or progress.finished_at is None:
        return None
    newest = EndedStage(batch_id=batch.batch_id, stage=stage, finished_at=progress.finished_at)
    is_of_newest = key_at(rule_of(decision), newest) == decision.dedup_key
    return None if is_of_newest else "its leads were tried again since"


def _went_on(connection: Connection, batch: Batch, held_by: str) -> str | None:
    """Why nobody has to let a batch go on that a rule holds; None while somebody has to, and until it is held."""
    hold = decisions.decision(connection, held_by)
    if hold is None or hold.result is None:
        return None
    is_held = batch.status == BatchStatus.PAUSED and batch.cause == _held(hold)
    return None if is_held else "the batch went on"
