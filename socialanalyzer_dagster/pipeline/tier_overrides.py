"""A person's tier for a lead: it decides the CRM's tier and the queue, and no score is touched (spec 10.5)."""

from dataclasses import dataclass
from datetime import datetime

from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.lead_view import one_lead
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.storage import audit_log
from socialanalyzer_dagster.storage import tier_overrides as rows
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.tier_overrides import TierOverride

_LONGEST_NAME = 255


class OverrideRefused(ValueError):
    """Nothing was changed; the text says what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideRequest:
    """Which lead (uid, platform:id or handle) gets which tier, why, and who says so; None takes an override back."""

    lead: str
    tier: str | None
    reason: str
    by: str
    at: datetime


def override_tier(database: Database, request: OverrideRequest) -> LeadUid:
    """The lead; audited.

    Raises NoSuchLead, and OverrideRefused for a tier the active policy does not have, a missing reason or name, and an
    override to take back that is not there.
    """
    by, reason = request.by.strip(), request.reason.strip()
    if not by or len(by) > _LONGEST_NAME or not reason:
        raise OverrideRefused("an override carries a reason and the name of the person who decides: --reason, --by")
    tiers = list(dict.fromkeys(row.tier for row in active_policy(database).tiers.rows))
    if request.tier is not None and request.tier not in tiers:
        raise OverrideRefused(f"'{request.tier}' is no tier; the policy has: {', '.join(tiers)}")
    with database.write() as connection:
        uid = LeadUid(one_lead(connection, request.lead).lead_uid)
        before = rows.overrides_of(connection, [uid]).get(uid)
        if request.tier is not None:
            override = TierOverride(lead=uid, tier=request.tier, reason=reason, decided_by=by, decided_at=request.at)
            rows.save_override(connection, override)
        elif not rows.remove_override(connection, uid):
            raise OverrideRefused(f"lead {uid} has no override to take back")
        audit_log.record(
            connection,
            at=request.at,
            actor=by,
            action="lead.override_tier",
            subject=uid,
            tier=request.tier,
            before=None if before is None else before.tier,
            reason=reason,
        )
    return uid
