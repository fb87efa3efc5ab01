"""The contacts that leads are in the CRM now: by our own unique property first, then by e-mail (spec 11.3)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from socialanalyzer_dagster.domain.crm_diff import CrmContact
from socialanalyzer_dagster.domain.crm_properties import UNIQUE_PROPERTY
from socialanalyzer_dagster.domain.ports import Gate
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.vendors.hubspot import HubSpot
from socialanalyzer_dagster.vendors.hubspot_batches import Contact

_EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A lead to look for; `linked_id` is the contact it was when we last wrote it."""

    uid: LeadUid
    email: str | None
    linked_id: str | None


@dataclass(frozen=True, slots=True)
class Known:
    """A contact that was found, with our unique value on it: the lead's own uid, another lead's, or None."""

    contact: CrmContact
    creator_uid: str | None

    def carries(self, uid: LeadUid) -> bool:
        """True when the contact is marked as this very lead, so that an upsert finds it."""
        return self.creator_uid == uid


@dataclass(frozen=True, slots=True)
class CrmReader:
    """Reads current contacts with `properties`, at most `batch_size` per call, as a step of the stage."""

    gate: Gate
    hubspot: HubSpot
    properties: Sequence[str]
    batch_size: int
    step: str = "crm_read"

    async def find(self, wanted: Sequence[Wanted]) -> dict[LeadUid, Known]:
        """The contacts of leads; a lead that is not in the answer has none.

        Raises ProviderUnavailable when the CRM leaves out part of what was asked: not knowing is not 'not there'
        (I-36). CallFailed and the gate's refusals as usual.
        """
        by_uid = await self.read([each.uid for each in wanted], UNIQUE_PROPERTY)
        found = {each.uid: _known(by_uid[each.uid], is_ours=True) for each in wanted if each.uid in by_uid}
        emails = {each.uid: each.email.lower() for each in wanted if each.email is not None and each.uid not in found}
        by_email = await self.read(emails.values(), _EMAIL)
        for each in wanted:
            contact = by_email.get(emails.get(each.uid, ""))
            if contact is not None:
                found[each.uid] = _known(contact, is_ours=contact.id == each.linked_id)
        return found

    async def read(self, ids: Iterable[str], id_property: str) -> Mapping[str, Contact]:
        """Contacts by the value of a unique property; raises as `find` does."""
        found: dict[str, Contact] = {}
        for part in parts(dict.fromkeys(ids), self.batch_size):
            call = self.hubspot.batch_read(id_property=id_property, ids=part, properties=self.properties)
            answer = await self.gate.call(call, leads=(), step=self.step)
            if answer.value.unknown:
                raise ProviderUnavailable("hubspot", "the contact look-up left out some of what was asked")
            found |= answer.value.found
        return found


def _known(contact: Contact, *, is_ours: bool) -> Known:
    current = CrmContact(object_id=contact.id, properties=contact.properties, is_ours=is_ours)
    return Known(current, contact.properties.get(UNIQUE_PROPERTY) or None)
