"""Which synced leads nobody in the CRM has dealt with for a long time (spec 19.5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.privacy_crm import CRM_SILENT
from socialanalyzer_dagster.pipeline.privacy_parts import PrivacyParts
from socialanalyzer_dagster.storage import retention


@dataclass(frozen=True, slots=True)
class QuietLeads:
    """Synced leads without activity since an instant; `unclear` is how many the CRM said nothing about."""

    leads: Sequence[LeadUid] = ()
    unclear: int = 0


async def quiet_leads(parts: PrivacyParts, before: datetime) -> QuietLeads:
    """Leads whose contact was neither written by us nor changed by anybody since `before`, or is gone.

    A contact that the CRM does not answer about is unclear, never quiet.
    """
    with parts.database.read() as connection:
        found = {LeadUid(uid): contact for uid, contact in connection.execute(retention.quiet_synced_leads(before))}
    if not found:
        return QuietLeads()
    if parts.crm is None:
        return QuietLeads(unclear=len(found))
    try:
        changed = await parts.crm.last_changes(sorted(found.values()))
    except CRM_SILENT:
        return QuietLeads(unclear=len(found))
    return QuietLeads([uid for uid, contact in found.items() if _is_quiet(changed.get(contact), before)])


def _is_quiet(changed: datetime | None, before: datetime) -> bool:
    return changed is None or changed < before
