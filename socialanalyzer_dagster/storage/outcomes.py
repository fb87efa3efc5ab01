"""Writing stage outcomes: exactly one current row per (batch, lead, stage), earlier attempts stay (spec 2.2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from socialanalyzer_dagster.domain.outcomes import Outcome, Result
from socialanalyzer_dagster.domain.types import LeadUid, Stage
from socialanalyzer_dagster.storage.database import table_of, unindexed
from socialanalyzer_dagster.storage.models_control import LedgerEntryRow
from socialanalyzer_dagster.storage.models_results import StageOutcomeRow

_OUTCOMES = table_of(StageOutcomeRow)
_LEDGER = table_of(LedgerEntryRow)
_INSERT = insert(_OUTCOMES)
_OF_LEADS = (
    _OUTCOMES.c.batch_id == bindparam("of_batch"),
    _OUTCOMES.c.stage == bindparam("of_stage"),
    _OUTCOMES.c.lead_uid.in_(bindparam("leads", expanding=True)),
)
_EARLIER = (
    select(_OUTCOMES.c.lead_uid, func.max(_OUTCOMES.c.attempt), func.sum(_OUTCOMES.c.cost_micros))
    .where(*_OF_LEADS)
    .group_by(_OUTCOMES.c.lead_uid)
)
_PAID = (
    select(_LEDGER.c.lead_uid, func.sum(_LEDGER.c.amount_micros))
    .where(
        unindexed(_LEDGER.c.batch_id) == bindparam("of_batch"),
        _LEDGER.c.stage == bindparam("of_stage"),
        _LEDGER.c.lead_uid.in_(bindparam("leads", expanding=True)),
    )
    .group_by(_LEDGER.c.lead_uid)
)
_RETIRE = update(_OUTCOMES).where(*_OF_LEADS, _OUTCOMES.c.is_current).values(is_current=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOf:
    """Whose outcomes are written: one stage of one batch, under which policy and code."""

    batch_id: str
    stage: Stage
    policy_version: str
    code_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeWrite:
    """One lead's outcome with the ids of its evidence."""

    lead: LeadUid
    outcome: Outcome
    evidence_ids: tuple[str, ...]
    started_at: datetime
    finished_at: datetime


def write_outcomes(connection: Connection, of: StageOf, writes: Sequence[OutcomeWrite]) -> None:
    """Make these the current outcomes; an outcome costs what the ledger says minus its earlier attempts (I-29)."""
    leads = [write.lead for write in writes]
    earlier = earlier_attempts(connection, of, leads)
    paid = _paid(connection, of, leads)
    if earlier:
        connection.execute(_RETIRE, _of_leads(of, leads))
    rows = []
    for write in writes:
        attempts, cost = earlier.get(write.lead, (0, 0))
        rows.append(_row(of, write) | {"attempt": attempts + 1, "cost_micros": paid.get(write.lead, 0) - cost})
    connection.execute(_INSERT, rows)


def _row(of: StageOf, write: OutcomeWrite) -> dict[str, Any]:
    return {
        "batch_id": of.batch_id,
        "lead_uid": write.lead,
        "stage": of.stage,
        "is_current": True,
        "result": write.outcome.result,
        "code": write.outcome.code,
        "retryable": write.outcome.retryable,
        "detail": write.outcome.detail,
        "evidence_ids": list(write.evidence_ids),
        "started_at": write.started_at,
        "finished_at": write.finished_at,
        "policy_version": of.policy_version,
        "code_version": of.code_version,
    }


def earlier_attempts(connection: Connection, of: StageOf, leads: Sequence[LeadUid]) -> Mapping[str, tuple[int, int]]:
    """Number of the latest attempt and micro-USD of all attempts so far, by lead."""
    rows = connection.execute(_EARLIER, _of_leads(of, leads))
    return {lead: (attempt, int(cost)) for lead, attempt, cost in rows}


def _paid(connection: Connection, of: StageOf, leads: Sequence[LeadUid]) -> Mapping[str, int]:
    rows = connection.execute(_PAID, _of_leads(of, leads))
    return {lead: int(amount) for lead, amount in rows if lead is not None}


def _of_leads(of: StageOf, leads: Sequence[LeadUid]) -> dict[str, Any]:
    return {"of_batch": of.batch_id, "of_stage": of.stage, "leads": list(leads)}


_BOOKED = (
    select(_LEDGER.c.lead_uid, _LEDGER.c.stage, func.sum(_LEDGER.c.amount_micros).label("paid"))
    .where(_LEDGER.c.batch_id == bindparam("of_batch"), _LEDGER.c.lead_uid.is_not(None))
    .group_by(_LEDGER.c.lead_uid, _LEDGER.c.stage)
    .subquery()
)
_STATED = (
    select(_OUTCOMES.c.lead_uid, _OUTCOMES.c.stage, func.sum(_OUTCOMES.c.cost_micros).label("stated"))
    .where(_OUTCOMES.c.batch_id == bindparam("of_batch"))
    .group_by(_OUTCOMES.c.lead_uid, _OUTCOMES.c.stage)
    .subquery()
)
_MISSTATED = (
    select(_STATED.c.lead_uid, _STATED.c.stage, (_BOOKED.c.paid - _STATED.c.stated).label("missing"))
    .join(_BOOKED, (_BOOKED.c.lead_uid == _STATED.c.lead_uid) & (_BOOKED.c.stage == _STATED.c.stage))
    .where(_BOOKED.c.paid != _STATED.c.stated)
)
_RESTATE = (
    update(_OUTCOMES)
    .where(
        _OUTCOMES.c.batch_id == bindparam("of_batch"),
        _OUTCOMES.c.lead_uid == bindparam("of_lead"),
        _OUTCOMES.c.stage == bindparam("of_stage"),
        _OUTCOMES.c.is_current,
    )
    .values(cost_micros=_OUTCOMES.c.cost_micros + bindparam("missing"))
)


def settle_costs(connection: Connection, batch_id: str) -> int:
    """Bring the current outcomes to what the ledger says now; returns how many changed.

    Costs move after an outcome was written when a vendor reports its final figure late (spec 12.4).
    """
    differences = connection.execute(_MISSTATED, {"of_batch": batch_id}).all()
    changes = [
        {"of_batch": batch_id, "of_lead": lead, "of_stage": stage, "missing": missing}
        for lead, stage, missing in differences
    ]
    if changes:
        connection.execute(_RESTATE, changes)
    return len(changes)


_TIMES = select(_OUTCOMES.c.started_at, _OUTCOMES.c.finished_at).where(
    _OUTCOMES.c.batch_id == bindparam("of_batch"),
    _OUTCOMES.c.stage == bindparam("of_stage"),
    _OUTCOMES.c.is_current,
    _OUTCOMES.c.result != Result.SKIPPED,
)


def seconds_per_lead(connection: Connection, batch_id: str, stage: Stage) -> list[float]:
    """Work time of the leads a stage judged; skipped ones took none."""
    rows = connection.execute(_TIMES, {"of_batch": batch_id, "of_stage": stage})
    return [(finished - started).total_seconds() for started, finished in rows]
