"""A plan for people: every row with its fields old -> new; where others may read along, people's data is hidden."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from socialanalyzer_dagster.domain.crm_diff import PlanRow
from socialanalyzer_dagster.domain.crm_properties import CrmProperty, ValueKind
from socialanalyzer_dagster.domain.crm_table import crm_properties
from socialanalyzer_dagster.domain.markdown import cell
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.crm_sync import gate_of_plan
from socialanalyzer_dagster.pipeline.policies import policy_of_hash
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import leads, sync_plans, tier_overrides, webhook_rows
from socialanalyzer_dagster.storage.approval_gates import GateDecision
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.sync_plans import PlanState, StoredRow

HIDDEN = "(hidden)"
DRY_RUN = "dry_run"
_PLAIN = frozenset({ValueKind.NUMBER, ValueKind.FLAG, ValueKind.CHOICE, ValueKind.CHOICES, ValueKind.MOMENT})
"""Kinds of values that name nobody."""


def plan_view(workplace: Workplace, key: str, *, hide: bool = False) -> dict[str, Any]:
    """The newest plan of a batch as JSON; `plan` is None before there is one. Raises NoSuchBatch.

    With `hide`, texts about people (addresses, names, links, summaries) are replaced; figures and choices stay.
    """
    batch = find_batch(workplace, key)
    with workplace.database.read() as connection:
        plan = sync_plans.newest_plan(connection, batch.batch_id)
        if plan is None:
            return _head(batch)
        rows = sync_plans.plan_rows(connection, plan.plan_id)
        gate = gate_of_plan(connection, plan)
        actions = sync_plans.action_counts(connection, plan.plan_id)
        states = sync_plans.state_counts(connection, plan.plan_id)
    shown = {
        "hash": plan.plan_hash,
        "number": plan.number,
        "state": plan.state,
        "created_at": plan.created_at.isoformat(),
        "expires_at": plan.expires_at.isoformat(),
        "is_expired": plan.state == PlanState.OPEN and plan.is_expired(workplace.clock.now()),
        "resume_at": _time(plan.resume_at),
        "actions": actions,
        "ended": states,
        "gate": _gate(gate),
    }
    return {**_head(batch), "plan": shown, "rows": _rows(workplace, batch, rows, hide=hide)}


def dry_view(workplace: Workplace, key: str, rows: Sequence[PlanRow]) -> dict[str, Any]:
    """Rows that a plan made now would have, as plan_view shows them; it has no hash, so nobody can approve it."""
    batch = find_batch(workplace, key)
    actions = Counter(str(row.action) for row in rows)
    shown = {"hash": None, "state": DRY_RUN, "actions": dict(sorted(actions.items())), "gate": None}
    stored = [StoredRow(row_id="", planned=row) for row in rows]
    return {**_head(batch), "plan": shown, "rows": _rows(workplace, batch, stored, hide=False)}


def _head(batch: Batch) -> dict[str, Any]:
    return {"key": batch.partition_key, "status": batch.status, "plan": None, "rows": []}


def _rows(workplace: Workplace, batch: Batch, rows: Sequence[StoredRow], *, hide: bool) -> list[dict[str, Any]]:
    uids = [row.planned.uid for row in rows]
    with workplace.database.read() as connection:
        records = leads.load_records(connection, uids)
        overrides = tier_overrides.overrides_of(connection, uids)
    properties = crm_properties(policy_of_hash(workplace.database, batch.policy_hash))
    found = []
    for row in rows:
        shown = _row(row, properties, hide=hide)
        if (override := overrides.get(row.planned.uid)) is not None and not hide:
            shown["override"] = {"tier": override.tier, "reason": override.reason, "by": override.decided_by}
        found.append(shown if hide else {"handle": records[row.planned.uid].handle, **shown})
    return found


def _gate(gate: GateDecision | None) -> dict[str, Any] | None:
    if gate is None:
        return None
    return {
        "state": gate.state,
        "requested_at": _time(gate.requested_at),
        "decided_by": gate.decided_by,
        "decided_at": _time(gate.decided_at),
        "comment": gate.comment,
    }


def _row(row: StoredRow, properties: Mapping[str, CrmProperty], *, hide: bool) -> dict[str, Any]:
    planned = row.planned
    return {
        "lead_uid": planned.uid,
        "action": planned.action,
        "reason": planned.reason,
        "tier": planned.tier,
        "bdr": planned.bdr,
        "notes": list(planned.notes),
        "state": row.state,
        "contact_id": row.contact_id,
        "error": HIDDEN if hide and row.error is not None else row.error,
        "tries": row.tries,
        "next_try_at": _time(row.next_try_at),
        "untold": webhook_rows.untold_reason(row.webhook),
        "override": None,
        "changes": {
            name: {
                "old": _value(change.old, properties.get(name), hide=hide),
                "new": _value(change.new, properties.get(name), hide=hide),
            }
            for name, change in planned.changes.items()
        },
    }


def _value(value: str | None, known: CrmProperty | None, *, hide: bool) -> str | None:
    if value is None or not hide or (known is not None and known.kind in _PLAIN):
        return value
    return HIDDEN


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None


def plan_markdown(view: Mapping[str, Any], *, most_rows: int = 20) -> str:
    """The rows of a plan as a Markdown table, as far as a page of metadata takes them: make the view with `hide`."""
    rows: Sequence[Mapping[str, Any]] = view["rows"]
    if not rows:
        return "no rows"
    lines = ["| lead | action | reason | tier | BDR | fields |", "|---|---|---|---|---|---|"]
    for row in rows[:most_rows]:
        texts = (row["action"], row["reason"], row["tier"], row["bdr"])
        cells = (f"`{row['lead_uid']}`", *map(cell, texts), _fields(row["changes"]))
        lines.append(f"| {' | '.join(cells)} |")
    if len(rows) > most_rows:
        lines.append(f"\n{len(rows) - most_rows} more rows: `socialanalyzer batch plan {view['key']}`")
    return "\n".join(lines)


def _fields(changes: Mapping[str, Mapping[str, str | None]]) -> str:
    """Updates field by field; a new contact's fields are all new, so their number is enough."""
    if changes and all(change["old"] is None for change in changes.values()):
        return f"{len(changes)} new"
    shown = (f"{name}: {change['old'] or 'blank'} → {change['new']}" for name, change in changes.items())
    return ", ".join(map(cell, shown))
