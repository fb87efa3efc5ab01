"""What rules did in a batch, read from the decision log for its summary (spec 14.1, 15.3)."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.rule_stories import DeedKind, RuleDeed
from socialanalyzer_dagster.pipeline.rule_points import KIND, rule_of
from socialanalyzer_dagster.pipeline.rule_questions import ANSWER, CHANGES, due_at, is_question, question_of
from socialanalyzer_dagster.storage import decisions
from socialanalyzer_dagster.storage.decisions import StoredDecision

_NOT_DONE = "refused"
_LEFT = "not needed"
_KINDS = {str(kind): kind for kind in (DeedKind.SEARCHED, DeedKind.RETRIED, DeedKind.HELD)}


def rule_deeds(connection: Connection, batch_id: str) -> tuple[RuleDeed, ...]:
    """What came of the rules of one batch, the oldest first; what they only said is told by whom it concerns."""
    made = decisions.of_batch(connection, batch_id)
    answers = {each.parameters["question"]: each for each in made if each.kind == ANSWER}
    rules = [each for each in made if each.kind == KIND and each.result != _LEFT]
    deeds = (_asked(each, answers.get(each.id)) if is_question(each) else _done(each) for each in rules)
    return tuple(deed for deed in deeds if deed is not None)


def _done(decision: StoredDecision) -> RuleDeed | None:
    kind = _KINDS.get(decision.action)
    if kind is None:
        return None
    detail: Mapping[str, Any] = decision.result_detail or {}
    moment, vendor = due_at(decision), decision.condition.get("vendor")
    changes: Any = decision.parameters.get(CHANGES)
    return RuleDeed(
        rule=rule_of(decision),
        kind=kind,
        is_done=_is_done(decision),
        why_not=detail.get("why"),
        child=detail.get("batch"),
        changes=changes,
        minutes=None if moment is None else round((moment - decision.at).total_seconds() / 60),
        due_at=moment,
        vendor=None if vendor is None else str(vendor),
    )


def _asked(question: StoredDecision, answer: StoredDecision | None) -> RuleDeed:
    detail: Mapping[str, Any] = (answer.result_detail if answer is not None else None) or {}
    return RuleDeed(
        rule=rule_of(question),
        kind=DeedKind.ASKED,
        what=question_of(question, answer_hours=0).what,
        answer=question.result,
        is_done=None if answer is None else _is_done(answer),
        why_not=detail.get("why"),
        child=detail.get("batch"),
    )


def _is_done(decision: StoredDecision) -> bool | None:
    return None if decision.result is None else decision.result != _NOT_DONE
