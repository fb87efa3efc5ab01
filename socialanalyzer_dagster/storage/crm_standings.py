"""What the CRM said last about our contacts (spec 11.7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from socialanalyzer_dagster.domain.policy_crm import CrmOutcome
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.storage.database import upsert
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_crm import CrmStandingRow

_STATED = ("owner_id", "outcome", "opted_out", "deleted", "read_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One lead's contact: whose it is, what became of it, and whether it is there at all."""

    lead: LeadUid
    owner_id: str | None
    outcome: str | None
    opted_out: bool
    deleted: bool
    read_at: datetime

    @property
    def tells_of_contact(self) -> bool:
        """True when sales must have written to the person."""
        return self.outcome is not None and CrmOutcome(self.outcome).tells_of_contact


def standings_of(connection: Connection, leads: Sequence[LeadUid]) -> dict[LeadUid, Standing]:
    """The standings of the leads that have one."""
    found: dict[LeadUid, Standing] = {}
    for part in parts(leads):
        rows = connection.execute(select(CrmStandingRow.__table__).where(CrmStandingRow.lead_uid.in_(part))).mappings()
        for row in rows:
            uid = LeadUid(row["lead_uid"])
            found[uid] = Standing(lead=uid, **{name: row[name] for name in _STATED})
    return found


def save_standings(connection: Connection, standings: Sequence[Standing]) -> None:
    """Replace what was known."""
    if not standings:
        return
    statement = upsert(connection, CrmStandingRow)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["lead_uid"], set_={name: statement.excluded[name] for name in _STATED}
        ),
        [{"lead_uid": each.lead, **{name: getattr(each, name) for name in _STATED}} for each in standings],
    )
