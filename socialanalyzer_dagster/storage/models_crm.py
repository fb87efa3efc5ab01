"""Tables of CRM plans, and of the contacts that leads are (spec 18)."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from socialanalyzer_dagster.storage.columns import Base, Digest, JsonColumn, Label, LongText, Short, Uid


class SyncPlanRow(Base):
    """The proposed CRM write of a batch; the approval approves its hash. Plans of a batch are numbered from 1.

    Nothing is written from a plan after `expires_at`, nor when other rules than those of `rules_hash` hold by then; a
    sync that the CRM put off goes on at `resume_at`.
    """

    __tablename__ = "sync_plans"
    __table_args__ = (UniqueConstraint("batch_id", "plan_hash"), UniqueConstraint("batch_id", "number"))

    plan_id: Mapped[Uid] = mapped_column(primary_key=True)
    batch_id: Mapped[Uid] = mapped_column(ForeignKey("lead_batches.batch_id", ondelete="CASCADE"))
    number: Mapped[int]
    plan_hash: Mapped[Digest]
    state: Mapped[Short]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(server_default=text("'1970-01-01 00:00:00'"))
    resume_at: Mapped[datetime | None]
    rules_hash: Mapped[Digest | None]


class SyncPlanLeadRow(Base):
    """One contact of a plan: action, field changes old -> new, and how the write ended.

    `tries` counts the attempts that got no answer; the next one is due at `next_try_at`. `undone` says what an undo
    did, `webhook` what the workflow answered.
    """

    __tablename__ = "sync_plan_rows"
    __table_args__ = (
        UniqueConstraint("plan_id", "lead_uid"),
        Index("ix_sync_plan_rows_next_try_at", "next_try_at"),
        Index("ix_sync_plan_rows_plan_id_state", "plan_id", "state"),
    )

    row_id: Mapped[Uid] = mapped_column(primary_key=True)
    plan_id: Mapped[Uid] = mapped_column(ForeignKey("sync_plans.plan_id", ondelete="CASCADE"))
    lead_uid: Mapped[Uid] = mapped_column(ForeignKey("leads.lead_uid", ondelete="CASCADE"), index=True)
    action: Mapped[Short]
    reason: Mapped[Short | None]
    changes: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    crm_object_id: Mapped[Label | None]
    tier: Mapped[Short | None]
    bdr: Mapped[Label | None]
    notes: Mapped[list[str]] = mapped_column(JsonColumn)
    state: Mapped[Short]
    error: Mapped[LongText | None]
    tries: Mapped[int] = mapped_column(server_default=text("0"))
    next_try_at: Mapped[datetime | None]
    undone: Mapped[dict[str, Any] | None] = mapped_column(JsonColumn)
    webhook: Mapped[Short | None]


class CrmLinkRow(Base):
    """Which CRM contact is which lead, what we last wrote there, its earlier ids, and what belongs to others since."""

    __tablename__ = "crm_links"

    lead_uid: Mapped[Uid] = mapped_column(ForeignKey("leads.lead_uid", ondelete="CASCADE"), primary_key=True)
    crm_object_id: Mapped[Label] = mapped_column(unique=True)
    written: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    aliases: Mapped[list[str]] = mapped_column(JsonColumn, server_default=text("'[]'"))
    released: Mapped[list[str]] = mapped_column(JsonColumn, server_default=text("'[]'"))
    written_at: Mapped[datetime]


class CrmStandingRow(Base):
    """What the CRM said last about the contact of a lead (spec 11.7)."""

    __tablename__ = "crm_standings"

    lead_uid: Mapped[Uid] = mapped_column(ForeignKey("leads.lead_uid", ondelete="CASCADE"), primary_key=True)
    owner_id: Mapped[Label | None]
    outcome: Mapped[Short | None] = mapped_column(index=True)
    opted_out: Mapped[bool]
    deleted: Mapped[bool]
    read_at: Mapped[datetime]


class TierOverrideRow(Base):
    """The tier a person gave a lead, beside its scores and never in them (spec 10.5)."""

    __tablename__ = "tier_overrides"

    lead_uid: Mapped[Uid] = mapped_column(ForeignKey("leads.lead_uid", ondelete="CASCADE"), primary_key=True)
    tier: Mapped[Short]
    reason: Mapped[LongText]
    decided_by: Mapped[Label]
    decided_at: Mapped[datetime]
