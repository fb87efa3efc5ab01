"""The part of an erasure that needs no name: rows by lead uid, calls, media, the CRM, then the identity (spec 19.4)."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from socialanalyzer_dagster.domain.suppression import is_about_listed
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.batch_status import RUNNING
from socialanalyzer_dagster.pipeline.privacy_crm import CRM_SILENT, CrmPerson
from socialanalyzer_dagster.pipeline.privacy_parts import AT_ONCE, ERASURE, MEDIA_FOLDERS, PrivacyParts, delete_objects
from socialanalyzer_dagster.storage import (
    batches,
    batches_at_work,
    contacts,
    crm_links,
    person_calls,
    person_rows,
    privacy_requests,
    suppressions,
)
from socialanalyzer_dagster.storage.leads import parts as in_parts
from socialanalyzer_dagster.storage.person_calls import CallKeys
from socialanalyzer_dagster.storage.privacy_requests import PrivacyRequest, RequestState
from socialanalyzer_dagster.storage.suppressions import Suppression, add_suppressions

_SENTENCES = {
    RequestState.OPEN: "The erasure was interrupted; run it again.",
    RequestState.DONE: "Everything that was stored about this person is erased, and they stay out from now on.",
    RequestState.WAITING_FOR_CRM: (
        "The CRM did not answer. Everything here is erased but the address and the link that it must be asked with: "
        "run it again, or let the daily purge finish it."
    ),
    RequestState.WAITING_FOR_BATCH: (
        "A batch is at work on this person, or on others who share answers or search pages with them. What it still "
        "stores goes when it rests: run it again then, or let the daily purge finish it."
    ),
}
SEARCHES = "searches"
"""In a receipt: batches half-way through a search whose pages name the person."""
_NEEDS_ADDRESS = "The CRM did not answer about the address itself, which is not stored: run it again with the address."


class ErasureEnd:
    """Finishes one request; `done` is what was counted before."""

    def __init__(self, parts: PrivacyParts, request: PrivacyRequest, done: Counter[str] | None = None) -> None:
        self._parts = parts
        self._request = request
        self._done = Counter(done or {})
        self._crm: Mapping[str, Any] = {}
        self._leads = [LeadUid(uid) for uid in request.leads]

    async def run(
        self, calls: CallKeys, *, extra_addresses: Sequence[str] = (), email_hashes: Sequence[str] = ()
    ) -> None:
        """Empty everything, `calls` among it, and the identity at last; raises MediaStoreError."""
        await asyncio.to_thread(self._clear_rows, calls, email_hashes)
        await asyncio.to_thread(self._clear_given_up_searches)
        self._done["media_objects"] += await erase_media(self._parts, self._leads)
        self._crm = await self._ask_crm(extra_addresses)
        await asyncio.to_thread(self._forget_identities, self._crm["state"])

    def _clear_rows(self, calls: CallKeys, email_hashes: Sequence[str]) -> None:
        database = self._parts.database
        for group in in_parts(self._leads, AT_ONCE):
            with database.write() as connection:
                self._done += person_rows.clear_content(connection, group)
        with database.write() as connection:
            self._done += person_calls.drop_calls(connection, calls)
        with database.write() as connection:
            known = {*email_hashes, *person_rows.email_hashes(connection, self._leads)}
            self._done["email_verifications"] += person_rows.forget_verifications(connection, sorted(known))

    def _clear_given_up_searches(self) -> None:
        """Pages of searches that ended unfinished: the name may be gone by now, so they are searched by its hashes."""
        database = self._parts.database
        with database.read() as connection:
            over = batches_at_work.searches(connection, self._request.receipt.get(SEARCHES, ()), ended=True)
            listed = suppressions.hashes(connection) if over else frozenset()
        for batch_id in over:
            with database.write() as connection:
                batch = batches.batch_by_id(connection, batch_id)
                if batch is not None:
                    is_listed = partial(is_about_listed, platform=batch.platform, listed=listed, key=self._parts.key)
                    self._done["vendor_job_items"] += person_calls.blank_items(connection, batch_id, is_listed)

    async def _ask_crm(self, extra: Sequence[str]) -> dict[str, Any]:
        """How the CRM stands, and whether only the person's address can bring it further."""
        person = await asyncio.to_thread(self._crm_person, extra)
        before = self._request.receipt.get("crm", {})
        needed = bool(before.get("needs_address")) and not extra
        if self._parts.crm is None:
            return {"state": "not_configured", "needs_address": False}
        if person.is_nobody:
            return {"state": "unreachable" if needed else "erased", "needs_address": needed}
        try:
            contacts_erased, addresses = await self._parts.crm.erase(person)
        except CRM_SILENT:
            stored = {address.lower() for address in await asyncio.to_thread(self._addresses)}
            lost = needed or any(address.lower() not in stored for address in extra)
            return {"state": "unreachable", "needs_address": lost}
        self._done["crm_contacts"] += contacts_erased
        self._done["crm_addresses"] += addresses
        return {"state": "unreachable" if needed else "erased", "needs_address": needed}

    def _crm_person(self, extra: Sequence[str]) -> CrmPerson:
        with self._parts.database.read() as connection:
            links = crm_links.links_of(connection, self._leads)
        addresses = {address.lower(): address for address in (*self._addresses(), *extra)}
        return CrmPerson(
            contact_ids=sorted({each for link in links.values() for each in (link.contact_id, *link.aliases)}),
            leads=self._leads,
            addresses=[addresses[each] for each in sorted(addresses)],
        )

    def _addresses(self) -> list[str]:
        """Chosen addresses that are still stored and belong to nobody else."""
        with self._parts.database.read() as connection:
            return contacts.own_addresses(connection, self._leads)

    def _forget_identities(self, crm: str) -> None:
        parts, now = self._parts, self._parts.workplace.clock.now()
        waits = crm == "unreachable"
        for group in in_parts(self._leads, AT_ONCE):
            with parts.database.write() as connection:
                self._done += person_rows.clear_contacts(connection, group, but_address=waits)
                if waits:
                    person_rows.empty_links(connection, group)
                else:
                    self._done["crm_links"] += person_rows.forget_links(connection, group)
                reduced = person_rows.reduce_identities(connection, group, parts.key, now)
                self._done["leads"] += len(reduced)
                self._done["lead_aliases"] += person_rows.forget_aliases(connection, group)
                person_rows.forget_address_hashes(connection, group)
                hidden = parts.search.hashes(person_rows.tombstone_identifiers(connection, group))
                entries = [
                    Suppression(kind=kind, keyed_hash=keyed, reason=ERASURE, source=ERASURE, added_at=now)
                    for kind, keyed in sorted(hidden)
                ]
                add_suppressions(connection, entries)

    def close(self, left: CallKeys) -> PrivacyRequest:
        """The request as it stands after `run`, stored; `left` are calls that are stored still."""
        parts, crm, now = self._parts, self._crm, self._parts.workplace.clock.now()
        with parts.database.read() as connection:
            at_work = batches_at_work.leads_at_work(connection, self._leads, tuple(RUNNING.values()))
            searching = batches_at_work.searches(connection, self._request.receipt.get(SEARCHES, ()), ended=False)
        is_clear = left.is_empty and not at_work and not searching
        state = RequestState.DONE if is_clear else RequestState.WAITING_FOR_BATCH
        state = RequestState.WAITING_FOR_CRM if crm["state"] == "unreachable" else state
        with parts.database.write() as connection:
            counts = Counter(self._request.receipt.get("counts", {})) + self._done
            receipt = {
                **self._request.receipt,
                SEARCHES: searching,
                "counts": dict(sorted(counts.items())),
                "crm": dict(crm),
                "sentence": _NEEDS_ADDRESS if crm["needs_address"] else _SENTENCES[state],
            }
            finished_at = now if state is RequestState.DONE else None
            request = replace(self._request, state=state, receipt=receipt, finished_at=finished_at)
            privacy_requests.change_request(connection, request)
        return request


async def erase_media(parts: PrivacyParts, leads: Sequence[LeadUid]) -> int:
    """Remove every media object of these leads; returns how many. Raises MediaStoreError."""
    folders = [f"{folder}/{lead}" for lead in leads for folder in MEDIA_FOLDERS]
    found = [each for folder in folders for each in await parts.media_store.objects(folder)]
    return await delete_objects(parts.media_store, found)
