"""Everything that is stored about a person as one document, and where it was found in ready words (spec 19.1, 19.4)."""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.leads import IdentifierKind, LeadRecord
from socialanalyzer_dagster.domain.origin import FoundValue, OriginFacts, origin_text
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.erasure import PersonRequest, find
from socialanalyzer_dagster.pipeline.lead_provenance import contact_provenance, country_known_from
from socialanalyzer_dagster.pipeline.people_search import FoundPerson
from socialanalyzer_dagster.pipeline.privacy_crm import CRM_SILENT, CrmPerson
from socialanalyzer_dagster.pipeline.privacy_parts import MEDIA_FOLDERS, PrivacyParts
from socialanalyzer_dagster.storage import (
    audit_log,
    contacts,
    lead_views,
    person_calls,
    person_rows,
    person_texts,
    privacy_requests,
)
from socialanalyzer_dagster.storage.privacy_requests import PrivacyRequest, RequestKind, RequestState

Document = dict[str, Any]
_ORIGIN_FIELDS = tuple(each.name for each in fields(FoundValue))


async def export(parts: PrivacyParts, asked: PersonRequest) -> Document:
    """Every stored row, answer, item, text and object of the person, the CRM's contacts, and a receipt with counts.

    `crm.state` says `unreachable` when the CRM did not answer: then its part is missing, not empty. Raises
    MediaStoreError.
    """
    found = await asyncio.to_thread(find, parts, asked)
    stored = await asyncio.to_thread(_stored, parts, found)
    media = [each.key for lead in found.uids for each in await _media_of(parts, lead)]
    crm = await _crm(parts, asked, found, stored["tables"])
    document = {**stored, "media": media, "crm": crm}
    receipt = await asyncio.to_thread(_record, parts, asked, found, document)
    return {"receipt": receipt, **document}


def origin(parts: PrivacyParts, asked: PersonRequest) -> str:
    """The text that answers 'where did you find my address'."""
    found = find(parts, asked)
    with parts.database.read() as connection:
        return origin_text([_origin_of(connection, uid) for uid in sorted(found.leads)])


async def _media_of(parts: PrivacyParts, lead: LeadUid) -> list[Any]:
    return [each for folder in MEDIA_FOLDERS for each in await parts.media_store.objects(f"{folder}/{lead}")]


def _stored(parts: PrivacyParts, found: FoundPerson) -> Document:
    emails = parts.search.hashes(each for each in found.identifiers if each.kind is IdentifierKind.EMAIL)
    with parts.database.read() as connection:
        tables = person_rows.rows_of_leads(connection, found.uids)
        tables["email_verifications"] = person_rows.verifications(connection, [keyed for _, keyed in emails])
        answers = person_calls.answers_of(connection, found.uids) if found.uids else []
        traces = found.traces()
        items = person_calls.items_about(connection, traces) if found.identifiers else []
        changes = person_texts.text_changes(connection, [traces])[0] if found.identifiers else []
        facts = [_origin_of(connection, uid) for uid in sorted(found.leads)]
    return {
        "leads": found.uids,
        "origin": origin_text(facts),
        "tables": {name: rows for name, rows in tables.items() if rows},
        "stored_answers": answers,
        "vendor_items": items,
        "texts": [{"table": each.rule.table.name, **each.row} for each in changes],
    }


def _origin_of(connection: Connection, uid: LeadUid) -> OriginFacts:
    lead = lead_views.leads_by_name(connection, uid)[0]
    record = LeadRecord.model_validate(lead.record)
    contacts = contact_provenance(connection, uid, record, lead.collected_at)
    return OriginFacts(
        account=f"{lead.platform}:{lead.handle}",
        profile_url=record.profile_url,
        collected_at=lead.collected_at,
        lawful_basis=lead.lawful_basis,
        country=country_known_from(contacts),
        values=[FoundValue(**{name: each[name] for name in _ORIGIN_FIELDS}) for each in contacts],
    )


async def _crm(
    parts: PrivacyParts, asked: PersonRequest, found: FoundPerson, tables: Mapping[str, list[Document]]
) -> Document:
    if parts.crm is None:
        return {"state": "not_configured"}
    links = [row["crm_object_id"] for row in tables.get("crm_links", ())]
    own = await asyncio.to_thread(_own_addresses, parts, found)
    given = asked.identifier
    named = [given.value] if given is not None and given.kind is IdentifierKind.EMAIL else []
    person = CrmPerson(contact_ids=links, leads=found.uids, addresses=list(dict.fromkeys((*own, *named))))
    if person.is_nobody:
        return {"state": "read", "contacts": []}
    try:
        return {"state": "read", "contacts": await parts.crm.contacts(person)}
    except CRM_SILENT:
        return {"state": "unreachable"}


def _own_addresses(parts: PrivacyParts, found: FoundPerson) -> list[str]:
    """Addresses that nobody else has as well: a shared one would bring the other's contact."""
    with parts.database.read() as connection:
        return contacts.own_addresses(connection, found.uids)


def _record(parts: PrivacyParts, asked: PersonRequest, found: FoundPerson, document: Document) -> Document:
    """The receipt, stored and audited: counts and hashes, nothing of the person."""
    now, keyed = parts.workplace.clock.now(), asked.keyed(parts.key)
    counts = {name: len(rows) for name, rows in document["tables"].items()}
    counts |= {name: len(document[name]) for name in ("stored_answers", "vendor_items", "media")}
    counts["crm_contacts"] = len(document["crm"].get("contacts", ()))
    request = PrivacyRequest(
        request_id=str(uuid.uuid4()),
        kind=RequestKind.EXPORT,
        state=RequestState.DONE,
        identifier_kind=asked.kind,
        keyed_hash=keyed,
        leads=found.uids,
        requested_by=asked.by,
        requested_at=now,
        finished_at=now,
        receipt={
            "counts": counts,
            "crm": document["crm"]["state"],
            "possibly_theirs": sorted(found.possible),
        },
    )
    with parts.database.write() as connection:
        privacy_requests.insert_request(connection, request)
        audit_log.record(
            connection, at=now, actor=asked.by, action="privacy.export", subject=keyed, request=request.request_id,
            leads=len(found.uids),
        )  # fmt: skip
    return receipt_of(request)


def receipt_of(request: PrivacyRequest) -> Document:
    """What is handed out about a request."""
    return {
        "request_id": request.request_id,
        "kind": request.kind,
        "state": request.state,
        "identifier_kind": request.identifier_kind,
        "keyed_hash": request.keyed_hash,
        "leads": list(request.leads),
        "requested_by": request.requested_by,
        "requested_at": request.requested_at,
        "finished_at": request.finished_at,
        **request.receipt,
    }
