"""Telling a workflow of the CRM about written contacts: once per contact and plan, where the policy wants it (11.6)."""

import asyncio
import logging
from collections.abc import Sequence

from socialanalyzer_dagster.domain.ports import CallFailed, Gate
from socialanalyzer_dagster.domain.refusals import PersonSuppressed, Refusal
from socialanalyzer_dagster.pipeline.crm_comparison import listed_lead
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.storage import webhook_rows
from socialanalyzer_dagster.storage.sync_plans import Plan, StoredRow
from socialanalyzer_dagster.vendors.hubspot_workflow import Workflow

_LOG = logging.getLogger(__name__)
_STEP = "crm_webhook"


async def tell_workflow(batch: OpenBatch, gate: Gate, workflow: Workflow, plan: Plan) -> None:
    """Tell it about every written contact of the plan that it was not told about; a failure is stored with the row.

    Each row is claimed before it is sent, so that no restart sends it twice: one without an answer stays unknown, and
    one that was not sent is free again. Raises the gate's refusals.
    """
    untried = list(await asyncio.to_thread(_claimed, batch, plan))
    answers: dict[str, str | None] = {}
    try:
        while untried:
            row = untried.pop(0)
            try:
                answers[row.row_id] = await _told(batch, gate, workflow, row)
            except Refusal:
                untried.append(row)
                raise
    finally:
        answers |= {row.row_id: None for row in untried}
        await asyncio.to_thread(_store, batch, answers)


def _claimed(batch: OpenBatch, plan: Plan) -> Sequence[StoredRow]:
    with batch.workplace.database.write() as connection:
        return webhook_rows.claim(connection, plan.plan_id)


def _store(batch: OpenBatch, answers: dict[str, str | None]) -> None:
    with batch.workplace.database.write() as connection:
        webhook_rows.store_answers(connection, answers)


async def _told(batch: OpenBatch, gate: Gate, workflow: Workflow, row: StoredRow) -> str:
    planned = row.planned
    facts = {
        "creator_uid": planned.uid,
        "contact_id": row.contact_id or "",
        "action": str(row.state),
        "tier": planned.tier or "",
        "lead_batch_id": batch.row.partition_key,
    }
    try:
        await gate.call(workflow.tell(facts), leads=[planned.uid], step=_STEP)
    except PersonSuppressed as refusal:
        listed_lead(refusal)
        return f"{webhook_rows.FAILED}suppressed"
    except CallFailed as failure:
        _LOG.warning("the workflow was not told about a contact of %s: %s", batch.row.partition_key, failure)
        return f"{webhook_rows.FAILED}{failure.error.code}"
    return webhook_rows.ACCEPTED
