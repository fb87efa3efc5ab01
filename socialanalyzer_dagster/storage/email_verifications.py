"""What is known of leads' addresses: who still needs a verdict, and which verdicts hold (spec 8.6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from socialanalyzer_dagster.domain.types import LeadUid, Stage
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_leads import LeadRow
from socialanalyzer_dagster.storage.models_results import EmailVerificationRow, StageOutcomeRow


@dataclass(frozen=True, slots=True)
class AddressStanding:
    """The state of a lead's chosen address; `verified_at` is the newest word about it, None when there is none."""

    status: str | None
    verified_at: datetime | None


def standings(connection: Connection, leads: Sequence[LeadUid]) -> dict[LeadUid, AddressStanding]:
    """How the chosen addresses of leads stand."""
    found: dict[LeadUid, AddressStanding] = {}
    for part in parts(leads):
        rows = connection.execute(
            select(LeadRow.lead_uid, LeadRow.email_status, func.max(EmailVerificationRow.verified_at))
            .join(EmailVerificationRow, EmailVerificationRow.email_hash == LeadRow.email_hash, isouter=True)
            .where(LeadRow.lead_uid.in_(part))
            .group_by(LeadRow.lead_uid, LeadRow.email_status)
        )
        found |= {LeadUid(uid): AddressStanding(status, at) for uid, status, at in rows}
    return found


def unfinished_looks(connection: Connection, batch_id: str, leads: Sequence[LeadUid]) -> frozenset[LeadUid]:
    """Leads that went past enriched while a vendor was away: their addresses were not chosen yet (spec 2.3)."""
    found: set[LeadUid] = set()
    for part in parts(leads):
        rows = connection.execute(
            select(StageOutcomeRow.lead_uid).where(
                StageOutcomeRow.batch_id == batch_id,
                StageOutcomeRow.stage == Stage.ENRICHED,
                StageOutcomeRow.code == "provider_unavailable",
                StageOutcomeRow.is_current,
                StageOutcomeRow.lead_uid.in_(part),
            )
        )
        found |= {LeadUid(uid) for uid in rows.scalars()}
    return frozenset(found)


def verdicts(connection: Connection, hashes: Sequence[str], since: datetime) -> dict[str, tuple[str, datetime]]:
    """Keyed hash -> status and time of what was said since an instant, the newest counts."""
    found: dict[str, tuple[str, datetime]] = {}
    for part in parts(hashes):
        rows = connection.execute(
            select(EmailVerificationRow.email_hash, EmailVerificationRow.status, EmailVerificationRow.verified_at)
            .where(EmailVerificationRow.email_hash.in_(part), EmailVerificationRow.verified_at >= since)
            .order_by(EmailVerificationRow.verified_at)
        )
        found |= {keyed: (status, at) for keyed, status, at in rows}
    return found
