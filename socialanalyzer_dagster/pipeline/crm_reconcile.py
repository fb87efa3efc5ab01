"""Reading our contacts back: owners, merges, edits, opt-outs and outcomes; nothing is written there (spec 11.7)."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from socialanalyzer_dagster.domain.crm_diff import CrmContact, Sent, arrived_values, released_properties
from socialanalyzer_dagster.domain.crm_properties import UNIQUE_PROPERTY
from socialanalyzer_dagster.domain.crm_reading import read_properties, reading
from socialanalyzer_dagster.domain.crm_table import crm_properties
from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind, LeadRecord
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.suppression import canonical_identifier
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.crm_contacts import CrmReader
from socialanalyzer_dagster.pipeline.free_calls import free_calls
from socialanalyzer_dagster.pipeline.notices import note_first_contacts
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.progress import Tell, tell_nobody
from socialanalyzer_dagster.pipeline.suppressions import SuppressionRequest, add
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import crm_facts, crm_links, crm_standings, leads, sent_rows
from socialanalyzer_dagster.storage.crm_links import Link, Sighting
from socialanalyzer_dagster.storage.crm_standings import Standing
from socialanalyzer_dagster.vendors.hubspot import HubSpot
from socialanalyzer_dagster.vendors.hubspot_batches import Contact

_REASON, _SOURCE, _BY = "opted out in the CRM", "crm", "crm_reconciliation"


@dataclass(slots=True)
class ReconcileReport:
    """What was read, in figures: nobody's data."""

    contacts: int = 0
    merged: int = 0
    deleted: int = 0
    owners_changed: int = 0
    opted_out: int = 0
    """People who went onto the suppression list now."""
    edited: int = 0
    """Contacts with properties that somebody edited since we wrote them."""
    first_contacts: int = 0
    """People whom sales wrote to, as their outcome says, and of whom nobody had recorded it (spec 19.1)."""
    outcomes: dict[str, int] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """One line for logs and people."""
        became = ", ".join(f"{number} {name}" for name, number in sorted(self.outcomes.items())) or "no outcome yet"
        return (
            f"{self.contacts} contacts read back: {became}; {self.merged} merged, {self.deleted} deleted, "
            f"{self.owners_changed} with another owner, {self.edited} edited, {self.opted_out} opted out, "
            f"{self.first_contacts} contacted for the first time."
        )


async def reconcile(
    workplace: Workplace, hubspot: HubSpot, suppression_key: bytes, tell: Tell = tell_nobody
) -> ReconcileReport:
    """Read every contact that a lead is linked to, page by page; each page is stored before the next one is read.

    `tell` hears how many contacts are read.

    Raises CallFailed and ProviderUnavailable when the CRM cannot be read, WeakKey without a usable suppression key.
    """
    policy = active_policy(workplace.database)
    async with free_calls(workplace.database, policy, workplace.clock) as calls:
        names = tuple(dict.fromkeys([*crm_properties(policy), *read_properties(policy.crm)]))
        reader = CrmReader(calls, hubspot, names, policy.crm.batch_size)
        work = _Reconciliation(workplace, policy, reader, suppression_key)
        after = ""
        while page := await asyncio.to_thread(work.page, after):
            contacts = await work.read(page)
            await asyncio.to_thread(work.store, page, contacts)
            tell(work.report.contacts)
            after = page[-1].lead
    return work.report


class _Reconciliation:
    def __init__(self, workplace: Workplace, policy: Policy, reader: CrmReader, suppression_key: bytes) -> None:
        self._workplace = workplace
        self._crm = policy.crm
        self._key = suppression_key
        self._properties = crm_properties(policy)
        self._reader = reader
        self.report = ReconcileReport()

    def page(self, after: str) -> list[Link]:
        """The next links."""
        with self._workplace.database.read() as connection:
            return crm_links.link_pages(connection, after=after, limit=self._crm.batch_size)

    async def read(self, page: Sequence[Link]) -> Mapping[str, Contact]:
        """Their contacts by the ids we know; a missing one is not in the CRM any more."""
        return await self._reader.read([link.contact_id for link in page], None)

    def store(self, page: Sequence[Link], contacts: Mapping[str, Contact]) -> None:
        """Opt-outs first: an interruption repeats them rather than losing one."""
        uids = [link.lead for link in page]
        with self._workplace.database.read() as connection:
            before = crm_standings.standings_of(connection, uids)
            sent = sent_rows.last_sent(connection, uids)
        standings = [self._standing(link, contacts.get(link.contact_id)) for link in page]
        opted_out = [
            (link.lead, contacts[link.contact_id])
            for link, standing in zip(page, standings, strict=True)
            if standing.opted_out and not (link.lead in before and before[link.lead].opted_out)
        ]
        self._suppress_all(opted_out)
        for standing in standings:
            self._count(standing, before.get(standing.lead))
        seen = [
            self._sighting(link, contact, sent.get(link.lead, Sent()))
            for link in page
            if (contact := contacts.get(link.contact_id)) is not None
        ]
        telling = [each for each in seen if each.is_news]
        with self._workplace.database.write() as connection:
            crm_links.note_sightings(connection, telling, self._workplace.clock.now())
            crm_standings.save_standings(connection, standings)
            contacted = [each.lead for each in standings if each.tells_of_contact]
            self.report.first_contacts += note_first_contacts(connection, contacted, self._workplace.clock.now(), _BY)

    def _standing(self, link: Link, contact: Contact | None) -> Standing:
        now = self._workplace.clock.now()
        if contact is None:
            return Standing(lead=link.lead, owner_id=None, outcome=None, opted_out=False, deleted=True, read_at=now)
        found = reading(contact.properties, self._crm)
        return Standing(
            lead=link.lead,
            owner_id=found.owner_id,
            outcome=found.outcome,
            opted_out=found.opted_out,
            deleted=False,
            read_at=now,
        )

    def _sighting(self, link: Link, contact: Contact, sent: Sent) -> Sighting:
        self.report.merged += contact.id != link.contact_id
        current = CrmContact(
            object_id=contact.id,
            properties=contact.properties,
            is_ours=True,
            written=link.values,
            released=link.released,
            sent=sent,
        )
        seen = Sighting(lead=link.lead, contact_id=contact.id, link=link)
        if (contact.properties.get(UNIQUE_PROPERTY) or link.lead) != link.lead:
            return seen
        released = released_properties(current, self._properties)
        self.report.edited += bool(released - link.released)
        return replace(seen, released=released, arrived=arrived_values(current, self._properties))

    def _suppress_all(self, opted_out: Sequence[tuple[LeadUid, Contact]]) -> None:
        if not opted_out:
            return
        uids = [uid for uid, _ in opted_out]
        with self._workplace.database.read() as connection:
            records = leads.load_records(connection, uids)
            chosen = crm_facts.contact_facts(connection, uids)
        for uid, contact in opted_out:
            self._suppress(records[uid], {contact.properties.get("email"), chosen[uid].values.get("email")})

    def _suppress(self, record: LeadRecord, emails: set[str | None]) -> None:
        """The person under every name of their own; accounts that they only link to may be somebody else's."""
        identifiers = [
            *(Identifier(IdentifierKind.EMAIL, email) for email in sorted(filter(None, emails))),
            Identifier(IdentifierKind.HANDLE, f"{record.platform}:{record.handle}"),
            Identifier(IdentifierKind.PROFILE_URL, record.profile_url),
        ]
        now, is_new = self._workplace.clock.now(), False
        for identifier in identifiers:
            if canonical_identifier(identifier) is not None:
                request = SuppressionRequest(identifier=identifier, reason=_REASON, source=_SOURCE, now=now)
                is_new = add(self._workplace.database, self._key, request) or is_new
        self.report.opted_out += is_new

    def _count(self, standing: Standing, before: Standing | None) -> None:
        self.report.contacts += 1
        self.report.deleted += standing.deleted
        if standing.outcome is not None:
            self.report.outcomes[standing.outcome] = self.report.outcomes.get(standing.outcome, 0) + 1
        self.report.owners_changed += before is not None and before.owner_id != standing.owner_id
