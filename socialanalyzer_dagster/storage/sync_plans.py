"""Queries about CRM plans, their rows, approvals and links between leads and contacts (spec 11, 15.2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from socialanalyzer_dagster.storage.database import upsert
from socialanalyzer_dagster.storage.models_control import CrmLinkRow, GateRow, SyncPlanLeadRow, SyncPlanRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A stored plan; `state` is open, applied, rejected or superseded."""

    plan_id: str
    batch_id: str
    plan_hash: str
    state: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """One contact of a plan.

    `action` is create, update, unchanged, held or rejected; `changes` maps a property to [old, new]; `state` is pending
    until the write ended as created, updated, unchanged, held, rejected or failed.
    """

    row_id: str
    plan_id: str
    lead_uid: str
    action: str
    reason: str | None
    changes: Mapping[str, Sequence[str | None]]
    crm_object_id: str | None
    tier: str | None
    bdr: str | None
    state: str
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDecision:
    """A gate and what a person decided; `state` is open, approved, rejected or expired."""

    gate_id: str
    batch_id: str
    stage: str
    subject_hash: str
    state: str
    requested_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    comment: str | None = None


_PLAN: list[Any] = [SyncPlanRow.plan_id, SyncPlanRow.batch_id, SyncPlanRow.plan_hash, SyncPlanRow.state, SyncPlanRow.created_at]
_ROW: list[Any] = [
    SyncPlanLeadRow.row_id,
    SyncPlanLeadRow.plan_id,
    SyncPlanLeadRow.lead_uid,
    SyncPlanLeadRow.action,
    SyncPlanLeadRow.reason,
    SyncPlanLeadRow.changes,
    SyncPlanLeadRow.crm_object_id,
    SyncPlanLeadRow.tier,
    SyncPlanLeadRow.bdr,
    SyncPlanLeadRow.state,
    SyncPlanLeadRow.error,
]
_GATE: list[Any] = [
    GateRow.gate_id,
    GateRow.batch_id,
    GateRow.stage,
    GateRow.subject_hash,
    GateRow.state,
    GateRow.requested_at,
    GateRow.decided_by,
    GateRow.decided_at,
    GateRow.comment,
]


def _fields(row: Row[Any]) -> dict[str, Any]:
    return dict(row._mapping)  # noqa: SLF001 - the public name of a row's mapping


def newest_plan(connection: Connection, batch_id: str) -> Plan | None:
    """The batch's latest plan, None before the first."""
    statement = select(*_PLAN).where(SyncPlanRow.batch_id == batch_id).order_by(SyncPlanRow.created_at.desc()).limit(1)
    row = connection.execute(statement).one_or_none()
    return None if row is None else Plan(**_fields(row))


def insert_plan(connection: Connection, plan: Plan, rows: Sequence[PlanRow]) -> None:
    """A new plan with all its rows; earlier open plans of the batch become superseded."""
    connection.execute(
        update(SyncPlanRow)
        .where(SyncPlanRow.batch_id == plan.batch_id, SyncPlanRow.state == "open")
        .values(state="superseded")
    )
    connection.execute(insert(SyncPlanRow).values({name: getattr(plan, name) for name in Plan.__dataclass_fields__}))
    if rows:
        names = PlanRow.__dataclass_fields__
        connection.execute(insert(SyncPlanLeadRow), [{name: getattr(row, name) for name in names} for row in rows])


def set_plan_state(connection: Connection, plan_id: str, state: str) -> None:
    """Where a plan stands now."""
    connection.execute(update(SyncPlanRow).where(SyncPlanRow.plan_id == plan_id).values(state=state))


def plan_rows(connection: Connection, plan_id: str) -> list[PlanRow]:
    """All rows of a plan, in a fixed order."""
    statement = select(*_ROW).where(SyncPlanLeadRow.plan_id == plan_id).order_by(SyncPlanLeadRow.lead_uid)
    return [PlanRow(**_fields(row)) for row in connection.execute(statement)]


def end_row(
    connection: Connection, row_id: str, *, state: str, crm_object_id: str | None = None, error: str | None = None
) -> None:
    """How the write of one row ended."""
    values: dict[str, Any] = {"state": state, "error": error}
    if crm_object_id is not None:
        values["crm_object_id"] = crm_object_id
    connection.execute(update(SyncPlanLeadRow).where(SyncPlanLeadRow.row_id == row_id).values(**values))


def action_counts(connection: Connection, plan_id: str) -> dict[str, int]:
    """Rows of a plan by action."""
    rows = connection.execute(
        select(SyncPlanLeadRow.action, func.count())
        .where(SyncPlanLeadRow.plan_id == plan_id)
        .group_by(SyncPlanLeadRow.action)
    )
    return {action: number for action, number in rows}  # noqa: C416 - a Row is no tuple to the type checker


def crm_links(connection: Connection, lead_uids: Sequence[str]) -> dict[str, str]:
    """lead_uid -> CRM object id, for the leads that have a contact."""
    rows = connection.execute(
        select(CrmLinkRow.lead_uid, CrmLinkRow.crm_object_id).where(CrmLinkRow.lead_uid.in_(lead_uids))
    )
    return {row.lead_uid: row.crm_object_id for row in rows}


def save_link(
    connection: Connection, lead_uid: str, *, crm_object_id: str, written: Mapping[str, str], now: datetime
) -> None:
    """Remember which contact a lead is, and what we last wrote there."""
    values = {"crm_object_id": crm_object_id, "written": dict(written), "written_at": now}
    statement = upsert(connection, CrmLinkRow).values(lead_uid=lead_uid, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["lead_uid"], set_=values))


def open_gate(connection: Connection, gate: GateDecision) -> None:
    """Ask for a decision about a subject; asking again about the same subject changes nothing."""
    values = {name: getattr(gate, name) for name in GateDecision.__dataclass_fields__}
    statement = upsert(connection, GateRow).values(**values)
    connection.execute(statement.on_conflict_do_nothing(index_elements=["batch_id", "stage", "subject_hash"]))


def gate_for(connection: Connection, batch_id: str, stage: str, subject_hash: str) -> GateDecision | None:
    """The gate of exactly this subject."""
    row = connection.execute(
        select(*_GATE).where(GateRow.batch_id == batch_id, GateRow.stage == stage, GateRow.subject_hash == subject_hash)
    ).one_or_none()
    return None if row is None else GateDecision(**_fields(row))


def decide_gate(connection: Connection, gate_id: str, decision: GateDecision) -> bool:
    """Write a decision into an open gate; False when somebody decided before (compare-and-set)."""
    changed = connection.execute(
        update(GateRow)
        .where(GateRow.gate_id == gate_id, GateRow.state == "open")
        .values(
            state=decision.state,
            decided_by=decision.decided_by,
            decided_at=decision.decided_at,
            comment=decision.comment,
        )
    )
    return changed.rowcount == 1
