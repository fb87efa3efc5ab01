"""Notices to people whose contact data is kept: what was sent, and what is overdue (spec 19.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Select, exists, func, or_, select

from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.storage.database import upsert
from socialanalyzer_dagster.storage.models_leads import LeadRow
from socialanalyzer_dagster.storage.models_people import NoticeRow
from socialanalyzer_dagster.storage.models_results import ContactValueRow

_REACHED_BY = ("email", "phone")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeEvent:
    """What somebody recorded; None leaves what is stored."""

    lead: LeadUid
    contacted_at: datetime | None
    sent_at: datetime | None
    by: str
    at: datetime


def record_notice(connection: Connection, event: NoticeEvent) -> None:
    """Store a first contact (the earliest counts) or a sent notice."""
    statement = upsert(connection, NoticeRow).values(
        lead_uid=event.lead, contacted_at=event.contacted_at, sent_at=event.sent_at, recorded_by=event.by,
        recorded_at=event.at,
    )  # fmt: skip
    new = statement.excluded
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["lead_uid"],
            set_={
                "contacted_at": func.coalesce(NoticeRow.contacted_at, new.contacted_at),
                "sent_at": func.coalesce(NoticeRow.sent_at, new.sent_at),
                "recorded_by": new.recorded_by,
                "recorded_at": new.recorded_at,
            },
        )
    )


def not_contacted(connection: Connection, leads: Sequence[LeadUid]) -> list[LeadUid]:
    """Those of the leads whose first contact nobody has recorded."""
    rows = connection.execute(
        select(NoticeRow.lead_uid).where(NoticeRow.lead_uid.in_(leads), NoticeRow.contacted_at.is_not(None))
    )
    recorded = set(rows.scalars())
    return [lead for lead in leads if lead not in recorded]


def _is_due(now: datetime) -> ColumnElement[bool]:
    return or_(LeadRow.notice_due_at <= now, NoticeRow.contacted_at <= now)


def _unsent() -> Select[str, datetime | None, datetime | None]:
    reachable = exists().where(ContactValueRow.lead_uid == LeadRow.lead_uid, ContactValueRow.field.in_(_REACHED_BY))
    return (
        select(LeadRow.lead_uid, LeadRow.notice_due_at, NoticeRow.contacted_at)
        .join(NoticeRow, NoticeRow.lead_uid == LeadRow.lead_uid, isouter=True)
        .where(LeadRow.reduced_at.is_(None), NoticeRow.sent_at.is_(None), reachable)
    )


@dataclass(frozen=True, slots=True)
class Due:
    """A lead whose notice is due since an instant: some days after collection, or the first contact if earlier."""

    lead: LeadUid
    since: datetime


def overdue(connection: Connection, now: datetime, limit: int) -> Sequence[Due]:
    """Leads with contact data and no notice although it was due, the longest waiting first."""
    rows = connection.execute(
        _unsent().where(_is_due(now)).order_by(LeadRow.notice_due_at, LeadRow.lead_uid).limit(limit)
    )
    return [Due(LeadUid(uid), min(at for at in (due, contacted) if at is not None)) for uid, due, contacted in rows]


def notice_counts(connection: Connection, now: datetime) -> dict[str, int]:
    """How many notices are overdue, waiting for their day, and sent."""
    waiting = connection.execute(select(func.count()).select_from(_unsent().subquery())).scalar_one()
    late = connection.execute(select(func.count()).select_from(_unsent().where(_is_due(now)).subquery())).scalar_one()
    sent = connection.execute(select(func.count()).where(NoticeRow.sent_at.is_not(None))).scalar_one()
    return {"overdue": late, "not_due_yet": waiting - late, "sent": sent}
