"""What may have been written to a lead's contact last, whether or not the answer came (spec 11.6)."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from socialanalyzer_dagster.domain.crm_diff import Action, Change, Sent
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_crm import SyncPlanLeadRow, SyncPlanRow
from socialanalyzer_dagster.storage.undo_rows import is_ended

_WRITING = (Action.CREATE, Action.UPDATE)


def last_sent(connection: Connection, leads: Sequence[LeadUid]) -> dict[LeadUid, Sent]:
    """The fields of each lead's newest plan row that writes; nothing for one that an undo has dealt with."""
    found: dict[LeadUid, Sent] = {}
    for part in parts(leads):
        rows = connection.execute(
            select(SyncPlanLeadRow.lead_uid, SyncPlanLeadRow.changes, SyncPlanLeadRow.undone)
            .join(SyncPlanRow, SyncPlanRow.plan_id == SyncPlanLeadRow.plan_id)
            .where(SyncPlanLeadRow.lead_uid.in_(part), SyncPlanLeadRow.action.in_(_WRITING))
            .order_by(SyncPlanRow.created_at, SyncPlanRow.number)
        )
        for uid, changes, undone in rows:
            sent = {} if is_ended(undone) else {name: Change(old, new) for name, (old, new) in changes.items()}
            found[LeadUid(uid)] = Sent(sent, is_taken_back=undone is not None)
    return found
