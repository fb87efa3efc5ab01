"""A question of a rule says what, why, its cost, what else and how to answer, and offers what makes sense (15.4)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from socialanalyzer_dagster.domain.rule_questions import Proposal, Reply, RuleQuestion

AT = datetime(2026, 11, 20, 9, tzinfo=UTC)


def question(proposal: Proposal, **facts: Any) -> RuleQuestion:
    told: dict[str, Any] = {
        "number": 12, "rule": "R-1", "batch_key": "K", "why": "Few passed.", "expected_micros": 3_000_000,
        "worst_case_micros": 9_500_000, "changes": None, "filters": {"a": 1}, "asked_at": AT, "expires_at": AT,
    }  # fmt: skip
    return RuleQuestion(proposal=proposal, **told | facts)


@pytest.mark.parametrize(
    ("proposal", "facts", "cost", "replies"),
    [
        (Proposal.LOOSEN, {}, "Expected cost: $3.00; at worst: $9.50.", "approve reject modify"),
        (Proposal.PROPOSE_SEARCH, {}, "Expected cost: $3.00; at worst: $9.50.", "approve reject modify"),
        (Proposal.RESUME, {"filters": None}, "Expected cost: $3.00; at worst: $9.50.", "approve reject"),
        (Proposal.RETRY_FAILED, {"filters": None}, "Expected cost: $3.00; at worst: $9.50.", "approve reject"),
        (
            Proposal.LOOSEN,
            {"filters": None, "expected_micros": None},
            "What it costs depends on the filters that you give, at most $9.50.",
            "modify reject",
        ),
        (
            Proposal.LOOSEN,
            {"expected_micros": 0, "worst_case_micros": 0},
            "Nothing of the batch's spending cap is left for it: name another cap.",
            "modify reject",
        ),
    ],
)
def test_a_question_offers_the_answers_that_can_be_carried_out(
    proposal: Proposal, facts: dict[str, Any], cost: str, replies: str
) -> None:
    asked = question(proposal, **facts)
    assert (asked.cost, list(asked.replies)) == (cost, [Reply(each) for each in replies.split()])
    assert all(f"`{command}`" in asked.how for command in asked.commands)


def test_a_question_has_everything_that_a_person_must_know() -> None:
    told = question(Proposal.LOOSEN, changes="keyword set to novels").as_json()
    assert told["what"] == "whether to run the search of K again with looser filters (keyword set to novels)"
    assert told["alternatives"] == [
        "other filters, fewer leads or another cap (modify)",
        "search no further here (reject)",
    ]
    assert told["without_answer"] == "at 2026-11-20 09:00 UTC it counts as a no, and nothing is done."
    assert told["answers"][0] == "socialanalyzer rules answer 12 approve --by NAME"
