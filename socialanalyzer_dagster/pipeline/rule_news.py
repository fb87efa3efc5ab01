"""What people are told of a rule's choice: what it asks, holds, drafts or says (spec 15.1, 15.4, 16)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from socialanalyzer_dagster.domain.notification_events import Deviation, Event, SearchStale
from socialanalyzer_dagster.domain.notification_questions import Escalation
from socialanalyzer_dagster.domain.notification_rules import NicheCluster, RuleTold
from socialanalyzer_dagster.domain.rule_questions import Reply, RuleQuestion
from socialanalyzer_dagster.domain.rules import RuleChoice, Verdict
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.decisions import Decision

_SILENT = frozenset({"loosen", "retry_failed"})
"""What rules do without a word: the batch that comes of it, or its end, is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A rule's choice about a batch as it was written down, and the question it asks (None = it asks nothing)."""

    choice: RuleChoice
    made: Decision
    batch: Batch
    question: RuleQuestion | None = None


def event_of(chosen: Chosen) -> Event | None:
    """What people are told of it; None where there is nothing to tell, or somebody else tells it.

    That a cap is nearly used is told from the caps themselves, whoever spends under them.
    """
    choice, condition = chosen.choice, chosen.choice.rule.when.kind
    action = choice.rule.then.kind
    if choice.verdict is Verdict.ASK:
        return _said(chosen) if chosen.question is None else _asked(chosen.made, chosen.question)
    if choice.verdict is not Verdict.ACT or action in _SILENT:
        return None
    if action == "pause":
        return _held(chosen)
    if condition == "cap_nearly_used":
        return None
    told = {"niche_cluster": _niche, "stale_search": _stale, "deviation": _worse}.get(condition, _said)
    return told(chosen)


def _asked(made: Decision, question: RuleQuestion) -> Escalation:
    can_approve = Reply.APPROVE in question.replies
    return Escalation(
        batch_id=made.batch_id,
        subject=made.dedup_key,
        what=question.what,
        why=made.reason,
        expected_micros=question.expected_micros if can_approve else None,
        worst_case_micros=question.worst_case_micros if can_approve else None,
        alternatives=question.alternatives,
        without_answer=question.without_answer,
        how=question.how if can_approve else f"{question.cost} {question.how}",
    )


def _held(chosen: Chosen) -> Event:
    """A batch that no vendor's return lets go on needs a person."""
    return _said(chosen) if chosen.question is None else _asked(chosen.made, chosen.question)


def _niche(chosen: Chosen) -> Event:
    seen: Mapping[str, Any] = chosen.choice.looked.seen
    asked = chosen.question
    return NicheCluster(
        batch_id=chosen.made.batch_id,
        niche=str(seen["niche"]),
        leads=seen["leads"],
        share_percent=round(100 * seen["leads"] / seen["scored"]),
        follow_up=None if asked is None else _offered(asked),
    )


def _offered(asked: RuleQuestion) -> str:
    return f"It has {asked.changes}. {asked.cost} {asked.how} Without an answer: {asked.without_answer}"


def _stale(chosen: Chosen) -> Event:
    made, suggestions = chosen.made, chosen.made.parameters.get("suggestions")
    return SearchStale(
        batch_id=made.batch_id,
        search=made.subject.split(".")[2],
        platform=chosen.batch.platform,
        why=made.reason,
        suggestions=tuple(map(str, suggestions)) if isinstance(suggestions, list) else (),
        is_saved=chosen.batch.preset_id is not None,
    )


def _worse(chosen: Chosen) -> Event:
    made = chosen.made
    return Deviation(batch_id=made.batch_id, stage=made.stage or "", told=(made.reason,), is_severe=True)


def _said(chosen: Chosen) -> Event:
    made = chosen.made
    return RuleTold(batch_id=made.batch_id, choice=made.dedup_key, rule=chosen.choice.rule.title, why=made.reason)
