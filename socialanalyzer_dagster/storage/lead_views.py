"""Read-only views of leads and money for people: lists, one lead in full, the ledger of a batch."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, case, func, select

from socialanalyzer_dagster.domain.types import STAGES
from socialanalyzer_dagster.storage.models_control import AssignmentRow, CrmLinkRow, LedgerEntryRow, ProviderAttemptRow
from socialanalyzer_dagster.storage.models_leads import (
    BatchLeadRow,
    ContactValueRow,
    EvidenceRow,
    LeadBatchRow,
    LeadRow,
    ScoreRow,
    StageOutcomeRow,
)

_STAGE_RANK = case({stage.value: rank for rank, stage in enumerate(STAGES)}, value=StageOutcomeRow.stage)


def _furthest_outcomes(batch_id: str | None) -> Select[Any]:
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
    return ranked.where(StageOutcomeRow.batch_id == batch_id) if batch_id is not None else ranked


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
        .join(
            ScoreRow,
            and_(
                ScoreRow.lead_uid == LeadRow.lead_uid,
                ScoreRow.batch_id == furthest.c.batch_id,
                ScoreRow.kind == "live",
            ),
            isouter=True,
        )
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


def lead_by_name(connection: Connection, name: str) -> Any | None:  # noqa: ANN401 - a database row
    """The lead of a uid, of `platform:platform_id`, or of a handle that only one platform has; None when none is."""
    platform, _, platform_id = name.partition(":")
    conditions = [LeadRow.lead_uid == name, LeadRow.handle == name.removeprefix("@")]
    if platform_id:
        conditions.append(and_(LeadRow.platform == platform, LeadRow.platform_id == platform_id.lower()))
    for condition in conditions:
        found = connection.execute(select(LeadRow.__table__).where(condition).limit(2)).all()
        if len(found) == 1:
            return found[0]
    return None


def outcomes_of_lead(connection: Connection, lead_uid: str) -> Sequence[Any]:
    """Every outcome of a lead, current and earlier, oldest batch first."""
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
        )
        .join(LeadBatchRow, LeadBatchRow.batch_id == StageOutcomeRow.batch_id)
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


def ledger_sums(connection: Connection, batch_id: str) -> Sequence[Any]:
    """Rows (stage, provider, kind, micros, saved) of a batch's ledger."""
    return connection.execute(
        select(
            LedgerEntryRow.stage,
            LedgerEntryRow.provider,
            LedgerEntryRow.kind,
            func.sum(LedgerEntryRow.amount_micros).label("micros"),
            func.sum(LedgerEntryRow.saved_micros).label("saved"),
        )
        .where(LedgerEntryRow.batch_id == batch_id)
        .group_by(LedgerEntryRow.stage, LedgerEntryRow.provider, LedgerEntryRow.kind)
    ).all()


def attempt_sums(connection: Connection, batch_id: str) -> Sequence[Any]:
    """Rows (operation, state, calls, reserved, settled) of a batch's attempts."""
    return connection.execute(
        select(
            ProviderAttemptRow.operation,
            ProviderAttemptRow.state,
            func.count().label("calls"),
            func.sum(ProviderAttemptRow.reserved_micros).label("reserved"),
            func.sum(ProviderAttemptRow.settled_micros).label("settled"),
        )
        .where(ProviderAttemptRow.batch_id == batch_id)
        .group_by(ProviderAttemptRow.operation, ProviderAttemptRow.state)
    ).all()
