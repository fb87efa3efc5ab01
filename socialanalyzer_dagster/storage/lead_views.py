"""Read-only views of leads for people: lists, one lead in full, what each cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Subquery, and_, case, func, or_, select

from socialanalyzer_dagster.domain.types import STAGES
from socialanalyzer_dagster.storage.models_control import AssignmentRow, LedgerEntryRow, PolicyRow
from socialanalyzer_dagster.storage.models_crm import CrmLinkRow
from socialanalyzer_dagster.storage.models_leads import BatchLeadRow, LeadBatchRow, LeadRow
from socialanalyzer_dagster.storage.models_results import (
    ContactValueRow,
    EvidenceRow,
    ScoreRow,
    StageOutcomeRow,
)

_STAGE_RANK = case({stage.value: rank for rank, stage in enumerate(STAGES)}, value=StageOutcomeRow.stage)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadPage:
    """Which leads to list, sorted by platform and id, after a cursor.

    With `stage` the outcome at that stage counts, without it the furthest one.
    """

    batch_id: str | None = None
    stage: str | None = None
    result: str | None = None
    tier: str | None = None
    after: tuple[str, str] | None = None
    """Platform and id of the last lead of the page before."""
    limit: int = 50


def _furthest_outcomes(batch_id: str | None, stage: str | None = None) -> Select[Any]:
    """Per lead the current outcome of its newest batch and furthest stage; `upstream_*` rows do not count."""
    real = func.coalesce(StageOutcomeRow.code, "").not_like("upstream\\_%", escape="\\")
    order = (LeadBatchRow.created_at.desc(), LeadBatchRow.partition_key.desc(), _STAGE_RANK.desc())
    ranked = (
        select(
            StageOutcomeRow.lead_uid,
            StageOutcomeRow.batch_id,
            StageOutcomeRow.stage,
            StageOutcomeRow.result,
            StageOutcomeRow.code,
            func.row_number().over(partition_by=StageOutcomeRow.lead_uid, order_by=order).label("rank"),
        )
        .join(LeadBatchRow, LeadBatchRow.batch_id == StageOutcomeRow.batch_id)
        .where(StageOutcomeRow.is_current, real)
    )
    if batch_id is not None:
        ranked = ranked.where(StageOutcomeRow.batch_id == batch_id)
    return ranked.where(StageOutcomeRow.stage == stage) if stage is not None else ranked


def lead_page(connection: Connection, page: LeadPage) -> Sequence[Any]:
    """One page of leads: summary columns, no records or evidence (I-54)."""
    furthest = _furthest_outcomes(page.batch_id, page.stage).subquery()
    statement = (
        select(
            LeadRow.lead_uid,
            LeadRow.platform,
            LeadRow.platform_id,
            LeadRow.handle,
            LeadRow.email_status,
            LeadBatchRow.partition_key,
            furthest.c.stage,
            furthest.c.result,
            furthest.c.code,
            ScoreRow.lead_score,
            ScoreRow.base,
            ScoreRow.tier,
        )
        .join(furthest, and_(furthest.c.lead_uid == LeadRow.lead_uid, furthest.c.rank == 1))
        .join(LeadBatchRow, LeadBatchRow.batch_id == furthest.c.batch_id)
        .join(ScoreRow, _live_score(furthest), isouter=True)
        .order_by(LeadRow.platform, LeadRow.platform_id)
        .limit(page.limit)
    )
    if page.result is not None:
        statement = statement.where(furthest.c.result == page.result)
    if page.tier is not None:
        statement = statement.where(ScoreRow.tier == page.tier)
    if page.after is not None:
        platform, platform_id = page.after
        later = and_(LeadRow.platform == platform, LeadRow.platform_id > platform_id)
        statement = statement.where(or_(LeadRow.platform > platform, later))
    return connection.execute(statement).all()


def _live_score(furthest: Subquery) -> ColumnElement[bool]:
    return and_(
        ScoreRow.lead_uid == LeadRow.lead_uid, ScoreRow.batch_id == furthest.c.batch_id, ScoreRow.kind == "live"
    )


def lead_rows(connection: Connection, *, batch_id: str | None = None) -> Sequence[Any]:
    """One row per lead with its furthest outcome and score, sorted by platform and id; of one batch, or of all."""
    furthest = _furthest_outcomes(batch_id).subquery()
    statement = (
        select(
            LeadRow.lead_uid,
            LeadRow.platform,
            LeadRow.platform_id,
            LeadRow.handle,
            LeadRow.record,
            LeadRow.email_status,
            furthest.c.stage,
            furthest.c.result,
            furthest.c.code,
            ScoreRow.record.label("score"),
            AssignmentRow.bdr,
        )
        .join(furthest, and_(furthest.c.lead_uid == LeadRow.lead_uid, furthest.c.rank == 1))
        .join(ScoreRow, _live_score(furthest), isouter=True)
        .join(AssignmentRow, AssignmentRow.lead_uid == LeadRow.lead_uid, isouter=True)
        .order_by(LeadRow.platform, LeadRow.platform_id)
    )
    return connection.execute(statement).all()


def contact_values(connection: Connection, *, batch_id: str | None = None) -> dict[str, dict[str, str]]:
    """lead_uid -> field -> chosen value."""
    statement = select(ContactValueRow.lead_uid, ContactValueRow.field, ContactValueRow.value)
    if batch_id is not None:
        members = select(BatchLeadRow.lead_uid).where(BatchLeadRow.batch_id == batch_id)
        statement = statement.where(ContactValueRow.lead_uid.in_(members))
    values: dict[str, dict[str, str]] = {}
    for lead_uid, field, value in connection.execute(statement):
        values.setdefault(lead_uid, {})[field] = value
    return values


def leads_by_name(connection: Connection, name: str) -> Sequence[Any]:
    """Rows of `leads` for a uid, `platform:id`, `platform:handle` or a handle: the first meaning that any lead has."""
    platform, _, rest = name.partition(":")
    handle = func.lower(LeadRow.handle)
    conditions: list[ColumnElement[bool]] = [LeadRow.lead_uid == name]
    if rest:
        own = LeadRow.platform == platform
        conditions += [and_(own, LeadRow.platform_id == rest), and_(own, handle == rest.removeprefix("@").lower())]
    conditions.append(handle == name.removeprefix("@").lower())
    for condition in conditions:
        found = connection.execute(select(LeadRow.__table__).where(condition).order_by(LeadRow.platform)).all()
        if found:
            return found
    return []


def outcomes_of_lead(connection: Connection, lead_uid: str) -> Sequence[Any]:
    """Every outcome of a lead, current and earlier, oldest batch first; `policy` is the version its batch keeps to."""
    return connection.execute(
        select(
            LeadBatchRow.partition_key,
            StageOutcomeRow.stage,
            StageOutcomeRow.attempt,
            StageOutcomeRow.is_current,
            StageOutcomeRow.result,
            StageOutcomeRow.code,
            StageOutcomeRow.detail,
            StageOutcomeRow.evidence_ids,
            StageOutcomeRow.cost_micros,
            StageOutcomeRow.policy_version,
            PolicyRow.number.label("policy"),
        )
        .join(LeadBatchRow, LeadBatchRow.batch_id == StageOutcomeRow.batch_id)
        .join(PolicyRow, PolicyRow.policy_hash == LeadBatchRow.policy_hash)
        .where(StageOutcomeRow.lead_uid == lead_uid)
        .order_by(LeadBatchRow.created_at, _STAGE_RANK, StageOutcomeRow.attempt)
    ).all()


def evidence_of_lead(connection: Connection, lead_uid: str) -> Sequence[Any]:
    """All evidence of a lead, oldest first."""
    return connection.execute(
        select(
            EvidenceRow.evidence_id,
            EvidenceRow.kind,
            EvidenceRow.body,
            EvidenceRow.source_url,
            EvidenceRow.provider,
            EvidenceRow.model,
            EvidenceRow.prompt_version,
            EvidenceRow.fetched_at,
        )
        .where(EvidenceRow.lead_uid == lead_uid)
        .order_by(EvidenceRow.fetched_at, EvidenceRow.kind)
    ).all()


def provenance_of_lead(connection: Connection, lead_uid: str) -> Sequence[Any]:
    """The chosen contact values of a lead with where each was found."""
    return connection.execute(
        select(
            ContactValueRow.field,
            ContactValueRow.value,
            ContactValueRow.kind,
            ContactValueRow.step,
            ContactValueRow.provider,
            ContactValueRow.source_url,
            ContactValueRow.fetched_at,
        )
        .where(ContactValueRow.lead_uid == lead_uid)
        .order_by(ContactValueRow.field)
    ).all()


def costs_of_lead(connection: Connection, lead_uid: str) -> Sequence[Any]:
    """The ledger rows of a lead: why it cost what it cost, call by call."""
    return connection.execute(
        select(
            LedgerEntryRow.at,
            LedgerEntryRow.stage,
            LedgerEntryRow.step,
            LedgerEntryRow.provider,
            LedgerEntryRow.operation,
            LedgerEntryRow.kind,
            LedgerEntryRow.amount_micros,
            LedgerEntryRow.saved_micros,
            LedgerEntryRow.attempt_key,
        )
        .where(LedgerEntryRow.lead_uid == lead_uid)
        .order_by(LedgerEntryRow.id)
    ).all()


def contact_of_lead(connection: Connection, lead_uid: str) -> str | None:
    """The CRM object id of a lead."""
    return connection.execute(
        select(CrmLinkRow.crm_object_id).where(CrmLinkRow.lead_uid == lead_uid)
    ).scalar_one_or_none()


def bdr_of_lead(connection: Connection, lead_uid: str) -> str | None:
    """The sales representative a lead was dealt to."""
    return connection.execute(select(AssignmentRow.bdr).where(AssignmentRow.lead_uid == lead_uid)).scalar_one_or_none()
