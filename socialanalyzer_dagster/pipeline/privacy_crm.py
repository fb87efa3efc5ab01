"""A person in the CRM: found, shown, erased or marked, with free calls outside any batch (spec 19.4)."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from socialanalyzer_dagster.domain.crm_properties import EMAIL_NOT_ALLOWED, UNIQUE_PROPERTY
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.crm_contacts import Asker
from socialanalyzer_dagster.pipeline.crm_halves import written_in_halves
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.vendors.hubspot_batches import Contact, WriteInput, WriteState
from socialanalyzer_dagster.vendors.hubspot_privacy import PrivacyHubSpot

_LOG = logging.getLogger(__name__)
EMAIL = "email"
_OUTREACH = "email_outreach"
_TAKEN = frozenset({WriteState.UPDATED, WriteState.ABSENT})
_NOBODY_KNOWS = "the CRM left out some of the contacts that were asked for"


class CrmUnclear(RuntimeError):
    """The CRM answered, and not about everything: nothing may be taken as done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmPerson:
    """What the CRM may know a person by: our links, our own unique property, and addresses."""

    contact_ids: Sequence[str]
    leads: Sequence[LeadUid]
    addresses: Sequence[str]

    @property
    def is_nobody(self) -> bool:
        """True when there is nothing to ask for."""
        return not (self.contact_ids or self.leads or self.addresses)


class PrivacyCrm:
    """One CRM under one policy; belongs to one event loop."""

    def __init__(self, client: PrivacyHubSpot, policy: Policy, calls: Asker) -> None:
        self._client = client
        self._calls = calls
        self._size = policy.crm.batch_size

    async def contacts(self, person: CrmPerson) -> list[dict[str, Any]]:
        """Every property of the person's contacts that has a value.

        Raises CallFailed, ProviderUnavailable or CrmUnclear when the CRM does not say.
        """
        names = [each.name for each in await self._calls.send(self._client.properties())]
        found = await self._found(person, names)
        return [
            {"id": each.id, "properties": {name: value for name, value in each.properties.items() if value}}
            for each in found.values()
        ]

    async def erase(self, person: CrmPerson) -> tuple[int, int]:
        """Erase the person's contacts and block the addresses; returns how many of each. Safe to repeat.

        Raises CallFailed, ProviderUnavailable or CrmUnclear when the CRM does not say.
        """
        names = {each.name for each in await self._calls.send(self._client.properties())}
        wanted = [name for name in (UNIQUE_PROPERTY, EMAIL) if name in names]
        contacts = sorted({*(await self._found(person, wanted)), *person.contact_ids})
        for contact in contacts:
            await self._calls.send(self._client.gdpr_delete(contact))
        for address in person.addresses:
            await self._calls.send(self._client.gdpr_delete(address, id_property=EMAIL))
        return len(contacts), len(person.addresses)

    async def forbid_email(self, contact_ids: Mapping[LeadUid, str]) -> frozenset[LeadUid]:
        """Mark contacts as not to be written to; returns the leads whose contact is marked, or gone."""
        done: set[LeadUid] = set()
        for part in parts(sorted(contact_ids.items()), self._size):
            inputs = [
                WriteInput(trace_id=lead, id=contact, properties={_OUTREACH: EMAIL_NOT_ALLOWED})
                for lead, contact in part
            ]
            results = await written_in_halves(lambda part: self._calls.send(self._client.batch_set(part)), inputs)
            done |= {LeadUid(each.trace_id) for each in results if each.state in _TAKEN}
            if left := sum(each.state not in _TAKEN for each in results):
                _LOG.warning("%d contacts could not be marked as not to be written to; tried again tomorrow", left)
        return frozenset(done)

    async def last_changes(self, contact_ids: Sequence[str]) -> dict[str, datetime]:
        """When each contact was changed last, by anybody; a contact that is gone is absent.

        Raises CallFailed, ProviderUnavailable or CrmUnclear when the CRM does not say.
        """
        found = await self._found(CrmPerson(contact_ids=contact_ids, leads=(), addresses=()), [EMAIL])
        unsaid = [each.id for each in found.values() if each.updated_at is None]
        if unsaid:
            raise CrmUnclear(_NOBODY_KNOWS)
        return {each.id: each.updated_at for each in found.values() if each.updated_at is not None}

    async def _found(self, person: CrmPerson, properties: Sequence[str]) -> dict[str, Contact]:
        """Contacts by id, however they are found."""
        asked: list[tuple[str | None, Sequence[str]]] = [(None, person.contact_ids), (EMAIL, person.addresses)]
        if UNIQUE_PROPERTY in properties:
            asked.append((UNIQUE_PROPERTY, person.leads))
        found: dict[str, Contact] = {}
        for id_property, ids in asked:
            for part in parts(dict.fromkeys(ids), self._size):
                read = self._client.batch_read(id_property=id_property, ids=part, properties=properties)
                answer = await self._calls.send(read)
                if answer.unknown:
                    raise CrmUnclear(_NOBODY_KNOWS)
                found |= {each.id: each for each in answer.found.values()}
        return found


CRM_SILENT = (CallFailed, CrmUnclear, ProviderUnavailable)
"""What stands between a request and the CRM, and passes."""
