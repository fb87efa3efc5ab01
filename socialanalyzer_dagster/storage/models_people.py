"""Tables of people's rights: requests with their receipts, and notices to those whose data is kept (spec 18, 19)."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from socialanalyzer_dagster.storage.columns import Base, Digest, JsonColumn, Label, Short, Uid


class PrivacyRequestRow(Base):
    """One export or erasure with its receipt; the person stands here as keyed hash and lead uids only (spec 19.4)."""

    __tablename__ = "privacy_requests"
    __table_args__ = (
        Index("ix_privacy_requests_keyed_hash", "keyed_hash"),
        Index("ix_privacy_requests_state", "state"),
    )

    request_id: Mapped[Uid] = mapped_column(primary_key=True)
    kind: Mapped[Short]
    state: Mapped[Short]
    identifier_kind: Mapped[Short]
    keyed_hash: Mapped[Digest]
    leads: Mapped[list[str]] = mapped_column(JsonColumn)
    requested_by: Mapped[Label]
    requested_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    receipt: Mapped[dict[str, Any]] = mapped_column(JsonColumn)


class NoticeRow(Base):
    """When a person was first written to, and when they were told where their data comes from (spec 19.1)."""

    __tablename__ = "notices"

    lead_uid: Mapped[Uid] = mapped_column(ForeignKey("leads.lead_uid", ondelete="CASCADE"), primary_key=True)
    contacted_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    recorded_by: Mapped[Label]
    recorded_at: Mapped[datetime]
