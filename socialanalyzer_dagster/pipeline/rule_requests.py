"""What a decision of a rule, or a person's answer to one, is to do: its deed, and the batch it asks for (spec 15.1)."""

from collections.abc import Mapping
from decimal import Decimal

from socialanalyzer_dagster.domain.batch_fields import MAX_NOTE_CHARS
from socialanalyzer_dagster.domain.money import MICROS_PER_USD, micros_from_usd
from socialanalyzer_dagster.domain.rule_questions import Reply
from socialanalyzer_dagster.pipeline.batch_requests import BatchRequest
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.rule_points import rule_of
from socialanalyzer_dagster.pipeline.rule_questions import (
    ANSWER,
    BUDGET,
    CHANGES,
    FILTERS,
    MAX_LEADS,
    PROPOSES,
    RULE,
)
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.decisions import Decision


def deed_of(decision: Decision) -> str:
    """What is to be done: the action of a rule, or what a person's answer allows."""
    return str(decision.parameters[PROPOSES]) if decision.kind == ANSWER else decision.action


def rule_behind(decision: Decision) -> str:
    """The rule that decided, or whose question was answered."""
    return str(decision.parameters[RULE]) if decision.kind == ANSWER else rule_of(decision)


def search_request(workplace: Workplace, decision: Decision, parent: Batch) -> BatchRequest:
    """The batch that a decision asks for: a child of its batch, under the decision's key, stopping at its budget.

    Who said yes saw the estimate, and a rule acts alone below `gates.person_above_usd`; the estimate of a search that
    a person changed is confirmed like that of any batch (spec 12.5).
    """
    planned = decision.parameters
    budget, filters = planned[BUDGET], planned[FILTERS]
    if not isinstance(budget, int) or not isinstance(filters, Mapping):
        raise TypeError(f"decision {decision.dedup_key} holds no search")
    alone = micros_from_usd(active_policy(workplace.database).gates.person_above_usd)
    is_small = decision.expected_micros is not None and decision.expected_micros <= alone
    rule, changes = rule_behind(decision), planned.get(CHANGES)
    return BatchRequest(
        platform=parent.platform,
        filters=filters,
        fields={
            "parent_batch_id": parent.batch_id,
            "idempotency_key": decision.dedup_key,
            "max_budget_usd": Decimal(budget) / MICROS_PER_USD,
            "max_leads": planned.get(MAX_LEADS),
            "bdr_names": list(parent.bdr_names) or None,
            "note": f"{rule} of {parent.partition_key}{f': {changes}' if changes else ''}"[:MAX_NOTE_CHARS],
        },
        stop_at_cap=True,
        confirmed=is_small if decision.kind != ANSWER else decision.action == Reply.APPROVE,
        requested_by=rule_of(decision) if decision.kind != ANSWER else decision.actor,
    )
