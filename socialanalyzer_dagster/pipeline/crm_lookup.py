"""Which leads the CRM knows already as contacts that this project did not create (spec 6.6 rule 4, 11.3)."""

from collections.abc import Mapping, Sequence

from socialanalyzer_dagster.domain.crm_properties import UNIQUE_PROPERTY
from socialanalyzer_dagster.domain.ports import CallFailed, Gate
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.crm_contacts import CrmReader, GateReads
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
    reader = CrmReader(GateReads(gate, _STEP), hubspot, (UNIQUE_PROPERTY, _EMAIL), batch_size)
    ours = await _contacts_of_ours(reader, list(emails))
    asked = {email.lower(): uid for uid, addresses in emails.items() if uid not in ours for email in addresses}
    found = await reader.read(asked, _EMAIL)
    return frozenset(asked[email] for email, contact in found.items() if not contact.properties.get(UNIQUE_PROPERTY))


async def _contacts_of_ours(reader: CrmReader, uids: Sequence[str]) -> Mapping[str, Contact]:
    """Contacts that carry our own unique property; none where the CRM does not have that property yet."""
    try:
        return await reader.read(uids, UNIQUE_PROPERTY)
    except CallFailed as failed:
        if failed.error.status != _NO_SUCH_PROPERTY:
            raise
        return {}
