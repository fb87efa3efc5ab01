"""Correcting what is stored about a person, at their word: the right to rectification (spec 19.4)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.contact_choice import EMAIL
from socialanalyzer_dagster.domain.emails import EmailStatus, canonical_email
from socialanalyzer_dagster.domain.filters import FieldProblem, FilterProblems
from socialanalyzer_dagster.domain.leads import Candidate, CandidateKind, Identifier, IdentifierKind, LeadRecord
from socialanalyzer_dagster.domain.link_shapes import LinkKind
from socialanalyzer_dagster.domain.links import canonical_url
from socialanalyzer_dagster.domain.outreach import SubscriberKind
from socialanalyzer_dagster.domain.phones import canonical_phone
from socialanalyzer_dagster.domain.suppression import identifier_hash
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.lead_view import one_lead
from socialanalyzer_dagster.pipeline.suppressions import refuse_personal_reason
from socialanalyzer_dagster.storage import audit_log, contacts, leads
from socialanalyzer_dagster.storage.database import Database

PERSON = "person"
SUBSCRIBER_KIND = "subscriber_kind"
_PLACES = ("country", "city", "region")
_NAMES = ("name", "first_name", "last_name")
_RECORD_FIELDS = ("display_name", "bio", "language", *_PLACES)
_CONTACT_FIELDS = (EMAIL, "phone", *_NAMES, *_PLACES, *LinkKind)
FIELDS = tuple(dict.fromkeys((*_CONTACT_FIELDS, *_RECORD_FIELDS, SUBSCRIBER_KIND)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """One field of one lead, its right value, who entered it and why."""

    lead: str
    field: str
    value: str
    by: str
    reason: str
    at: datetime


def correct(database: Database, key: bytes, correction: Correction) -> LeadUid:
    """Store the value with the provenance `person`, before everything that was or will be found; returns the lead.

    A corrected address is verified again before it can reach the CRM; contacts that exist there are corrected there.
    Raises NoSuchLead, FilterProblems for a field or value that cannot be.
    """
    canonical = _canonical(correction)
    refuse_personal_reason(correction.reason)
    with database.write() as connection:
        uid = LeadUid(one_lead(connection, correction.lead).lead_uid)
        if correction.field == SUBSCRIBER_KIND:
            leads.set_subscriber_kind(connection, uid, canonical)
        else:
            _write(connection, uid, correction, canonical)
        if correction.field == EMAIL:
            keyed = identifier_hash(Identifier(IdentifierKind.EMAIL, canonical), key)
            leads.set_email(connection, uid, keyed_hash=keyed, status=EmailStatus.UNVERIFIED)
        audit_log.record(
            connection, at=correction.at, actor=correction.by, action="lead.correct", subject=uid,
            field=correction.field, reason=correction.reason,
        )  # fmt: skip
    return uid


def _write(connection: Connection, uid: LeadUid, correction: Correction, canonical: str) -> None:
    if correction.field in _CONTACT_FIELDS:
        candidate = Candidate(
            field=correction.field,
            value=canonical if correction.field == EMAIL else correction.value.strip(),
            canonical=canonical,
            kind=CandidateKind.PERSON,
            step=PERSON,
            provider=PERSON,
            source_url=None,
            fetched_at=correction.at,
        )
        contacts.replace_candidates(connection, uid, candidate)
        contacts.add_values(connection, {uid: {correction.field: candidate}})
    record = leads.load_records(connection, [uid])[uid]
    changed = _corrected(record, correction)
    if changed != record:
        leads.update_records(connection, {uid: changed}, correction.at)


def _corrected(record: LeadRecord, correction: Correction) -> LeadRecord:
    value = correction.value.strip()
    if correction.field in _RECORD_FIELDS:
        return record.model_copy(update={correction.field: value})
    if correction.field in tuple(LinkKind):
        return record.model_copy(update={"links": {**record.links, correction.field: canonical_url(value) or value}})
    return record


def _canonical(correction: Correction) -> str:
    value = correction.value.strip()
    if correction.field not in FIELDS:
        raise FilterProblems((FieldProblem("field", f"choose one of {', '.join(FIELDS)}"),))
    readings: dict[str, Callable[[str], str | None]] = {
        EMAIL: canonical_email,
        "phone": canonical_phone,
        SUBSCRIBER_KIND: lambda text: text if text in tuple(SubscriberKind) else None,
        **{str(kind): canonical_url for kind in LinkKind},
    }
    reading = readings.get(correction.field)
    canonical = reading(value) if reading is not None else value or None
    if canonical is None:
        raise FilterProblems((FieldProblem("value", f"this is no {correction.field}"),))
    return canonical
