"""Results of steps inside a stage, stored as they come so that a crash at step J keeps A to I (I-56)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select

from socialanalyzer_dagster.domain.outcomes import StepState
from socialanalyzer_dagster.domain.ports import StepResult
from socialanalyzer_dagster.domain.types import LeadUid, Stage
from socialanalyzer_dagster.storage.contacts import candidate_from_json, candidate_json, insert_candidates
from socialanalyzer_dagster.storage.database import table_of
from socialanalyzer_dagster.storage.evidence import insert_evidence, load_evidence
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_results import StepResultRow

_STEPS = table_of(StepResultRow)
_INSERT = insert(_STEPS)
_OF_LEADS = (_STEPS.c.batch_id == bindparam("of_batch"), _STEPS.c.lead_uid.in_(bindparam("leads", expanding=True)))
_TRIES = (
    select(_STEPS.c.lead_uid, _STEPS.c.step, func.max(_STEPS.c.attempt))
    .where(*_OF_LEADS)
    .group_by(_STEPS.c.lead_uid, _STEPS.c.step)
)
_LATEST = (
    select(*(_STEPS.c[name] for name in ("lead_uid", "step", "state", "detail", "candidates", "evidence_ids")))
    .where(*_OF_LEADS, _STEPS.c.stage == bindparam("of_stage"))
    .order_by(_STEPS.c.attempt)
)


@dataclass(frozen=True, slots=True)
class StepsOf:
    """Whose step results: one stage of one batch."""

    batch_id: str
    stage: Stage


def save_steps(connection: Connection, of: StepsOf, results: Mapping[LeadUid, StepResult], now: datetime) -> None:
    """Store how a step ended for some leads, with its candidates and evidence; a later try is a new row."""
    insert_evidence(connection, [each for result in results.values() for each in result.evidence], now)
    insert_candidates(connection, {uid: result.candidates for uid, result in results.items()})
    tries = _tries(connection, of, results)
    rows = [
        {
            "batch_id": of.batch_id,
            "lead_uid": uid,
            "step": result.step,
            "attempt": tries.get((uid, result.step), 0) + 1,
            "stage": of.stage,
            "state": result.state,
            "detail": result.detail,
            "candidates": [candidate_json(each) for each in result.candidates],
            "evidence_ids": [each.evidence_id for each in result.evidence],
            "finished_at": now,
        }
        for uid, result in results.items()
    ]
    if rows:
        connection.execute(_INSERT, rows)


def _tries(connection: Connection, of: StepsOf, results: Mapping[LeadUid, StepResult]) -> Mapping[tuple[str, str], int]:
    rows = connection.execute(_TRIES, {"of_batch": of.batch_id, "leads": list(results)})
    return {(uid, step): attempt for uid, step, attempt in rows}


def load_steps(connection: Connection, of: StepsOf, leads: Sequence[LeadUid]) -> dict[LeadUid, dict[str, StepResult]]:
    """Each step's latest result of a stage, by lead."""
    rows: list[Row[Any]] = []
    for part in parts(leads):
        rows += connection.execute(_LATEST, {"of_batch": of.batch_id, "of_stage": of.stage, "leads": part}).all()
    evidence = load_evidence(connection, [each for row in rows for each in row.evidence_ids])
    found: dict[LeadUid, dict[str, StepResult]] = {uid: {} for uid in leads}
    for row in rows:
        found[LeadUid(row.lead_uid)][row.step] = StepResult(
            step=row.step,
            state=StepState(row.state),
            candidates=tuple(candidate_from_json(each) for each in row.candidates),
            evidence=tuple(evidence[each] for each in row.evidence_ids),
            detail=row.detail,
        )
    return found
