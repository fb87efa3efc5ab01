"""Outcomes that whole sets of leads get in one statement (spec 2.2, 2.3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Insert, Select, String, bindparam, case, exists, insert, select
from sqlalchemy.orm import aliased

from socialanalyzer_dagster.domain.outcomes import Outcome, Result
from socialanalyzer_dagster.domain.types import STAGES, Stage
from socialanalyzer_dagster.storage.database import table_of
from socialanalyzer_dagster.storage.models_results import ContactCandidateRow, StageOutcomeRow
from socialanalyzer_dagster.storage.outcome_sets import LATEST_POSITION, OF_BATCH, UPSTREAM, current, goes_on, reached
from socialanalyzer_dagster.storage.outcomes import StageOf

_SHARED = (
    "batch_id", "stage", "attempt", "is_current", "result", "retryable", "detail", "evidence_ids", "cost_micros",
    "started_at", "finished_at", "policy_version", "code_version",
)  # fmt: skip
"""Columns that all outcomes of one fill have in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One outcome for every lead of a set that has none at the stage yet."""

    of: StageOf
    outcome: Outcome
    now: datetime
    after_position: int = 0
    up_to_position: int = LATEST_POSITION
    """Only leads behind the one position of the batch and not behind the other."""
    with_email: bool | None = None
    """Only leads with a stored address, or only those without."""


def fill(connection: Connection, wanted: Fill) -> int:
    """Give the outcome to all leads that reached the stage and have none; returns how many."""
    bounds = {"after": wanted.after_position, "up_to": wanted.up_to_position, "code_of_all": wanted.outcome.code}
    return connection.execute(_filling(wanted.of.stage, wanted.with_email), _values(wanted) | bounds).rowcount


@cache
def _filling(stage: Stage, with_email: bool | None) -> Insert:
    """The statement of every fill of a stage, put together once."""
    arrived = reached(stage).subquery()
    code = bindparam("code_of_all", type_=String())
    source = select(arrived.c.lead_uid, code.label("code")).where(
        arrived.c.position > bindparam("after"),
        arrived.c.position <= bindparam("up_to"),
        ~exists(current(stage, arrived.c.lead_uid)),
    )
    if with_email is not None:
        has_email = exists(
            select(ContactCandidateRow.id).where(
                ContactCandidateRow.lead_uid == arrived.c.lead_uid, ContactCandidateRow.field == "email"
            )
        )
        source = source.where(has_email if with_email else ~has_email)
    return _inserting(source)


def fill_upstream(connection: Connection, of: StageOf, now: datetime) -> int:
    """Mark the leads whose way ended before the stage by how it ended (spec 2.2); the stage before must be complete."""
    if of.stage.previous is None:
        return 0
    values = _values(Fill(of=of, outcome=_NOT_REACHED[of.stage], now=now))
    return connection.execute(_filling_upstream(of.stage, of.stage.previous), values).rowcount


@cache
def _filling_upstream(stage: Stage, previous: Stage) -> Insert:
    before = aliased(StageOutcomeRow)
    code = case(
        (before.code.startswith(UPSTREAM, autoescape=True), before.code),
        (before.result == Result.REJECTED, "upstream_rejected"),
        (before.result == Result.FAILED, "upstream_failed"),
        else_="upstream_skipped",
    )
    source = select(before.lead_uid, code.label("code")).where(
        before.batch_id == OF_BATCH,
        before.stage == previous,
        before.is_current,
        ~goes_on(before, previous),
        ~exists(current(stage, before.lead_uid)),
    )
    return _inserting(source)


_NOT_REACHED = {stage: Outcome(stage, Result.SKIPPED, "upstream_skipped") for stage in STAGES[1:]}


def _inserting(source: Select[Any]) -> Insert:
    """Rows of `source` (lead_uid, code) with what `_values` says about all of them."""
    table = table_of(StageOutcomeRow)
    columns = [bindparam(f"of_{name}", type_=table.c[name].type).label(name) for name in _SHARED]
    return insert(table).from_select(["lead_uid", "code", *_SHARED], source.add_columns(*columns))


def _values(wanted: Fill) -> dict[str, object]:
    shared: Mapping[str, object] = {
        "batch_id": wanted.of.batch_id,
        "stage": str(wanted.of.stage),
        "attempt": 1,
        "is_current": True,
        "result": str(wanted.outcome.result),
        "retryable": wanted.outcome.retryable,
        "detail": dict(wanted.outcome.detail),
        "evidence_ids": [],
        "cost_micros": 0,
        "started_at": wanted.now,
        "finished_at": wanted.now,
        "policy_version": wanted.of.policy_version,
        "code_version": wanted.of.code_version,
    }
    return {f"of_{name}": shared[name] for name in _SHARED} | {"of_batch": wanted.of.batch_id}
