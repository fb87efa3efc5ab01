"""Which leads the CRM knows already as contacts that this project did not create (spec 6.6 rule 4, 11.3)."""

from collections.abc import Mapping, Sequence

from socialanalyzer_dagster.domain.crm_properties import UNIQUE_PROPERTY
from socialanalyzer_dagster.domain.ports import CallFailed, Gate
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.vendors.hubspot import HubSpot
from socialanalyzer_dagster.vendors.hubspot_batches import Contact

_STEP = "crm_lookup"
_EMAIL = "email"
_NO_SUCH_PROPERTY = 404


async def foreign_contacts(
    gate: Gate, hubspot: HubSpot, emails: Mapping[LeadUid, Sequence[str]], *, batch_size: int
) -> frozenset[LeadUid]:
    """Leads with an address that belongs to a contact somebody else created; `emails` names every lead to look up.

    Reads only. A lead found by our own unique property is ours. Raises ProviderUnavailable when the CRM's answer leaves
    out some of what was asked: not knowing must not look like 'not there' (I-36).
    """
    ours = await contacts_of_ours(gate, hubspot, list(emails), batch_size=batch_size)
    asked = {email.lower(): uid for uid, addresses in emails.items() if uid not in ours for email in addresses}
    found = await _read(gate, hubspot, list(asked), _EMAIL, batch_size)
    return frozenset(asked[email] for email, contact in found.items() if not contact.properties.get(UNIQUE_PROPERTY))


async def contacts_of_ours(
    gate: Gate, hubspot: HubSpot, uids: Sequence[str], *, batch_size: int
) -> Mapping[str, Contact]:
    """Contacts that carry our own unique property; none where the CRM does not have that property yet."""
    try:
        return await _read(gate, hubspot, uids, UNIQUE_PROPERTY, batch_size)
    except CallFailed as failed:
        if failed.error.status != _NO_SUCH_PROPERTY:
            raise
        return {}


async def _read(
    gate: Gate, hubspot: HubSpot, ids: Sequence[str], id_property: str, batch_size: int
) -> Mapping[str, Contact]:
    found: dict[str, Contact] = {}
    for part in parts(ids, batch_size):
        call = hubspot.batch_read(id_property=id_property, ids=part, properties=(UNIQUE_PROPERTY, _EMAIL))
        answer = await gate.call(call, leads=(), step=_STEP)
        if answer.value.unknown:
            raise ProviderUnavailable("hubspot", "the contact lookup left out some of what was asked")
        found |= answer.value.found
    return found
