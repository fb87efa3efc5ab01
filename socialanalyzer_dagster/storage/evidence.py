"""Evidence is written once and never changed; it belongs to exactly one lead (I-2)."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from socialanalyzer_dagster.domain.leads import Evidence
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.storage.database import upsert
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_results import EvidenceRow, StageOutcomeRow


def insert_evidence(connection: Connection, found: Sequence[Evidence], now: datetime) -> None:
    """Store what is new; the same content about the same lead is stored once."""
    rows = {
        each.evidence_id: {
            "evidence_id": each.evidence_id,
            "lead_uid": each.lead,
            "kind": each.kind,
            "content_hash": each.content_hash,
            "body": each.body,
            "source_url": each.source_url,
            "provider": each.provider,
            "model": each.model,
            "prompt_version": each.prompt_version,
            "fetched_at": now,
        }
        for each in found
    }
    if rows:
        connection.execute(upsert(connection, EvidenceRow).on_conflict_do_nothing(), list(rows.values()))


def load_evidence(connection: Connection, ids: Sequence[str]) -> dict[str, Evidence]:
    """Evidence by id."""
    found: dict[str, Evidence] = {}
    for part in parts(dict.fromkeys(ids)):
        rows = connection.execute(
            select(
                EvidenceRow.evidence_id,
                EvidenceRow.lead_uid,
                EvidenceRow.kind,
                EvidenceRow.body,
                EvidenceRow.source_url,
                EvidenceRow.provider,
                EvidenceRow.model,
                EvidenceRow.prompt_version,
            ).where(EvidenceRow.evidence_id.in_(part))
        )
        for row in rows:
            found[row.evidence_id] = Evidence(
                lead=LeadUid(row.lead_uid),
                kind=row.kind,
                body=row.body,
                source_url=row.source_url,
                provider=row.provider,
                model=row.model,
                prompt_version=row.prompt_version,
            )
    return found


def evidence_of_outcomes(
    connection: Connection, batch_id: str, leads: Sequence[LeadUid]
) -> dict[LeadUid, dict[str, Evidence]]:
    """By lead and kind, what the current outcomes of a batch point to; of one kind the latest stage's counts."""
    links: list[tuple[str, str]] = []
    for part in parts(leads):
        rows = connection.execute(
            select(StageOutcomeRow.lead_uid, StageOutcomeRow.evidence_ids)
            .where(StageOutcomeRow.batch_id == batch_id, StageOutcomeRow.is_current, StageOutcomeRow.lead_uid.in_(part))
            .order_by(StageOutcomeRow.id)
        )
        links += [(uid, evidence_id) for uid, ids in rows for evidence_id in ids]
    stored = load_evidence(connection, [evidence_id for _, evidence_id in links])
    by_lead: dict[LeadUid, dict[str, Evidence]] = {uid: {} for uid in leads}
    for uid, evidence_id in links:
        by_lead[LeadUid(uid)][stored[evidence_id].kind] = stored[evidence_id]
    return by_lead
