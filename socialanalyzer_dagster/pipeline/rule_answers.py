"""A person's answer to a question of a rule: by name, once, written down before it acts (spec 15.3, 15.4)."""

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.rule_questions import RESULTS, Proposal, Reply, RuleAnswer, RuleQuestion, senseless
from socialanalyzer_dagster.domain.types import BatchKey, JsonValue
from socialanalyzer_dagster.pipeline.batch_actions import has_work_left
from socialanalyzer_dagster.pipeline.batch_status import StatusRefused
from socialanalyzer_dagster.pipeline.batches import check_batch
from socialanalyzer_dagster.pipeline.gate_answers import ApprovalRefused, person_of
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.rule_deeds import AT_WORK, carry_out, overtaken
from socialanalyzer_dagster.pipeline.rule_points import KIND, NOTHING, rule_of
from socialanalyzer_dagster.pipeline.rule_questions import (
    ANSWER,
    BUDGET,
    CHANGES,
    FILTERS,
    MAX_LEADS,
    PROPOSES,
    RULE,
    is_question,
    question_of,
)
from socialanalyzer_dagster.pipeline.rule_requests import search_request
from socialanalyzer_dagster.pipeline.summaries import refresh_summary
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import audit_log, batches, decisions
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.decisions import Decision, DecisionResult, StoredDecision


class NoSuchQuestion(LookupError):
    """No rule asked this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What became of an answer: the batch that came of it, with what is to be known about similar searches.

    `result` is None while `rules_sensor` has to do it still; `why` says why nothing could be done after all.
    """

    number: int
    question: str
    reply: Reply
    by: str
    result: str | None
    why: str | None = None
    batch: BatchKey | None = None
    estimate_micros: int | None = None
    waits_for_confirmation: bool = False
    warnings: tuple[str, ...] = ()


def answer(workplace: Workplace, number: int, given: RuleAnswer) -> Answered:
    """Take the answer and carry it out; what a crash leaves in between, `rules_sensor` does.

    Everything that stands against a yes is told before the answer is taken: raises what create_batch raises,
    NoSuchQuestion, StatusRefused, and ApprovalRefused for a question that is over or an answer that makes no sense.
    """
    reason = (given.reason or "").strip() or None
    given = replace(given, by=person_of(workplace, given.by), reason=reason)
    hours = active_policy(workplace.database).rules.answer_hours
    with workplace.database.read() as connection:
        asked, batch = _asked(connection, number)
        question = question_of(asked, hours)
        _refuse_over(connection, workplace, asked, question)
        if (why := senseless(question, given)) is not None:
            raise ApprovalRefused(why)
        made = _made(workplace, asked, batch, given)
        if given.reply is not Reply.REJECT:
            _refuse_status(connection, batch, question)
    if given.reply is not Reply.REJECT and question.proposal.is_search:
        check_batch(workplace, search_request(workplace, made, batch))
    _take(workplace, asked, made, given)
    stored = _stored(workplace, made)
    if given.reply is not Reply.REJECT:
        carry_out(workplace, stored)
        stored = _stored(workplace, made)
    _tell_in_summary(workplace, batch)
    return _answered(question, stored, given)


def _asked(connection: Connection, number: int) -> tuple[StoredDecision, Batch]:
    asked = decisions.by_number(connection, number)
    batch = None if asked is None or asked.batch_id is None else batches.batch_by_id(connection, asked.batch_id)
    if asked is None or batch is None or asked.kind != KIND or not is_question(asked):
        raise NoSuchQuestion(f"no rule asked a question {number}; `socialanalyzer rules questions` shows those it did")
    return asked, batch


def _refuse_over(connection: Connection, workplace: Workplace, asked: StoredDecision, question: RuleQuestion) -> None:
    """Raises ApprovalRefused for a question that was answered, that nobody answered in time, or that is idle now."""
    if asked.result is not None:
        raise ApprovalRefused(_is_over(asked))
    if workplace.clock.now() >= question.expires_at:
        raise ApprovalRefused(f"nobody answered question {asked.id} in time, and no answer is a no")
    if (why := overtaken(connection, asked)) is not None:
        raise ApprovalRefused(f"question {asked.id} needs no answer any more: {why}")


def _is_over(asked: StoredDecision | None) -> str:
    if asked is None or asked.result is None:
        return "somebody else answers this question just now; look at it again"
    by = (asked.result_detail or {}).get("by")
    whom = f" by {by}" if by is not None else ""
    return f"question {asked.id} is over: {asked.result}{whom} at {asked.result_at:%Y-%m-%d %H:%M} UTC"


def _refuse_status(connection: Connection, batch: Batch, question: RuleQuestion) -> None:
    """Raises StatusRefused where leads cannot be tried again just now, or none is left to try."""
    if question.proposal.is_search:
        return
    if batch.status in AT_WORK:
        raise StatusRefused(f"batch {batch.partition_key} is {batch.status}: answer when it has come to its end")
    if batch.is_terminal and not has_work_left(connection, batch):
        raise StatusRefused(f"batch {batch.partition_key} has no lead left to attempt: reject it")


def _made(workplace: Workplace, asked: StoredDecision, batch: Batch, given: RuleAnswer) -> Decision:
    """The answer as a decision, with everything that its deed needs."""
    wanted, planned = given.otherwise, asked.parameters
    rule = rule_of(asked)
    parameters: dict[str, JsonValue] = {
        "question": asked.id,
        RULE: rule,
        PROPOSES: planned[PROPOSES],
        "attempt": batch.attempt,
        MAX_LEADS: wanted.max_leads,
    }
    if Proposal(str(planned[PROPOSES])).is_search:
        drafted: Any = planned.get(FILTERS) or dict(batch.filters)
        parameters |= {
            FILTERS: {**drafted, **(wanted.filters or {})},
            BUDGET: planned.get(BUDGET) if wanted.cap_micros is None else wanted.cap_micros,
            CHANGES: planned.get(CHANGES) if wanted.filters is None else None,
        }
    return Decision(
        dedup_key=f"{ANSWER}:{asked.id}",
        at=workplace.clock.now(),
        kind=ANSWER,
        actor=given.by,
        subject=asked.subject,
        action=given.reply,
        reason=given.reason or f"a yes to what {rule} asked",
        platform=asked.platform,
        day=workplace.clock.now().date(),
        lineage=asked.lineage,
        batch_id=asked.batch_id,
        stage=asked.stage,
        parameters=parameters,
        expected_micros=asked.expected_micros if given.reply is Reply.APPROVE else None,
    )


def _take(workplace: Workplace, asked: StoredDecision, made: Decision, given: RuleAnswer) -> None:
    """Write the answer, unless somebody else, or the time, answered meanwhile: raises ApprovalRefused (I-44)."""
    detail = {"by": given.by, "reason": given.reason}
    with workplace.database.write() as connection:
        ended = DecisionResult(result=RESULTS[given.reply], at=made.at, detail=detail)
        if not decisions.finish(connection, asked.dedup_key, ended):
            raise ApprovalRefused(_is_over(decisions.by_number(connection, asked.id)))
        decisions.record(connection, made)
        if given.reply is Reply.REJECT:
            decisions.finish(connection, made.dedup_key, DecisionResult(result=NOTHING, at=made.at))
        audit_log.record(
            connection,
            at=made.at,
            actor=given.by,
            action=f"rule.{given.reply}",
            subject=made.subject,
            question=asked.id,
            comment=given.reason,
        )


def _stored(workplace: Workplace, made: Decision) -> StoredDecision:
    with workplace.database.read() as connection:
        found = decisions.decision(connection, made.dedup_key)
    if found is None:
        raise LookupError(f"decision {made.dedup_key} is gone")
    return found


def _tell_in_summary(workplace: Workplace, batch: Batch) -> None:
    """The stored summary of a batch that has ended says what was answered."""
    with workplace.database.read() as connection:
        current = batches.batch_by_id(connection, batch.batch_id)
    if current is not None and current.is_terminal:
        refresh_summary(workplace, current)


def _answered(question: RuleQuestion, stored: StoredDecision, given: RuleAnswer) -> Answered:
    detail = stored.result_detail or {}
    return Answered(
        number=question.number,
        question=question.what,
        reply=given.reply,
        by=given.by,
        result=stored.result,
        why=detail.get("why"),
        batch=detail.get("batch"),
        estimate_micros=detail.get("estimate_micros"),
        waits_for_confirmation=bool(detail.get("waits_for_confirmation")),
        warnings=tuple(detail.get("warnings", ())),
    )
