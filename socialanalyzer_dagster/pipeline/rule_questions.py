"""What the decision log says of rules: when a choice is due, and which questions are open (spec 15.3, 15.4)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.rule_questions import Proposal, RuleQuestion
from socialanalyzer_dagster.storage import decisions
from socialanalyzer_dagster.storage.decisions import StoredDecision

PROPOSES, WORST_CASE, BUDGET, FILTERS, CHANGES = "proposes", "worst_case_micros", "budget_micros", "filters", "changes"
"""Parameters of a decision that is a question: what is proposed, at most for how much, with which search."""
HOLDS = "holds"
"""The parameter of a question whether a held batch goes on: the decision that held it."""
DUE_AT = "due_at"
"""The parameter of a decision whose time has to come first."""
ANSWER = "rule_answer"
"""The kind of the decision that holds a person's answer."""
RULE, MAX_LEADS = "rule", "max_leads"
"""Parameters that only a person's answer has: the rule that asked, and how many leads it may be."""


def due_at(decision: StoredDecision) -> datetime | None:
    """When a decision is to be carried out; None = at once."""
    moment: Any = decision.parameters.get(DUE_AT)
    return None if moment is None else datetime.fromisoformat(str(moment))


def is_question(decision: StoredDecision) -> bool:
    """True for what a rule leaves to a person, answered or not."""
    return decision.kind != ANSWER and PROPOSES in decision.parameters


def open_questions(connection: Connection, kind: str, answer_hours: int) -> list[RuleQuestion]:
    """What waits for a person's answer, the oldest first; `kind` is that of rules."""
    return [question_of(each, answer_hours) for each in decisions.open_of_kind(connection, kind) if is_question(each)]


def question_of(decision: StoredDecision, answer_hours: int) -> RuleQuestion:
    """The decision as a question that ends after so many hours; raises KeyError for one that is none."""
    stored: Mapping[str, Any] = decision.parameters
    return RuleQuestion(
        number=decision.id,
        rule=decision.actor.partition("@")[0],
        batch_key=decision.subject,
        proposal=Proposal(stored[PROPOSES]),
        why=decision.reason,
        expected_micros=decision.expected_micros,
        worst_case_micros=stored.get(WORST_CASE),
        changes=stored.get(CHANGES),
        filters=stored.get(FILTERS),
        asked_at=decision.at,
        expires_at=decision.at + timedelta(hours=answer_hours),
    )
