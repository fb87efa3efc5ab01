"""Evidence is written once and never changed; it belongs to exactly one lead (I-2)."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from socialanalyzer_dagster.domain.leads import Evidence
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.storage.database import insert_new, table_of
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_results import EvidenceRow, StageOutcomeRow

_EVIDENCE = table_of(EvidenceRow)
_OUTCOMES = table_of(StageOutcomeRow)
_BY_ID = select(
    *(_EVIDENCE.c[name] for name in ("evidence_id", "lead_uid", "kind", "body", "source_url")),
    *(_EVIDENCE.c[name] for name in ("provider", "model", "prompt_version")),
).where(_EVIDENCE.c.evidence_id.in_(bindparam("ids", expanding=True)))
_LINKS = (
    select(_OUTCOMES.c.lead_uid, _OUTCOMES.c.evidence_ids)
    .where(
        _OUTCOMES.c.batch_id == bindparam("of_batch"),
        _OUTCOMES.c.is_current,
        _OUTCOMES.c.lead_uid.in_(bindparam("leads", expanding=True)),
    )
    .order_by(_OUTCOMES.c.id)
)


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
        connection.execute(insert_new(connection, EvidenceRow), list(rows.values()))


def load_evidence(connection: Connection, ids: Sequence[str]) -> dict[str, Evidence]:
    """Evidence by id."""
    found: dict[str, Evidence] = {}
    for part in parts(dict.fromkeys(ids)):
        for evidence_id, lead, kind, body, source_url, provider, model, prompt_version in connection.execute(
            _BY_ID, {"ids": part}
        ):
            found[evidence_id] = Evidence(
                lead=LeadUid(lead),
                kind=kind,
                body=body,
                source_url=source_url,
                provider=provider,
                model=model,
                prompt_version=prompt_version,
            )
    return found


def evidence_of_outcomes(
    connection: Connection, batch_id: str, leads: Sequence[LeadUid]
) -> dict[LeadUid, dict[str, Evidence]]:
    """By lead and kind, what the current outcomes of a batch point to; of one kind the latest stage's counts."""
    links: list[tuple[str, str]] = []
    for part in parts(leads):
        rows = connection.execute(_LINKS, {"of_batch": batch_id, "leads": part})
        links += [(uid, evidence_id) for uid, ids in rows for evidence_id in ids]
    stored = load_evidence(connection, [evidence_id for _, evidence_id in links])
    by_lead: dict[LeadUid, dict[str, Evidence]] = {uid: {} for uid in leads}
    for uid, evidence_id in links:
        by_lead[LeadUid(uid)][stored[evidence_id].kind] = stored[evidence_id]
    return by_lead
