"""When a person is asked, what a yes covers, and when no answer is a no (spec 15.2, 15.4)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from socialanalyzer_dagster.domain.approval import (
    Deadlines,
    Due,
    Figures,
    Question,
    QuestionKind,
    deadlines,
    due,
    why_ask,
    why_ask_before_sync,
)
from socialanalyzer_dagster.domain.policy import Policy, PolicyError, parse_policy
from socialanalyzer_dagster.domain.types import Stage

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
USD = 1_000_000


def with_gates(policy: Policy, **gates: Any) -> Policy:
    document = policy.document()
    document["gates"] |= gates
    return parse_policy(document)


def figures(leads: int = 10, *, spent: int = 0, expected: int = 5 * USD, worst: int = 9 * USD) -> Figures:
    return Figures(leads=leads, spent_micros=spent, expected_micros=expected, worst_case_micros=worst)


def answered(stage: Stage, of: Figures) -> Question:
    return Question(
        kind=QuestionKind.STAGE, number=1, stage=stage, why="", leads=of.leads, spent_micros=of.spent_micros,
        expected_micros=of.expected_micros, worst_case_micros=of.worst_case_micros,
    )  # fmt: skip


def test_the_shipped_policy_asks_before_the_sync_alone(policy: Policy) -> None:
    assert [why_ask(policy, stage, figures(), []) for stage in Stage if stage is not Stage.SYNCED] == [None] * 5
    assert why_ask_before_sync(policy, contacts=0, spend_micros=0) == (
        "the policy asks before contacts are written",
        False,
    )


def test_without_that_gate_a_person_is_asked_above_fifty_contacts_or_a_hundred_dollars_alone(policy: Policy) -> None:
    off = with_gates(policy, requires_approval={"synced": False})
    assert why_ask_before_sync(off, contacts=50, spend_micros=100 * USD) is None
    assert why_ask_before_sync(off, contacts=51, spend_micros=0) == ("it is more than 50 contacts", True)
    assert why_ask_before_sync(off, contacts=0, spend_micros=100 * USD + 1) == (
        "the batch spent more than $100.00",
        True,
    )
    assert why_ask_before_sync(off, contacts=1, spend_micros=0, is_canary=True) is not None


def test_a_batch_that_will_probably_cost_more_than_a_hundred_dollars_asks_before_it_spends(policy: Policy) -> None:
    dear = figures(expected=101 * USD, worst=150 * USD)
    assert why_ask(policy, Stage.DISCOVERED, dear, []) == ("the batch will probably cost more than $100.00", True)
    said_yes = [answered(Stage.DISCOVERED, dear)]
    grown = figures(spent=120 * USD, expected=30 * USD)
    assert why_ask(policy, Stage.ENRICHED, grown, said_yes) is None, "the yes was to $150.00 at most"
    assert why_ask(policy, Stage.ENRICHED, figures(spent=121 * USD, expected=30 * USD), said_yes) is not None


def test_a_yes_covers_as_many_leads_as_it_named_at_its_own_stage(policy: Policy) -> None:
    asks = with_gates(policy, requires_approval={"enriched": True, "analyzed": True})
    said_yes = [answered(Stage.ENRICHED, figures(10))]
    assert why_ask(asks, Stage.ENRICHED, figures(10), said_yes) is None
    assert why_ask(asks, Stage.ENRICHED, figures(11), said_yes) is not None
    assert why_ask(asks, Stage.ANALYZED, figures(3), said_yes) is not None


@pytest.mark.parametrize(
    ("hours", "what"), [(23, Due.NOTHING), (24, Due.REMINDER), (71, Due.REMINDER), (72, Due.EXPIRY)]
)
def test_people_are_reminded_after_a_day_and_three_days_without_an_answer_are_a_no(policy, hours, what) -> None:
    lasts = deadlines(policy, requested_at=NOW, is_escalated=False)
    assert due(lasts, NOW + timedelta(hours=hours)) is what


def test_an_escalation_ends_after_a_day_and_needs_no_reminder(policy: Policy) -> None:
    lasts = deadlines(policy, requested_at=NOW, is_escalated=True)
    assert lasts == Deadlines(remind_at=None, expires_at=NOW + timedelta(hours=24))


def test_a_question_about_a_plan_ends_with_the_plan(policy: Policy) -> None:
    document = policy.document()
    document["crm"]["plan_hours"] = 20
    lasts = deadlines(parse_policy(document), requested_at=NOW, is_escalated=False, is_plan=True)
    assert lasts == Deadlines(remind_at=None, expires_at=NOW + timedelta(hours=20))


def test_a_gate_stands_before_a_stage_that_exists(policy: Policy) -> None:
    with pytest.raises(PolicyError, match="requires_approval"):
        with_gates(policy, requires_approval={"enrichment": True})


def test_a_question_is_stored_and_read_back_with_its_figures() -> None:
    asked = answered(Stage.ENRICHED, figures(1, spent=USD))
    assert Question.from_json(asked.as_json()) == asked
    assert "whether 1 lead may be enriched" in asked.sentence
    assert "$1.00 spent so far, about $5.00 and at most $9.00 to come" in asked.sentence
