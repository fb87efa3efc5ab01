"""The tiers that people gave leads, beside their scores (spec 10.5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.storage.database import upsert
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_crm import TierOverrideRow


@dataclass(frozen=True, slots=True, kw_only=True)
class TierOverride:
    """One lead's tier by a person's decision."""

    lead: LeadUid
    tier: str
    reason: str
    decided_by: str
    decided_at: datetime


def overrides_of(connection: Connection, leads: Sequence[LeadUid]) -> dict[LeadUid, TierOverride]:
    """The overrides of the leads that have one."""
    found: dict[LeadUid, TierOverride] = {}
    for part in parts(leads):
        rows = connection.execute(select(TierOverrideRow.__table__).where(TierOverrideRow.lead_uid.in_(part)))
        for row in rows.mappings():
            uid = LeadUid(row["lead_uid"])
            found[uid] = TierOverride(
                lead=uid,
                tier=row["tier"],
                reason=row["reason"],
                decided_by=row["decided_by"],
                decided_at=row["decided_at"],
            )
    return found


def save_override(connection: Connection, override: TierOverride) -> None:
    """The lead's one override."""
    values = {
        "tier": override.tier,
        "reason": override.reason,
        "decided_by": override.decided_by,
        "decided_at": override.decided_at,
    }
    statement = upsert(connection, TierOverrideRow).values(lead_uid=override.lead, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["lead_uid"], set_=values))


def remove_override(connection: Connection, lead: LeadUid) -> bool:
    """Whether there was one."""
    return connection.execute(delete(TierOverrideRow).where(TierOverrideRow.lead_uid == lead)).rowcount == 1
