"""What a sync would do with each lead, beside the contact it is in the CRM now: nothing is stored or written here."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from socialanalyzer_dagster.domain.crm_diff import (
    RELEASED_NOTE,
    Action,
    PlanRow,
    Sent,
    arrived_values,
    plan_row,
    released_properties,
)
from socialanalyzer_dagster.domain.crm_reading import has_opted_out
from socialanalyzer_dagster.domain.crm_table import crm_properties
from socialanalyzer_dagster.domain.crm_validation import Definition, refused_values
from socialanalyzer_dagster.domain.outreach import QueueDecision
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import Gate
from socialanalyzer_dagster.domain.refusals import PersonSuppressed, ProviderUnavailable
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.crm_contacts import CrmReader, GateReads, Known, Wanted
from socialanalyzer_dagster.pipeline.crm_facts import Proposal, load_proposals
from socialanalyzer_dagster.pipeline.crm_setup import CrmNotReady, definitions_of, shortcomings
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.storage import crm_links, sent_rows
from socialanalyzer_dagster.storage.crm_links import Link, Sighting
from socialanalyzer_dagster.vendors.hubspot import HubSpot

_PROPERTIES_STEP = "crm_properties"
WRITTEN = frozenset({Action.CREATE, Action.UPDATE})
"""Actions that write to the CRM."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A row before BDRs are dealt, whether its lead is to get one, and what was seen of the contact it had."""

    row: PlanRow
    queue: QueueDecision
    sighting: Sighting | None = None


class Comparison:
    """Compares leads of a batch with the CRM under a policy, part by part; reads only."""

    def __init__(self, batch: OpenBatch, policy: Policy, gate: Gate, hubspot: HubSpot) -> None:
        self._batch = batch
        self._policy = policy
        self._gate = gate
        self._hubspot = hubspot
        self._properties = crm_properties(policy)
        names = (*self._properties, policy.crm.opt_out_property)
        self._reader = CrmReader(GateReads(gate), hubspot, names, policy.crm.batch_size)
        self._new_emails: set[str] = set()
        self._definitions: Mapping[str, Definition] = {}

    async def check_properties(self) -> None:
        """Read what the account takes, once before the first draft; raises CrmNotReady naming what is missing."""
        answer = await self._gate.call(self._hubspot.properties(), leads=(), step=_PROPERTIES_STEP)
        if lacking := shortcomings(answer.value, self._policy):
            raise CrmNotReady(lacking.sentence)
        self._definitions = definitions_of(answer.value)

    async def drafts(self, window: list[tuple[LeadUid, int]]) -> list[Draft]:
        proposals, links, sent = await asyncio.to_thread(self._load, window)
        suppressed = await suppressed_leads(self._gate, proposals)
        wanted = [
            Wanted(each.uid, each.email, links.get(each.uid), sent.get(each.uid, Sent()))
            for each in proposals
            if each.uid not in suppressed
        ]
        known = await self._reader.find(wanted)
        return [self._draft(each, known.get(each.uid), links.get(each.uid), suppressed) for each in proposals]

    def _draft(
        self, proposal: Proposal, known: Known | None, link: Link | None, suppressed: frozenset[LeadUid]
    ) -> Draft:
        if known is not None and has_opted_out(known.contact.properties, self._policy.crm):
            row = PlanRow(
                uid=proposal.uid,
                action=Action.REJECTED,
                reason="suppressed",
                crm_object_id=known.contact.object_id,
                tier=proposal.contact.tier,
                notes=("opted_out_in_crm",),
            )
        elif proposal.uid in suppressed:
            row = PlanRow(uid=proposal.uid, action=Action.REJECTED, reason="suppressed", tier=proposal.contact.tier)
        elif known is None and link is not None and self._policy.crm.deleted_contact == "leave":
            row = PlanRow(
                uid=proposal.uid,
                action=Action.REJECTED,
                reason="crm_refused",
                crm_object_id=link.contact_id,
                tier=proposal.contact.tier,
                notes=("deleted_in_crm",),
            )
        else:
            row = self._row(proposal, known)
        return Draft(row, proposal.queue, self._sighting(proposal.uid, known, link))

    def _sighting(self, lead: LeadUid, known: Known | None, link: Link | None) -> Sighting | None:
        """What the read says about a contact we wrote earlier; one that only shares the address is none of them."""
        if known is None or not known.contact.is_ours or (link is None and not known.contact.written):
            return None
        contact = known.contact
        seen = Sighting(lead=lead, contact_id=contact.object_id, link=link)
        if known.creator_uid not in (None, lead):
            return seen
        arrived = contact.written if link is None else arrived_values(contact, self._properties)
        return replace(seen, released=released_properties(contact, self._properties), arrived=arrived)

    def _load(
        self, window: list[tuple[LeadUid, int]]
    ) -> tuple[list[Proposal], dict[LeadUid, Link], dict[LeadUid, Sent]]:
        leads = [uid for uid, _ in window]
        with self._batch.workplace.database.read() as connection:
            links, sent = crm_links.links_of(connection, leads), sent_rows.last_sent(connection, leads)
            return load_proposals(connection, self._batch, self._policy, window), links, sent

    def _row(self, proposal: Proposal, known: Known | None) -> PlanRow:
        contact = known.contact if known is not None else None
        row = plan_row(proposal.contact, contact, properties=self._properties, policy=self._policy)
        if problems := refused_values({name: each.new for name, each in row.changes.items()}, self._definitions):
            notes = (*row.notes, *(f"{name}: {problem}" for name, problem in problems.items()))
            return replace(row, action=Action.REJECTED, reason="crm_refused", changes={}, notes=notes)
        if known is not None and row.action in WRITTEN and known.creator_uid not in (None, proposal.uid):
            return _belongs_to_another(row, "contact_of_another_lead")
        if row.action is Action.CREATE and proposal.email is not None:
            if proposal.email.lower() in self._new_emails:
                return _belongs_to_another(row, "same_email_as_an_earlier_lead")
            self._new_emails.add(proposal.email.lower())
        return row


def _belongs_to_another(row: PlanRow, note: str) -> PlanRow:
    """Two accounts of one person, or of one agency: the contact is the first one's."""
    marks = tuple(mark for mark in row.notes if not mark.startswith(RELEASED_NOTE))
    return replace(row, action=Action.REJECTED, reason="already_in_crm", changes={}, notes=(*marks, note))


async def suppressed_leads(gate: Gate, proposals: Sequence[Proposal]) -> frozenset[LeadUid]:
    """Who of them is on the suppression list; raises ProviderUnavailable when the list itself cannot be read."""
    found: set[LeadUid] = set()
    for each in proposals:
        try:
            await gate.identify(each.uid, each.identifiers)
        except PersonSuppressed as refusal:
            found.add(listed_lead(refusal))
    return frozenset(found)


def listed_lead(refusal: PersonSuppressed) -> LeadUid:
    """The lead that is on the list; raises ProviderUnavailable when the list could not be read (the gate is closed)."""
    if refusal.__cause__ is not None:
        raise ProviderUnavailable("suppression list", "it cannot be read") from refusal
    return refusal.lead
