"""Contact candidates, all of which stay stored, and the chosen values (spec 8.4, 19.1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, exists, func, select, tuple_, update

from socialanalyzer_dagster.domain.contact_choice import EMAIL
from socialanalyzer_dagster.domain.leads import Candidate, CandidateKind, FoundValue
from socialanalyzer_dagster.domain.types import EvidenceId, LeadUid, sha256_of
from socialanalyzer_dagster.storage.database import insert_new, insert_or_update, table_of
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_leads import LeadRow
from socialanalyzer_dagster.storage.models_results import (
    ContactCandidateRow,
    ContactValueRow,
    EmailVerificationRow,
)

_SHARED = ("value", "kind", "step", "provider", "source_url", "evidence_id", "fetched_at")
_LEADS = table_of(LeadRow)
_CANDIDATES = table_of(ContactCandidateRow)
_OF_LEADS = (
    select(*(_CANDIDATES.c[name] for name in ("lead_uid", "field", "canonical", *_SHARED)))
    .where(_CANDIDATES.c.lead_uid.in_(bindparam("leads", expanding=True)))
    .order_by(_CANDIDATES.c.id)
)
_SAID_OF_LEADS = _OF_LEADS.with_only_columns(*(_CANDIDATES.c[name] for name in ("lead_uid", "field", "value")))
_EMAIL_STATE = (
    update(_LEADS)
    .where(_LEADS.c.lead_uid == bindparam("uid"))
    .values(email_hash=bindparam("keyed"), email_status=bindparam("state"))
)


def _source_hash(candidate: Candidate) -> str:
    return sha256_of([candidate.kind, candidate.step, candidate.provider, candidate.source_url])


def candidate_json(candidate: Candidate) -> dict[str, Any]:
    """The JSON form of a candidate inside a stored step result."""
    return {
        "field": candidate.field,
        "canonical": candidate.canonical,
        "value": candidate.value,
        "kind": str(candidate.kind),
        "step": candidate.step,
        "provider": candidate.provider,
        "source_url": candidate.source_url,
        "evidence_id": candidate.evidence_id,
        "fetched_at": candidate.fetched_at.isoformat(),
    }


def candidate_from_json(stored: Mapping[str, Any]) -> Candidate:
    """The candidate of a stored step result."""
    return Candidate(
        field=stored["field"],
        value=stored["value"],
        canonical=stored["canonical"],
        kind=CandidateKind(stored["kind"]),
        step=stored["step"],
        provider=stored["provider"],
        source_url=stored["source_url"],
        fetched_at=datetime.fromisoformat(stored["fetched_at"]),
        evidence_id=_evidence_id(stored["evidence_id"]),
    )


def _evidence_id(stored: str | None) -> EvidenceId | None:
    return EvidenceId(stored) if stored else None


def insert_candidates(connection: Connection, found: Mapping[LeadUid, Sequence[Candidate]]) -> None:
    """Store candidates that are new; the same value from the same source is stored once, as first seen."""
    rows = [
        {
            "lead_uid": uid,
            "field": each.field,
            "canonical": each.canonical,
            "source_hash": _source_hash(each),
            **{name: getattr(each, name) for name in _SHARED},
        }
        for uid, candidates in found.items()
        for each in candidates
    ]
    if rows:
        connection.execute(insert_new(connection, ContactCandidateRow), rows)


def replace_candidates(connection: Connection, lead: LeadUid, candidate: Candidate) -> None:
    """Make this the only candidate of its field: what it corrects was wrong and is not kept."""
    table = table_of(ContactCandidateRow)
    connection.execute(table.delete().where(table.c.lead_uid == lead, table.c.field == candidate.field))
    insert_candidates(connection, {lead: [candidate]})


def load_candidates(connection: Connection, leads: Sequence[LeadUid]) -> dict[LeadUid, tuple[Candidate, ...]]:
    """All candidates of leads, in the order they were stored."""
    found: dict[LeadUid, list[Candidate]] = {uid: [] for uid in leads}
    for part in parts(leads):
        rows = connection.execute(_OF_LEADS, {"leads": part})
        for lead, name, canonical, value, kind, step, provider, source_url, evidence_id, fetched_at in rows:
            found[lead].append(
                Candidate(
                    field=name,
                    value=value,
                    canonical=canonical,
                    kind=CandidateKind(kind),
                    step=step,
                    provider=provider,
                    source_url=source_url,
                    fetched_at=fetched_at,
                    evidence_id=_evidence_id(evidence_id),
                )
            )
    return {uid: tuple(candidates) for uid, candidates in found.items()}


def found_values(connection: Connection, leads: Sequence[LeadUid]) -> dict[LeadUid, list[FoundValue]]:
    """What the candidates of leads that have some say, in the order they were stored, without where it came from."""
    found: dict[LeadUid, list[FoundValue]] = {}
    for part in parts(leads):
        for lead, name, value in connection.execute(_SAID_OF_LEADS, {"leads": part}):
            found.setdefault(LeadUid(lead), []).append(FoundValue(name, value))
    return found


def replace_values(connection: Connection, chosen: Mapping[LeadUid, Mapping[str, Candidate]]) -> None:
    """Store the chosen values of leads; a field chosen before and not now is removed."""
    kept = [(uid, name) for uid, values in chosen.items() for name in values]
    if not kept:
        return
    table = table_of(ContactValueRow)
    connection.execute(
        table.delete().where(
            table.c.lead_uid.in_([uid for uid, values in chosen.items() if values]),
            tuple_(table.c.lead_uid, table.c.field).not_in(kept),
        )
    )
    add_values(connection, chosen)


def add_values(connection: Connection, chosen: Mapping[LeadUid, Mapping[str, Candidate]]) -> None:
    """Store chosen values beside those of other fields, which stay."""
    rows = [
        {"lead_uid": uid, "field": name, **{part: getattr(each, part) for part in _SHARED}}
        for uid, values in chosen.items()
        for name, each in values.items()
    ]
    if rows:
        statement = insert_or_update(connection, ContactValueRow, keys=("lead_uid", "field"), changed=_SHARED)
        connection.execute(statement, rows)


def own_addresses(connection: Connection, leads: Sequence[LeadUid]) -> list[str]:
    """Chosen e-mail addresses of these leads that no other lead has as well."""
    table = table_of(ContactValueRow)
    other = table.alias()
    shared = exists().where(
        other.c.field == EMAIL,
        func.lower(other.c.value) == func.lower(table.c.value),
        other.c.lead_uid.not_in(leads),
    )
    query = select(table.c.value).where(table.c.lead_uid.in_(leads), table.c.field == EMAIL, ~shared)
    return sorted(set(connection.execute(query).scalars()))


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailState:
    """The keyed hash of a lead's chosen address and what the verifier said about it."""

    lead: LeadUid
    email_hash: str | None
    status: str | None
    verified_at: datetime | None = None
    """When the verifier said it; now where nobody knows."""


def write_email_states(connection: Connection, states: Sequence[EmailState], now: datetime) -> None:
    """Keep the state of the chosen addresses on the leads, and verifications by address."""
    if not states:
        return
    connection.execute(
        _EMAIL_STATE, [{"uid": each.lead, "keyed": each.email_hash, "state": each.status} for each in states]
    )
    verified = [
        {"email_hash": each.email_hash, "verified_at": each.verified_at or now, "status": each.status}
        for each in states
        if each.email_hash is not None and each.status is not None
    ]
    if verified:
        connection.execute(insert_new(connection, EmailVerificationRow), verified)
