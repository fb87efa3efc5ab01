"""Which CRM contact is which lead, and what we last wrote there (spec 11.3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select, tuple_

from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.storage.database import upsert
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_control import CrmLinkRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One lead's contact with the property values of the last write."""

    lead: LeadUid
    contact_id: str
    written: Mapping[str, str]


def links_of(connection: Connection, leads: Sequence[LeadUid]) -> dict[LeadUid, str]:
    """Lead -> contact id, for the leads that have one."""
    found: dict[LeadUid, str] = {}
    for part in parts(leads):
        rows = connection.execute(
            select(CrmLinkRow.lead_uid, CrmLinkRow.crm_object_id).where(CrmLinkRow.lead_uid.in_(part))
        )
        found |= {LeadUid(row.lead_uid): row.crm_object_id for row in rows}
    return found


def save_links(connection: Connection, links: Sequence[Link], now: datetime) -> None:
    """Remember contacts; a contact that was another lead's belongs to the lead whose uid it carries now."""
    if not links:
        return
    pairs = [(link.lead, link.contact_id) for link in links]
    connection.execute(
        delete(CrmLinkRow).where(
            CrmLinkRow.crm_object_id.in_([contact for _, contact in pairs]),
            tuple_(CrmLinkRow.lead_uid, CrmLinkRow.crm_object_id).not_in(pairs),
        )
    )
    statement = upsert(connection, CrmLinkRow)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["lead_uid"],
            set_={name: statement.excluded[name] for name in ("crm_object_id", "written", "written_at")},
        ),
        [
            {
                "lead_uid": link.lead,
                "crm_object_id": link.contact_id,
                "written": dict(link.written),
                "written_at": now,
            }
            for link in links
        ],
    )
