"""Figures of several batches at once, for estimates and lists: grouped counts, never lead payloads (I-54)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, String, bindparam, case, func, select

from socialanalyzer_dagster.domain.outcomes import Result
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_control import LedgerEntryRow, ProviderAttemptRow
from socialanalyzer_dagster.storage.models_results import StageOutcomeRow

StageCounts = Mapping[Stage, int]

_BATCHES = bindparam("batches", expanding=True, type_=String())
_PASSED = (
    select(StageOutcomeRow.batch_id, StageOutcomeRow.stage, func.count())
    .where(StageOutcomeRow.batch_id.in_(_BATCHES), StageOutcomeRow.is_current, StageOutcomeRow.result == Result.PASSED)
    .group_by(StageOutcomeRow.batch_id, StageOutcomeRow.stage)
)
_JUDGED = (
    select(
        StageOutcomeRow.batch_id,
        StageOutcomeRow.stage,
        func.count(),
        func.sum(case((StageOutcomeRow.result == Result.PASSED, 1), else_=0)),
        func.sum(case((StageOutcomeRow.result == Result.FAILED, 1), else_=0)),
    )
    .where(
        StageOutcomeRow.batch_id.in_(_BATCHES),
        StageOutcomeRow.is_current,
        StageOutcomeRow.result.in_((Result.PASSED, Result.REJECTED, Result.FAILED)),
    )
    .group_by(StageOutcomeRow.batch_id, StageOutcomeRow.stage)
)
_JUDGED_BY = _JUDGED.where(StageOutcomeRow.stage == bindparam("of_stage"))
_COSTS = (
    select(LedgerEntryRow.batch_id, LedgerEntryRow.stage, func.sum(LedgerEntryRow.amount_micros))
    .where(LedgerEntryRow.batch_id.in_(_BATCHES))
    .group_by(LedgerEntryRow.batch_id, LedgerEntryRow.stage)
)
_IS_UNKNOWN = ProviderAttemptRow.state == "unknown"
_ATTEMPTS = (
    select(
        ProviderAttemptRow.batch_id,
        func.sum(ProviderAttemptRow.settled_micros),
        func.sum(case((ProviderAttemptRow.state == "reserved", ProviderAttemptRow.reserved_micros), else_=0)),
        func.sum(case((_IS_UNKNOWN, ProviderAttemptRow.reserved_micros), else_=0)),
        func.sum(case((_IS_UNKNOWN, 1), else_=0)),
    )
    .where(ProviderAttemptRow.batch_id.in_(_BATCHES))
    .group_by(ProviderAttemptRow.batch_id)
)
_SAVED = (
    select(LedgerEntryRow.batch_id, func.sum(LedgerEntryRow.saved_micros))
    .where(LedgerEntryRow.batch_id.in_(_BATCHES))
    .group_by(LedgerEntryRow.batch_id)
)


def passed_counts(connection: Connection, batch_ids: Sequence[str]) -> dict[str, StageCounts]:
    """Leads passed per stage, by batch."""
    found: dict[str, dict[Stage, int]] = defaultdict(dict)
    for part in parts(batch_ids):
        for batch_id, stage, count in connection.execute(_PASSED, {"batches": part}):
            found[batch_id][Stage(stage)] = count
    return dict(found)


class StageJudgements(NamedTuple):
    """Leads that a stage really worked on, and how many of them passed and failed; the others were rejected."""

    judged: int = 0
    passed: int = 0
    failed: int = 0


def judged_counts(
    connection: Connection, batch_ids: Sequence[str], only: Stage | None = None
) -> dict[str, Mapping[Stage, StageJudgements]]:
    """Leads that stages worked on, by batch and stage; of `only` one stage, or of all."""
    found: dict[str, dict[Stage, StageJudgements]] = defaultdict(dict)
    query, asked = (_JUDGED, {}) if only is None else (_JUDGED_BY, {"of_stage": only})
    for part in parts(batch_ids):
        for batch_id, stage, judged, passed, failed in connection.execute(query, {"batches": part, **asked}):
            found[batch_id][Stage(stage)] = StageJudgements(judged, int(passed), int(failed))
    return dict(found)


def costs(connection: Connection, batch_ids: Sequence[str]) -> dict[str, StageCounts]:
    """Micro-USD of the ledger per stage, by batch; leads' shares and the batch's own together."""
    found: dict[str, dict[Stage, int]] = defaultdict(dict)
    for part in parts(batch_ids):
        rows = connection.execute(_COSTS, {"batches": part})
        for batch_id, stage, amount in rows:
            if batch_id is None or stage is None:
                continue  # of no batch, which nobody asked for
            found[batch_id][Stage(stage)] = int(amount)
    return dict(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """Micro-USD of one batch: paid, held for calls in flight, unknown, and saved by reusing answers."""

    spend_micros: int
    held_micros: int
    unknown_micros: int
    reused_micros: int
    unknown_attempts: int


def money(connection: Connection, batch_ids: Sequence[str]) -> dict[str, Money]:
    """The money of batches; every id has an entry."""
    found: dict[str, Money] = {}
    for part in parts(batch_ids):
        attempts = connection.execute(_ATTEMPTS, {"batches": part})
        by_batch = {batch_id: amounts for batch_id, *amounts in attempts}
        saved = connection.execute(_SAVED, {"batches": part})
        reused = {batch_id: int(amount) for batch_id, amount in saved}
        for batch_id in part:
            spend, held, unknown, lost = by_batch.get(batch_id, (0, 0, 0, 0))
            found[batch_id] = Money(
                spend_micros=int(spend),
                held_micros=int(held),
                unknown_micros=int(unknown),
                reused_micros=reused.get(batch_id, 0),
                unknown_attempts=int(lost),
            )
    return found


_STAGE_MONEY = select(
    func.coalesce(func.sum(LedgerEntryRow.amount_micros), 0), func.coalesce(func.sum(LedgerEntryRow.saved_micros), 0)
).where(LedgerEntryRow.batch_id == bindparam("of_batch"), LedgerEntryRow.stage == bindparam("of_stage"))


def stage_money(connection: Connection, batch_id: str, stage: Stage) -> tuple[int, int]:
    """Micro-USD of the ledger and micro-USD saved by reused answers, of one stage of a batch."""
    amount, saved = connection.execute(_STAGE_MONEY, {"of_batch": batch_id, "of_stage": stage}).one()
    return int(amount), int(saved)
