"""The contacts that leads are in the CRM now: by our unique property, by stored id, then by e-mail (spec 11.3)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from socialanalyzer_dagster.domain.calls import VendorCall
from socialanalyzer_dagster.domain.crm_diff import CrmContact, Sent
from socialanalyzer_dagster.domain.crm_properties import MERGED_PROPERTY, UNIQUE_PROPERTY
from socialanalyzer_dagster.domain.ports import Gate
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.storage.crm_links import Link
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.vendors.hubspot import HubSpot
from socialanalyzer_dagster.vendors.hubspot_batches import Contact

T = TypeVar("T")

STEP = "crm_read"
_EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A lead to look for; `link` is the contact it was when we last wrote it, None for a lead we never wrote.

    `sent` is what a write may have left there whose answer was lost.
    """

    uid: LeadUid
    email: str | None
    link: Link | None
    sent: Sent = field(default_factory=Sent)


@dataclass(frozen=True, slots=True)
class Known:
    """A contact that was found, with our unique value on it: the lead's own uid, another lead's, or None."""

    contact: CrmContact
    creator_uid: str | None

    def carries(self, uid: LeadUid) -> bool:
        """True when the contact is marked as this very lead, so that an upsert finds it."""
        return self.creator_uid == uid


class Asker(Protocol):
    """Sends free calls: through a stage's gate, or outside any batch."""

    async def send(self, call: VendorCall[T]) -> T:
        """The typed answer."""
        ...


@dataclass(frozen=True, slots=True)
class GateReads:
    """Reads through a stage's gate, as a step of the stage."""

    gate: Gate
    step: str = STEP

    async def send(self, call: VendorCall[T]) -> T:
        """The typed answer; raises what the gate raises."""
        return (await self.gate.call(call, leads=(), step=self.step)).value


@dataclass(frozen=True, slots=True)
class CrmReader:
    """Reads current contacts with `properties`, at most `batch_size` per call."""

    asker: Asker
    hubspot: HubSpot
    properties: Sequence[str]
    batch_size: int

    async def find(self, wanted: Sequence[Wanted]) -> dict[LeadUid, Known]:
        """The contacts of leads; a lead that is not in the answer has none.

        Raises ProviderUnavailable when the CRM leaves out part of what was asked: not knowing is not 'not there'
        (I-36). CallFailed and the gate's refusals as usual.
        """
        by_uid = await self.read([each.uid for each in wanted], UNIQUE_PROPERTY)
        found = {each.uid: _known(by_uid[each.uid], each, is_ours=True) for each in wanted if each.uid in by_uid}
        left = [each for each in wanted if each.uid not in found]
        linked = {each.uid: each.link.contact_id for each in left if each.link is not None}
        by_id = await self.read(linked.values(), None)
        found |= {
            each.uid: _known(by_id[linked[each.uid]], each, is_ours=True)
            for each in left
            if linked.get(each.uid) in by_id
        }
        emails = {each.uid: each.email.lower() for each in left if each.email is not None and each.uid not in found}
        by_email = await self.read(emails.values(), _EMAIL)
        for each in left:
            contact = by_email.get(emails.get(each.uid, ""))
            if contact is not None:
                found[each.uid] = _known(contact, each, is_ours=False)
        return found

    async def read(self, ids: Iterable[str], id_property: str | None) -> Mapping[str, Contact]:
        """Contacts by what was asked for, a unique property's values or contact ids; raises what `find` does."""
        found: dict[str, Contact] = {}
        wanted = (*self.properties, UNIQUE_PROPERTY, MERGED_PROPERTY)
        for part in parts(dict.fromkeys(ids), self.batch_size):
            call = self.hubspot.batch_read(id_property=id_property, ids=part, properties=wanted)
            answer = await self.asker.send(call)
            if answer.unknown:
                raise ProviderUnavailable("hubspot", "the contact look-up left out some of what was asked")
            found |= answer.found
        return found


def _known(contact: Contact, wanted: Wanted, *, is_ours: bool) -> Known:
    link = wanted.link if is_ours else None
    mark = contact.properties.get(UNIQUE_PROPERTY) or None
    made = wanted.sent.values if link is None and mark == wanted.uid else {}  # its create lost the answer
    current = CrmContact(
        object_id=contact.id,
        properties=contact.properties,
        is_ours=is_ours,
        written=made if link is None else link.values,
        released=frozenset() if link is None else link.released,
        sent=wanted.sent if is_ours else Sent(),
    )
    return Known(current, mark)
