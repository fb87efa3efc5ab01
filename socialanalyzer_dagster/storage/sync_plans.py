"""Queries about CRM plans and their rows (spec 11.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, String, bindparam, func, insert, select, update

from socialanalyzer_dagster.domain.crm_diff import Action, Change, PlanRow
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.storage.database import table_of
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_crm import SyncPlanLeadRow, SyncPlanRow


class PlanState(StrEnum):
    """Where a plan stands; only an open one may be decided about or applied."""

    OPEN = "open"
    APPLIED = "applied"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"


class RowState(StrEnum):
    """How the write of a row ended; pending until then. A failed row may be tried again, a dead one is not."""

    PENDING = "pending"
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    HELD = "held"
    REJECTED = "rejected"
    FAILED = "failed"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A stored plan; plans of a batch are numbered from 1, the highest number is the one that counts.

    `rules_hash` is the digest of the privacy and outreach rules it was made under.
    """

    plan_id: str
    batch_id: str
    number: int
    plan_hash: str
    state: str
    created_at: datetime
    expires_at: datetime
    resume_at: datetime | None = None
    rules_hash: str | None = None

    def is_expired(self, now: datetime) -> bool:
        """True when nothing may be written from it any more, nor decided about it."""
        return now >= self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRow:
    """One row of a stored plan: what was planned, and how it ended.

    `row_id` is the trace id of its write; `contact_id` the contact it was found to be; `error` a text for the person
    who looks after the lead, never for logs. `tries` attempts got no answer; the next is due at `next_try_at`.
    """

    row_id: str
    planned: PlanRow
    state: str = RowState.PENDING
    contact_id: str | None = None
    error: str | None = None
    tries: int = 0
    next_try_at: datetime | None = None
    webhook: str | None = None
    """What became of telling the workflow: accepted, unknown, or "failed: " and why; None when nobody told it."""

    @property
    def is_waiting(self) -> bool:
        """True for a row that the sync still has to try."""
        return self.state == RowState.PENDING or self.next_try_at is not None


_PLANS, _ROWS = table_of(SyncPlanRow), table_of(SyncPlanLeadRow)
_NEWEST = (
    select(*(getattr(SyncPlanRow, name) for name in Plan.__dataclass_fields__))
    .where(SyncPlanRow.batch_id == bindparam("of_batch"))
    .order_by(SyncPlanRow.number.desc())
    .limit(1)
)
_OF_PLAN = bindparam("of_plan", type_=String())
_NEW_PLAN = insert(_PLANS)
_NEW_ROW = insert(_ROWS)
_LEAVE_OPEN = (
    update(_PLANS)
    .where(_PLANS.c.plan_id == _OF_PLAN, _PLANS.c.state == PlanState.OPEN)
    .values(state=bindparam("following"))
)
_PUT_OFF = update(_PLANS).where(_PLANS.c.plan_id == _OF_PLAN)
_ROWS_OF_PLAN = select(_ROWS).where(_ROWS.c.plan_id == _OF_PLAN).order_by(_ROWS.c.lead_uid)
_ROWS_BY_ID = select(_ROWS).where(_ROWS.c.row_id.in_(bindparam("rows", expanding=True)))
_OF_ROW = _ROWS.c.row_id == bindparam("row")
_END_ROW = update(_ROWS).where(_OF_ROW)
_LEARN_CONTACT = update(_ROWS).where(_OF_ROW, _ROWS.c.action == Action.CREATE)
_FORGET_TRIES = (
    update(_ROWS).where(_ROWS.c.plan_id == _OF_PLAN, _ROWS.c.next_try_at.is_not(None)).values(next_try_at=None)
)
_FIRST_TRY = (
    select(_ROWS.c.next_try_at)
    .where(_ROWS.c.plan_id == _OF_PLAN, _ROWS.c.next_try_at.is_not(None))
    .order_by(_ROWS.c.next_try_at)
    .limit(1)
)
_BY_ACTION, _BY_STATE = (
    select(column, func.count()).where(_ROWS.c.plan_id == _OF_PLAN).group_by(column).order_by(column)
    for column in (_ROWS.c.action, _ROWS.c.state)
)


def newest_plan(connection: Connection, batch_id: str) -> Plan | None:
    """The batch's latest plan, None before the first."""
    row = connection.execute(_NEWEST, {"of_batch": batch_id}).mappings().one_or_none()
    return None if row is None else Plan(**row)


def insert_plan(connection: Connection, plan: Plan, rows: Sequence[StoredRow]) -> None:
    """A new plan with all its rows; raises IntegrityError when somebody stored one of this number meanwhile."""
    connection.execute(_NEW_PLAN, {name: getattr(plan, name) for name in Plan.__dataclass_fields__})
    if rows:
        connection.execute(_NEW_ROW, [_columns(plan.plan_id, row) for row in rows])


def _columns(plan_id: str, row: StoredRow) -> dict[str, Any]:
    planned = row.planned
    return {
        "row_id": row.row_id,
        "plan_id": plan_id,
        "lead_uid": planned.uid,
        "action": planned.action,
        "reason": planned.reason,
        "changes": {name: [change.old, change.new] for name, change in planned.changes.items()},
        "crm_object_id": planned.crm_object_id,
        "tier": planned.tier,
        "bdr": planned.bdr,
        "notes": list(planned.notes),
        "state": row.state,
        "error": row.error,
    }


def change_plan_state(connection: Connection, plan_id: str, *, to: PlanState) -> bool:
    """Leave the open state; False when somebody did so before (compare-and-set, I-44)."""
    return connection.execute(_LEAVE_OPEN, {"of_plan": plan_id, "following": to}).rowcount == 1


def plan_rows(connection: Connection, plan_id: str) -> list[StoredRow]:
    """All rows of a plan, in a fixed order."""
    return [_stored(row) for row in connection.execute(_ROWS_OF_PLAN, {"of_plan": plan_id}).mappings()]


def rows_by_id(connection: Connection, row_ids: Sequence[str]) -> list[StoredRow]:
    """Some rows of plans, in a fixed order."""
    found = [
        _stored(row) for part in parts(row_ids) for row in connection.execute(_ROWS_BY_ID, {"rows": part}).mappings()
    ]
    return sorted(found, key=lambda row: row.planned.uid)


def planned_leads(connection: Connection, plan_id: str, *, state: RowState | None = None) -> list[LeadUid]:
    """The leads of a plan in a fixed order; of those, the ones whose row ended like this."""
    query = select(SyncPlanLeadRow.lead_uid).where(SyncPlanLeadRow.plan_id == plan_id)
    if state is not None:
        query = query.where(SyncPlanLeadRow.state == state)
    return [LeadUid(uid) for uid in connection.execute(query.order_by(SyncPlanLeadRow.lead_uid)).scalars()]


@dataclass(frozen=True, slots=True)
class RowFigures:
    """How many rows of a plan are alike in what is to be done, why, in which tier and for whom."""

    action: Action
    reason: str | None
    tier: str | None
    bdr: str | None
    rows: int


def row_figures(connection: Connection, plan_id: str) -> list[RowFigures]:
    """The rows of a plan in figures, without reading what each of them writes."""
    alike = (SyncPlanLeadRow.action, SyncPlanLeadRow.reason, SyncPlanLeadRow.tier, SyncPlanLeadRow.bdr)
    found = connection.execute(
        select(*alike, func.count()).where(SyncPlanLeadRow.plan_id == plan_id).group_by(*alike).order_by(*alike)
    )
    return [RowFigures(Action(action), reason, tier, bdr, rows) for action, reason, tier, bdr, rows in found]


def _stored(row: RowMapping) -> StoredRow:
    action = Action(row["action"])
    planned = PlanRow(
        uid=LeadUid(row["lead_uid"]),
        action=action,
        reason=row["reason"],
        changes={name: Change(old, new) for name, (old, new) in row["changes"].items()},
        crm_object_id=None if action is Action.CREATE else row["crm_object_id"],
        tier=row["tier"],
        bdr=row["bdr"],
        notes=tuple(row["notes"]),
    )
    return StoredRow(
        row_id=row["row_id"],
        planned=planned,
        state=row["state"],
        contact_id=row["crm_object_id"],
        error=row["error"],
        tries=row["tries"],
        next_try_at=row["next_try_at"],
        webhook=row["webhook"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RowEnd:
    """How a row ended; `contact_id` None leaves what the plan knew."""

    row_id: str
    state: RowState
    contact_id: str | None = None
    error: str | None = None
    tries: int = 0
    next_try_at: datetime | None = None


def end_rows(connection: Connection, ends: Sequence[RowEnd]) -> None:
    """Write how rows ended; a create row learns its contact, the others keep the one they were planned for."""
    if not ends:
        return
    names = ("state", "error", "tries", "next_try_at")
    rows = [{"row": end.row_id, **{name: getattr(end, name) for name in names}} for end in ends]
    connection.execute(_END_ROW, rows)
    known = [{"row": end.row_id, "crm_object_id": end.contact_id} for end in ends if end.contact_id is not None]
    if known:
        connection.execute(_LEARN_CONTACT, known)


def end_open_rows(connection: Connection, plan_id: str, *, state: RowState) -> None:
    """Give every row that has no end yet the same one (a rejected or expired plan); nothing is tried again."""
    rows = update(SyncPlanLeadRow).where(SyncPlanLeadRow.plan_id == plan_id)
    connection.execute(rows.where(SyncPlanLeadRow.state == RowState.PENDING).values(state=state))
    forget_tries(connection, plan_id)


def forget_tries(connection: Connection, plan_id: str) -> None:
    """Try no row of the plan again: its leads are in another plan, or nobody may write them."""
    connection.execute(_FORGET_TRIES, {"of_plan": plan_id})


def first_try(connection: Connection, plan_id: str) -> datetime | None:
    """When the next row of the plan is tried again; None when none is."""
    return connection.execute(_FIRST_TRY, {"of_plan": plan_id}).scalar_one_or_none()


def put_off(connection: Connection, plan_id: str, until: datetime | None) -> None:
    """Say when the CRM may be asked again for this plan; None when it may be now."""
    connection.execute(_PUT_OFF, {"of_plan": plan_id, "resume_at": until})


def action_counts(connection: Connection, plan_id: str) -> dict[str, int]:
    """Rows of a plan by action."""
    return _counts(connection, plan_id, _BY_ACTION)


def state_counts(connection: Connection, plan_id: str) -> dict[str, int]:
    """Rows of a plan by how they ended."""
    return _counts(connection, plan_id, _BY_STATE)


def _counts(connection: Connection, plan_id: str, query: Select[Any]) -> dict[str, int]:
    return {str(value): number for value, number in connection.execute(query, {"of_plan": plan_id})}
