"""Tables of leads, searches, batches and found items (spec 18)."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, Date, ForeignKey, Index, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from socialanalyzer_dagster.storage.columns import Base, Digest, JsonColumn, Label, LongText, Short, Uid


class LeadRow(Base):
    """One creator account on one platform; `record` is the canonical lead record."""

    __tablename__ = "leads"
    __table_args__ = (
        UniqueConstraint("platform", "platform_id"),
        Index("ix_leads_platform_handle", "platform", "handle"),
    )

    lead_uid: Mapped[Uid] = mapped_column(primary_key=True)
    platform: Mapped[Short]
    platform_id: Mapped[Label]
    handle: Mapped[Label]
    record: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    email_hash: Mapped[Digest | None] = mapped_column(index=True)
    email_status: Mapped[Short | None]
    collected_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    lawful_basis: Mapped[Label | None]
    subscriber_kind: Mapped[Short] = mapped_column(server_default="unknown")
    notice_due_at: Mapped[datetime | None]
    reduced_at: Mapped[datetime | None] = mapped_column(index=True)
    """Since when the row holds a keyed identity hash and nothing else about the person (spec 19.5)."""
    erased_at: Mapped[datetime | None]
    """Since when the person is erased: nothing about this lead may be stored again."""
    suppressed_at: Mapped[datetime | None]
    """When the daily re-check found the person on the suppression list."""


class LeadAliasRow(Base):
    """Other ids of the same account."""

    __tablename__ = "lead_aliases"

    platform: Mapped[Short] = mapped_column(primary_key=True)
    alias: Mapped[Label] = mapped_column(primary_key=True)
    lead_uid: Mapped[Uid] = mapped_column(ForeignKey("leads.lead_uid", ondelete="CASCADE"), index=True)


class LeadClaimRow(Base):
    """The one batch that works on a lead now (spec 6.6)."""

    __tablename__ = "lead_claims"

    lead_uid: Mapped[Uid] = mapped_column(primary_key=True)
    batch_id: Mapped[Uid] = mapped_column(ForeignKey("lead_batches.batch_id", ondelete="CASCADE"), index=True)
    claimed_at: Mapped[datetime]


class SearchRow(Base):
    """One distinct search: platform and normalised filters, or a creator list."""

    __tablename__ = "searches"

    fingerprint: Mapped[Short] = mapped_column(primary_key=True)
    platform: Mapped[Short]
    kind: Mapped[Short]
    filters: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    created_at: Mapped[datetime]


class ListRowRow(Base):
    """One row of a creator list, usable or not, with its line in the file."""

    __tablename__ = "list_rows"

    fingerprint: Mapped[Short] = mapped_column(ForeignKey("searches.fingerprint", ondelete="CASCADE"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    row: Mapped[dict[str, Any]] = mapped_column(JsonColumn)


class PresetRow(Base):
    """A named, saved search form."""

    __tablename__ = "presets"
    __table_args__ = (UniqueConstraint("platform", "lower_name"),)

    preset_id: Mapped[Uid] = mapped_column(primary_key=True)
    platform: Mapped[Short]
    name: Mapped[Label]
    lower_name: Mapped[Label]
    slug: Mapped[Short]
    filters: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    note: Mapped[LongText | None]
    created_by: Mapped[Label]
    version: Mapped[int]
    updated_at: Mapped[datetime]


class PresetScheduleRow(Base):
    """When a saved search runs by itself; instants up to `seen_until` have been acted on, or lie before it was set."""

    __tablename__ = "preset_schedules"

    preset_id: Mapped[Uid] = mapped_column(ForeignKey("presets.preset_id", ondelete="CASCADE"), primary_key=True)
    cron: Mapped[Short]
    set_by: Mapped[Label]
    set_at: Mapped[datetime]
    seen_until: Mapped[datetime]


class FilterHistoryRow(Base):
    """Novelty of one run of a search (spec 5.7); partial rows never decide staleness."""

    __tablename__ = "filter_history"
    __table_args__ = (Index("ix_filter_history_fingerprint_ran_at", "fingerprint", "ran_at"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    fingerprint: Mapped[Short]
    batch_id: Mapped[Uid] = mapped_column(ForeignKey("lead_batches.batch_id", ondelete="CASCADE"), unique=True)
    total_found: Mapped[int]
    new_found: Mapped[int]
    novelty_rate: Mapped[Short | None]
    partial: Mapped[bool]
    ran_at: Mapped[datetime]


class LeadBatchRow(Base):
    """One execution of one search on one platform: one dynamic partition; changes are compare-and-set on `version`."""

    __tablename__ = "lead_batches"
    __table_args__ = (
        Index("ix_lead_batches_platform_status", "platform", "status"),
        Index("ix_lead_batches_search_fingerprint", "search_fingerprint"),
    )

    batch_id: Mapped[Uid] = mapped_column(primary_key=True)
    partition_key: Mapped[Label] = mapped_column(unique=True)
    idempotency_key: Mapped[Label] = mapped_column(unique=True)
    idempotency_hash: Mapped[Digest]
    platform: Mapped[Short]
    day: Mapped[date] = mapped_column(Date())
    search_fingerprint: Mapped[Short] = mapped_column(ForeignKey("searches.fingerprint"))
    preset_id: Mapped[Uid | None]
    parent_batch_id: Mapped[Uid | None] = mapped_column(index=True)
    note: Mapped[LongText | None]
    filters: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    bdr_names: Mapped[list[str]] = mapped_column(JsonColumn)
    max_leads: Mapped[int]
    canary: Mapped[int | None]
    tier_floor: Mapped[Short | None]
    """The lowest tier that a person lets into the CRM; null for all of them (spec 15.2)."""
    plan_only: Mapped[bool] = mapped_column(server_default=false())
    """Its plan was rejected with changes: the next run makes it again and attempts nothing else (spec 15.2)."""
    cap_micros: Mapped[int] = mapped_column(BigInteger)
    stop_at_cap: Mapped[bool]
    estimate: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    estimate_micros: Mapped[int] = mapped_column(BigInteger)
    worst_case_micros: Mapped[int] = mapped_column(BigInteger)
    force_reason: Mapped[LongText | None]
    policy_hash: Mapped[Digest] = mapped_column(ForeignKey("policies.policy_hash"), index=True)
    policy_version: Mapped[Short]
    mode: Mapped[Short]
    status: Mapped[Short]
    version: Mapped[int]
    attempt: Mapped[int]
    interruptions: Mapped[int]
    stop_requested: Mapped[bool]
    cause: Mapped[LongText | None]
    capped: Mapped[bool]
    reused_micros: Mapped[int] = mapped_column(BigInteger)
    run_id: Mapped[Label | None]
    halted_run_id: Mapped[Label | None]
    holder: Mapped[dict[str, Any] | None] = mapped_column(JsonColumn)
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime | None]
    summary: Mapped[LongText | None]
    polished_summary: Mapped[dict[str, Any] | None] = mapped_column(JsonColumn)
    waits_for: Mapped[Short | None]
    waits_until: Mapped[datetime | None]


class BatchStageRow(Base):
    """Progress counters of one stage of a batch: increments, never a rewritten document (I-52)."""

    __tablename__ = "batch_stages"

    batch_id: Mapped[Uid] = mapped_column(ForeignKey("lead_batches.batch_id", ondelete="CASCADE"), primary_key=True)
    stage: Mapped[Short] = mapped_column(primary_key=True)
    total: Mapped[int]
    done: Mapped[int]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None] = mapped_column(index=True)
    busy_milliseconds: Mapped[int] = mapped_column(BigInteger)


class FoundItemRow(Base):
    """One raw discovery result and what became of it; a suppressed person leaves a keyed hash only."""

    __tablename__ = "found_items"

    batch_id: Mapped[Uid] = mapped_column(ForeignKey("lead_batches.batch_id", ondelete="CASCADE"), primary_key=True)
    item_no: Mapped[int] = mapped_column(primary_key=True)
    result: Mapped[Short]
    lead_uid: Mapped[Uid | None] = mapped_column(index=True)
    identity_hash: Mapped[Digest | None]
    problem: Mapped[LongText | None]
    raw: Mapped[Any] = mapped_column(JsonColumn, nullable=True)


class BatchLeadRow(Base):
    """A lead of a batch and its place in provider order."""

    __tablename__ = "batch_leads"
    __table_args__ = (Index("ix_batch_leads_batch_id_position", "batch_id", "position", unique=True),)

    batch_id: Mapped[Uid] = mapped_column(ForeignKey("lead_batches.batch_id", ondelete="CASCADE"), primary_key=True)
    lead_uid: Mapped[Uid] = mapped_column(
        ForeignKey("leads.lead_uid", ondelete="CASCADE"), primary_key=True, index=True
    )
    position: Mapped[int]
