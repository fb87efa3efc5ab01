"""Notices to people whose data is kept: recorded by a person or seen in the CRM, counted every day (spec 19.1)."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.notification_alerts import NoticesOverdue
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.lead_view import one_lead
from socialanalyzer_dagster.storage import audit_log, notices, outbox
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.notices import Due, NoticeEvent

LISTED = 1000
_FIRST_CONTACT = "notice.first_contact"


def notice_report(database: Database, now: datetime) -> dict[str, int]:
    """How many notices are overdue, not due yet, and sent; people are told of overdue ones once a day."""
    with database.read() as connection:
        counts = notices.notice_counts(connection, now)
    if counts["overdue"]:
        with database.write() as connection:
            outbox.emit(connection, NoticesOverdue(day=now.date(), notices=counts["overdue"]), now=now)
    return counts


def overdue(database: Database, now: datetime) -> Sequence[Due]:
    """Leads whose notice is overdue, the longest waiting first."""
    with database.read() as connection:
        return notices.overdue(connection, now, LISTED)


def note_first_contacts(connection: Connection, leads: Sequence[LeadUid], now: datetime, by: str) -> int:
    """Record that these leads were contacted by now, where nobody did before; how many that were."""
    new = notices.not_contacted(connection, leads)
    for uid in new:
        event = NoticeEvent(lead=uid, contacted_at=now, sent_at=None, by=by, at=now)
        notices.record_notice(connection, event)
        audit_log.record(connection, at=now, actor=by, action=_FIRST_CONTACT, subject=uid)
    return len(new)


def record(database: Database, name: str, event: NoticeEvent) -> LeadUid:
    """Record a first contact or a sent notice of the lead with this name; raises NoSuchLead."""
    with database.write() as connection:
        uid = LeadUid(one_lead(connection, name).lead_uid)
        stored = NoticeEvent(lead=uid, contacted_at=event.contacted_at, sent_at=event.sent_at, by=event.by, at=event.at)
        notices.record_notice(connection, stored)
        action = "notice.sent" if event.sent_at is not None else _FIRST_CONTACT
        audit_log.record(connection, at=event.at, actor=event.by, action=action, subject=uid)
    return uid
