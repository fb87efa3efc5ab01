"""The daily look at everybody who is stored: who came onto the list since, stops everywhere (spec 19.2, 19.4)."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from socialanalyzer_dagster.domain.leads import Identifier
from socialanalyzer_dagster.domain.suppression import identifiers_of_candidates
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.erasure import PersonRequest, erase_all
from socialanalyzer_dagster.pipeline.people_in_batches import withdraw
from socialanalyzer_dagster.pipeline.privacy_crm import CRM_SILENT
from socialanalyzer_dagster.pipeline.privacy_parts import ERASURE, PrivacyParts
from socialanalyzer_dagster.storage import crm_links, people, person_rows, suppressions
from socialanalyzer_dagster.storage.leads import parts as in_parts
from socialanalyzer_dagster.storage.people import StoredPerson

_ACTOR = "suppression re-check"


async def recheck(parts: PrivacyParts) -> Counter[str]:
    """Take listed people out of open batches and mark their CRM contacts `email_outreach: not_allowed`.

    Nothing is deleted for an objection: the contact stays with the colleagues who talk to the person, and says that
    nobody may write. Somebody who was erased and is stored again all the same is erased again. A contact that the CRM
    did not take is tried again the next day, and counted as `crm_waiting`.
    """
    listed, erased = await asyncio.to_thread(_listed, parts)
    done: Counter[str] = Counter(erased_again=len(erased))
    done["leads_listed"] = len(listed)
    for part in in_parts(listed):
        done["ways_ended"] += await asyncio.to_thread(withdraw, parts.workplace, part)
        stopped = await _stopped_in_crm(parts, part)
        done["crm_waiting"] += len(part) - len(stopped)
        await asyncio.to_thread(_mark, parts, stopped)
    await erase_all(parts, [PersonRequest(who=uid, by=_ACTOR, reason="was erased before") for uid in erased])
    return done


def _listed(parts: PrivacyParts) -> tuple[list[LeadUid], list[LeadUid]]:
    """Leads whose person is listed and not yet stopped, and leads of people who were erased."""
    with parts.database.read() as connection:
        everything = suppressions.hashes(connection)
        erasures = suppressions.hashes(connection, source=ERASURE)
    listed: list[LeadUid] = []
    erased: list[LeadUid] = []
    for part in people.everybody(parts.database):
        for person in part:
            if parts.search.hashes(_seen_by_gates(person)).isdisjoint(everything):
                continue
            is_erased = bool(parts.search.hashes(person.own) & erasures)
            (erased if is_erased else listed).append(person.uid)
    with parts.database.read() as connection:
        stopped = person_rows.suppressed_leads(connection)
    return [uid for uid in listed if uid not in stopped], erased


def _seen_by_gates(person: StoredPerson) -> Sequence[Identifier]:
    return (*person.everything, *identifiers_of_candidates(person.found))


async def _stopped_in_crm(parts: PrivacyParts, leads: list[LeadUid]) -> list[LeadUid]:
    with parts.database.read() as connection:
        links = crm_links.links_of(connection, leads)
    if not links or parts.crm is None:
        return [uid for uid in leads if uid not in links]
    try:
        marked = await parts.crm.forbid_email({uid: link.contact_id for uid, link in links.items()})
    except CRM_SILENT:
        marked = frozenset()
    return [uid for uid in leads if uid not in links or uid in marked]


def _mark(parts: PrivacyParts, leads: list[LeadUid]) -> None:
    with parts.database.write() as connection:
        person_rows.mark_suppressed(connection, leads, parts.workplace.clock.now())
