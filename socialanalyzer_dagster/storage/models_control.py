"""Tables of money, policies, approvals, sales representatives and people's data (spec 18)."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from socialanalyzer_dagster.storage.columns import Base, Digest, JsonColumn, Label, LongText, Short, Uid


class ProviderAttemptRow(Base):
    """One sending of a call with its money: reserved -> settled | released | unknown (spec 12.4).

    `fingerprint` is the request without lead or batch; it finds answers to reuse across batches. `call_key` names the
    call for its lead or batch; its sendings are numbered by `issue`. Batch and stage are null for a call of no batch.
    """

    __tablename__ = "provider_attempts"
    __table_args__ = (
        Index("ix_provider_attempts_fingerprint_state", "fingerprint", "state"),
        Index("ix_provider_attempts_batch_id_stage_state", "batch_id", "stage", "state"),
    )

    attempt_key: Mapped[Digest] = mapped_column(primary_key=True)
    call_key: Mapped[Digest]
    fingerprint: Mapped[Digest]
    provider: Mapped[Short]
    operation: Mapped[Short]
    batch_id: Mapped[Uid | None]
    platform: Mapped[Short]
    stage: Mapped[Short | None]
    step: Mapped[Short]
    policy_version: Mapped[Short]
    leads: Mapped[list[str]] = mapped_column(JsonColumn)
    scopes: Mapped[list[str]] = mapped_column(JsonColumn)
    state: Mapped[Short]
    issue: Mapped[int]
    reserved_micros: Mapped[int] = mapped_column(BigInteger)
    settled_micros: Mapped[int] = mapped_column(BigInteger)
    error_code: Mapped[Label | None]
    owner: Mapped[Uid]
    reserved_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    latency_milliseconds: Mapped[int | None]


class ProviderAnswerRow(Base):
    """The stored answer of a settled attempt: what a replay returns at $0."""

    __tablename__ = "provider_answers"

    attempt_key: Mapped[Digest] = mapped_column(
        ForeignKey("provider_attempts.attempt_key", ondelete="CASCADE"), primary_key=True
    )
    body: Mapped[bytes] = mapped_column(LargeBinary)
    answered_at: Mapped[datetime] = mapped_column(index=True)
    reduced_at: Mapped[datetime | None]
    """Since when the body holds only what a repeat is answered from (spec 19.5)."""


class VendorJobRow(Base):
    """A paid asynchronous job, stored before it is bought; a resume replays this row (spec 8.1, I-25)."""

    __tablename__ = "vendor_jobs"
    __table_args__ = (
        UniqueConstraint("provider", "job_id"),
        Index("ix_vendor_jobs_batch_id_state", "batch_id", "state"),
    )

    attempt_key: Mapped[Digest] = mapped_column(
        ForeignKey("provider_attempts.attempt_key", ondelete="CASCADE"), primary_key=True
    )
    provider: Mapped[Short]
    operation: Mapped[Short]
    job_id: Mapped[Label | None]
    dataset_id: Mapped[Label | None]
    batch_id: Mapped[Uid] = mapped_column(ForeignKey("lead_batches.batch_id", ondelete="CASCADE"))
    stage: Mapped[Short]
    step: Mapped[Short]
    leads: Mapped[list[str]] = mapped_column(JsonColumn)
    request: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    state: Mapped[Short]
    next_offset: Mapped[int | None]
    created_at: Mapped[datetime]
    polled_at: Mapped[datetime | None]


class VendorJobPageRow(Base):
    """One page of a job's items, stored as it was read."""

    __tablename__ = "vendor_job_pages"

    attempt_key: Mapped[Digest] = mapped_column(
        ForeignKey("vendor_jobs.attempt_key", ondelete="CASCADE"), primary_key=True
    )
    offset: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)


class LedgerEntryRow(Base):
    """Append-only money row of a lead, a batch or neither: settled, unknown, resolved, correction or reuse."""

    __tablename__ = "ledger_entries"
    __table_args__ = (
        Index("ix_ledger_entries_batch_costs", "batch_id", "stage", "amount_micros"),
        Index("ix_ledger_entries_day_costs", "platform", "at", "amount_micros"),
        Index("ix_ledger_entries_lead_uid", "lead_uid"),
        Index("ix_ledger_entries_attempt_key", "attempt_key"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    lead_uid: Mapped[Uid | None]
    batch_id: Mapped[Uid | None]
    platform: Mapped[Short]
    stage: Mapped[Short | None]
    step: Mapped[Short]
    provider: Mapped[Short]
    operation: Mapped[Short]
    attempt_key: Mapped[Digest]
    kind: Mapped[Short]
    amount_micros: Mapped[int] = mapped_column(BigInteger)
    saved_micros: Mapped[int] = mapped_column(BigInteger)
    policy_version: Mapped[Short]


class BudgetScopeRow(Base):
    """A spending cap: settled + held + unknown <= cap at every instant (I-20). `scope` is e.g. `day:2026-11-20`."""

    __tablename__ = "budget_scopes"

    scope: Mapped[Label] = mapped_column(primary_key=True)
    cap_micros: Mapped[int] = mapped_column(BigInteger)
    settled_micros: Mapped[int] = mapped_column(BigInteger)
    held_micros: Mapped[int] = mapped_column(BigInteger)
    unknown_micros: Mapped[int] = mapped_column(BigInteger)
    warned_at: Mapped[datetime | None]


class PolicyRow(Base):
    """One stored version of the policy document; exactly one is active."""

    __tablename__ = "policies"
    __table_args__ = (
        Index(
            "uq_policies_active", "is_active", unique=True,
            sqlite_where=text("is_active"), postgresql_where=text("is_active"),
        ),
    )  # fmt: skip

    policy_hash: Mapped[Digest] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(unique=True)
    policy_version: Mapped[Short]
    document: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    author: Mapped[Label]
    note: Mapped[LongText]
    diff: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    created_at: Mapped[datetime]
    is_active: Mapped[bool]


class GateRow(Base):
    """A person's decision about one subject of one batch (spec 15.2); `subject` holds the figures that were shown."""

    __tablename__ = "gates"
    __table_args__ = (UniqueConstraint("batch_id", "stage", "subject_hash"),)

    gate_id: Mapped[Uid] = mapped_column(primary_key=True)
    batch_id: Mapped[Uid] = mapped_column(ForeignKey("lead_batches.batch_id", ondelete="CASCADE"))
    stage: Mapped[Short]
    subject_hash: Mapped[Digest]
    state: Mapped[Short]
    requested_at: Mapped[datetime]
    decided_by: Mapped[Label | None]
    decided_at: Mapped[datetime | None]
    comment: Mapped[LongText | None]
    subject: Mapped[dict[str, Any] | None] = mapped_column(JsonColumn)


class BdrRow(Base):
    """A sales representative of the roster; the roster itself lives outside the repository."""

    __tablename__ = "bdrs"

    name: Mapped[Label] = mapped_column(primary_key=True)
    owner_id: Mapped[Label]
    is_active: Mapped[bool]
    position: Mapped[int]


class BdrEpochRow(Base):
    """A period with one set of active BDRs; counting starts again at 0 with each (spec 11.5)."""

    __tablename__ = "bdr_epochs"

    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    active_names: Mapped[list[str]] = mapped_column(JsonColumn)
    started_at: Mapped[datetime]


class BdrCounterRow(Base):
    """Leads dealt to a BDR in one roster epoch and tier (spec 11.5)."""

    __tablename__ = "bdr_counters"

    epoch: Mapped[int] = mapped_column(primary_key=True)
    tier: Mapped[Short] = mapped_column(primary_key=True)
    bdr: Mapped[Label] = mapped_column(primary_key=True)
    dealt: Mapped[int]


class AssignmentRow(Base):
    """The BDR of a lead, dealt once."""

    __tablename__ = "assignments"

    lead_uid: Mapped[Uid] = mapped_column(ForeignKey("leads.lead_uid", ondelete="CASCADE"), primary_key=True)
    bdr: Mapped[Label]
    tier: Mapped[Short]
    epoch: Mapped[int]
    plan_id: Mapped[Uid] = mapped_column(index=True)
    assigned_at: Mapped[datetime]


class SuppressionRow(Base):
    """A person who must not be processed, as keyed hash only (spec 19.2)."""

    __tablename__ = "suppressions"

    kind: Mapped[Short] = mapped_column(primary_key=True)
    keyed_hash: Mapped[Digest] = mapped_column(primary_key=True)
    reason: Mapped[LongText]
    source: Mapped[Label]
    added_at: Mapped[datetime]


class AuditEntryRow(Base):
    """Append-only: who did what to which subject, when."""

    __tablename__ = "audit_entries"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    actor: Mapped[Label]
    action: Mapped[Short]
    subject: Mapped[Label]
    detail: Mapped[dict[str, Any]] = mapped_column(JsonColumn)


class InstallSettingRow(Base):
    """Values kept once per installation: the revision of the suppression list."""

    __tablename__ = "install_settings"

    name: Mapped[Short] = mapped_column(primary_key=True)
    value: Mapped[LongText]
