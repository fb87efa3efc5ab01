"""The table of messages to people: put there with what they are about, sent afterwards (spec 16, 18)."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from socialanalyzer_dagster.storage.columns import Base, JsonColumn, Label, Short, Uid


class OutboxRow(Base):
    """One event for one channel: written once per `dedup_key`, in the transaction of what happened.

    `facts` name no creator. `due_at` is when the message is sent next, or until when its present sender is waited for.
    """

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_state_due_at", "state", "due_at"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    dedup_key: Mapped[Label] = mapped_column(unique=True)
    kind: Mapped[Short]
    channel: Mapped[Short]
    batch_id: Mapped[Uid | None] = mapped_column(ForeignKey("lead_batches.batch_id", ondelete="CASCADE"), index=True)
    facts: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    created_at: Mapped[datetime] = mapped_column(index=True)
    due_at: Mapped[datetime]
    state: Mapped[Short]
    tries: Mapped[int]
    error_code: Mapped[Short | None]
    sent_at: Mapped[datetime | None]
