"""Set-based questions the asset checks ask about a batch: every answer is a count or a short list."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, case, exists, func, literal, not_, or_, select

from socialanalyzer_dagster.domain.outcomes import Result
from socialanalyzer_dagster.domain.types import LeadUid, Stage
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_control import LedgerEntryRow, ProviderAttemptRow, SuppressionRow
from socialanalyzer_dagster.storage.models_crm import SyncPlanLeadRow, SyncPlanRow
from socialanalyzer_dagster.storage.models_leads import BatchLeadRow, LeadRow
from socialanalyzer_dagster.storage.models_results import (
    ContactValueRow,
    EvidenceRow,
    ScoreRow,
    StageOutcomeRow,
)
from socialanalyzer_dagster.storage.outcome_sets import OF_BATCH, goes_on

EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class StageCount:
    """Leads of one stage: reached it, have their current outcome, have one without having reached it."""

    reached: int
    accounted: int
    foreign: int

    @property
    def pending(self) -> int:
        """Leads that reached the stage and have no outcome yet."""
        return self.reached - self.accounted


def _reached(stage: Stage) -> Select[str]:
    previous = stage.previous
    if previous is None:
        return select(BatchLeadRow.lead_uid).where(BatchLeadRow.batch_id == OF_BATCH)
    return select(StageOutcomeRow.lead_uid).where(
        StageOutcomeRow.batch_id == OF_BATCH,
        StageOutcomeRow.stage == previous,
        StageOutcomeRow.is_current,
        goes_on(StageOutcomeRow, previous),
    )


@cache
def _reached_count(stage: Stage) -> Select[int]:
    return select(func.count()).select_from(_reached(stage).subquery())


@cache
def _accounted_count(stage: Stage) -> Select[int, int]:
    is_in = StageOutcomeRow.lead_uid.in_(_reached(stage))
    return select(
        func.coalesce(func.sum(case((is_in, 1), else_=0)), 0), func.coalesce(func.sum(case((is_in, 0), else_=1)), 0)
    ).where(
        StageOutcomeRow.batch_id == OF_BATCH,
        StageOutcomeRow.stage == stage,
        StageOutcomeRow.is_current,
        not_(func.coalesce(StageOutcomeRow.code, "").startswith("upstream_", autoescape=True)),
    )


def stage_count(connection: Connection, batch_id: str, stage: Stage) -> StageCount:
    """How the leads of one stage add up (spec 2.2); rows with an `upstream_*` code are not part of it."""
    names = {"of_batch": batch_id}
    accounted, foreign = connection.execute(_accounted_count(stage), names).one()
    total = connection.execute(_reached_count(stage), names).scalar_one()
    return StageCount(reached=total, accounted=int(accounted), foreign=int(foreign))


_IDENTITY = LeadRow.platform + literal(":") + LeadRow.platform_id
_DOUBLED = (
    select(_IDENTITY)
    .join(BatchLeadRow, BatchLeadRow.lead_uid == LeadRow.lead_uid)
    .where(BatchLeadRow.batch_id == OF_BATCH)
    .group_by(_IDENTITY)
    .having(func.count() > 1)
    .limit(EXAMPLES)
)


def doubled_identities(connection: Connection, batch_id: str) -> list[str]:
    """Identities that two leads of a batch share, as `platform:platform_id` (I-43)."""
    return list(connection.execute(_DOUBLED, {"of_batch": batch_id}).scalars())


_OUTCOME_EVIDENCE = select(StageOutcomeRow.lead_uid, StageOutcomeRow.evidence_ids).where(
    StageOutcomeRow.batch_id == OF_BATCH, StageOutcomeRow.stage == bindparam("of_stage"), StageOutcomeRow.is_current
)
_BODIES = select(EvidenceRow.evidence_id, EvidenceRow.lead_uid, EvidenceRow.kind, EvidenceRow.body).where(
    EvidenceRow.evidence_id.in_(bindparam("ids", expanding=True))
)


def evidence_of_batch(connection: Connection, batch_id: str, stage: Stage) -> Sequence[Any]:
    """Rows (evidence_id, lead_uid, owner, kind, body) that the current outcomes of one stage point to.

    `owner` is the lead the evidence belongs to; None when the evidence is missing.
    """
    outcomes = connection.execute(_OUTCOME_EVIDENCE, {"of_batch": batch_id, "of_stage": stage})
    wanted = {evidence_id: lead for lead, ids in outcomes for evidence_id in ids}
    found: dict[str, Any] = {}
    for part in parts(wanted):
        found |= {row.evidence_id: row for row in connection.execute(_BODIES, {"ids": part})}
    return [
        (evidence_id, lead, found[evidence_id].lead_uid, found[evidence_id].kind, found[evidence_id].body)
        if evidence_id in found
        else (evidence_id, lead, None, None, None)
        for evidence_id, lead in wanted.items()
    ]


@dataclass(frozen=True, slots=True)
class LedgerCount:
    """Micro-USD of one batch, seen from the outcomes, the ledger and the attempts; `open` attempts hold money."""

    outcome_micros: int
    ledger_lead_micros: int
    ledger_batch_micros: int
    settled_micros: int
    unknown_micros: int
    open_attempts: int


_AMOUNT = LedgerEntryRow.amount_micros
_BOOKED = select(
    func.coalesce(func.sum(case((LedgerEntryRow.lead_uid.is_not(None), _AMOUNT), else_=0)), 0),
    func.coalesce(func.sum(case((LedgerEntryRow.lead_uid.is_(None), _AMOUNT), else_=0)), 0),
).where(LedgerEntryRow.batch_id == OF_BATCH)
_STATED = select(func.coalesce(func.sum(StageOutcomeRow.cost_micros), 0)).where(StageOutcomeRow.batch_id == OF_BATCH)
_LOST = case((ProviderAttemptRow.state == "unknown", ProviderAttemptRow.reserved_micros), else_=0)
_SENT = select(
    func.coalesce(func.sum(ProviderAttemptRow.settled_micros), 0),
    func.coalesce(func.sum(_LOST), 0),
    func.coalesce(func.sum(case((ProviderAttemptRow.state == "reserved", 1), else_=0)), 0),
).where(ProviderAttemptRow.batch_id == OF_BATCH)


def ledger_count(connection: Connection, batch_id: str) -> LedgerCount:
    """The three sums that must agree (I-29): outcomes = ledger rows with a lead; all ledger rows = attempts."""
    names = {"of_batch": batch_id}
    by_owner = connection.execute(_BOOKED, names).one()
    outcomes = connection.execute(_STATED, names).scalar_one()
    attempts = connection.execute(_SENT, names).one()
    return LedgerCount(
        int(outcomes), int(by_owner[0]), int(by_owner[1]), int(attempts[0]), int(attempts[1]), int(attempts[2])
    )


def contacts_without_provenance(connection: Connection, batch_id: str) -> int:
    """Chosen contact values of a batch that lack a step, provider or time of finding (spec 19.1)."""
    return int(
        connection.execute(
            select(func.count())
            .select_from(ContactValueRow)
            .join(BatchLeadRow, BatchLeadRow.lead_uid == ContactValueRow.lead_uid)
            .where(BatchLeadRow.batch_id == batch_id, or_(ContactValueRow.step == "", ContactValueRow.provider == ""))
        ).scalar_one()
    )


def emails_without_status(connection: Connection, batch_id: str) -> int:
    """Leads that passed enriched with an address of unknown verification (I-7)."""
    has_email = exists().where(ContactValueRow.lead_uid == LeadRow.lead_uid, ContactValueRow.field == "email")
    return int(
        connection.execute(
            select(func.count())
            .select_from(LeadRow)
            .join(StageOutcomeRow, StageOutcomeRow.lead_uid == LeadRow.lead_uid)
            .where(
                StageOutcomeRow.batch_id == batch_id,
                StageOutcomeRow.stage == Stage.ENRICHED,
                StageOutcomeRow.is_current,
                StageOutcomeRow.result == Result.PASSED,
                LeadRow.email_status.is_(None),
                has_email,
            )
        ).scalar_one()
    )


def live_scores(connection: Connection, batch_id: str) -> Sequence[Any]:
    """Rows (lead_uid, policy_hash, tier, record) of the batch's own scores."""
    return connection.execute(
        select(ScoreRow.lead_uid, ScoreRow.policy_hash, ScoreRow.tier, ScoreRow.record)
        .where(ScoreRow.batch_id == batch_id, ScoreRow.kind == "live")
        .order_by(ScoreRow.lead_uid)
    ).all()


def plan_row_counts(connection: Connection, batch_id: str) -> dict[str, int]:
    """Rows of the batch's newest plan by write state."""
    newest = (
        select(SyncPlanRow.plan_id)
        .where(SyncPlanRow.batch_id == batch_id)
        .order_by(SyncPlanRow.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(SyncPlanLeadRow.state, func.count())
        .where(SyncPlanLeadRow.plan_id == newest)
        .group_by(SyncPlanLeadRow.state)
    )
    return {state: count for state, count in rows}  # noqa: C416


_RESULTS = (
    select(StageOutcomeRow.result, func.count())
    .where(
        StageOutcomeRow.batch_id == OF_BATCH, StageOutcomeRow.stage == bindparam("of_stage"), StageOutcomeRow.is_current
    )
    .group_by(StageOutcomeRow.result)
)


def yield_counts(connection: Connection, batch_id: str, stage: Stage) -> tuple[int, int]:
    """Leads that entered a stage, and those of them that passed; a skipped lead was not attempted (spec 1.3)."""
    rows = connection.execute(_RESULTS, {"of_batch": batch_id, "of_stage": stage})
    counts = {Result(result): count for result, count in rows}
    passed = counts.get(Result.PASSED, 0)
    return sum(counts.values()) - counts.get(Result.SKIPPED, 0), passed


def written_leads(connection: Connection, batch_id: str) -> dict[LeadUid, datetime]:
    """Leads that a batch wrote to the CRM, with the time of their outcome."""
    rows = connection.execute(
        select(StageOutcomeRow.lead_uid, StageOutcomeRow.finished_at).where(
            StageOutcomeRow.batch_id == batch_id,
            StageOutcomeRow.stage == Stage.SYNCED,
            StageOutcomeRow.is_current,
            StageOutcomeRow.code.in_(("created", "updated")),
        )
    )
    return {LeadUid(uid): finished_at for uid, finished_at in rows}


def suppressed_since(connection: Connection) -> dict[tuple[str, str], datetime]:
    """(kind, keyed hash) -> since when it is on the suppression list."""
    rows = connection.execute(select(SuppressionRow.kind, SuppressionRow.keyed_hash, SuppressionRow.added_at))
    return {(kind, keyed): added_at for kind, keyed, added_at in rows}
