"""Tables of what was found out about leads: outcomes, steps, evidence, scores and contacts (spec 18)."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from socialanalyzer_dagster.storage.columns import Base, Digest, JsonColumn, LongText, Short, Uid


class StageOutcomeRow(Base):
    """Result of one lead at one stage in one attempt; exactly one is current (spec 2.2)."""

    __tablename__ = "stage_outcomes"
    __table_args__ = (
        UniqueConstraint("batch_id", "lead_uid", "stage", "attempt"),
        Index(
            "uq_stage_outcomes_current", "batch_id", "lead_uid", "stage", unique=True,
            sqlite_where=text("is_current"), postgresql_where=text("is_current"),
        ),
        Index("ix_stage_outcomes_counts", "batch_id", "stage", "result", "is_current"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    batch_id: Mapped[Uid] = mapped_column(ForeignKey("lead_batches.batch_id", ondelete="CASCADE"))
    lead_uid: Mapped[Uid] = mapped_column(ForeignKey("leads.lead_uid", ondelete="CASCADE"), index=True)
    stage: Mapped[Short]
    attempt: Mapped[int]
    is_current: Mapped[bool]
    result: Mapped[Short]
    code: Mapped[Short | None]
    retryable: Mapped[bool]
    detail: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    evidence_ids: Mapped[list[str]] = mapped_column(JsonColumn)
    cost_micros: Mapped[int] = mapped_column(BigInteger)
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime]
    policy_version: Mapped[Short]
    code_version: Mapped[Short]


class StepResultRow(Base):
    """How one step inside a stage ended for one lead (I-56)."""

    __tablename__ = "step_results"

    batch_id: Mapped[Uid] = mapped_column(ForeignKey("lead_batches.batch_id", ondelete="CASCADE"), primary_key=True)
    lead_uid: Mapped[Uid] = mapped_column(
        ForeignKey("leads.lead_uid", ondelete="CASCADE"), primary_key=True, index=True
    )
    step: Mapped[Short] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    stage: Mapped[Short]
    state: Mapped[Short]
    detail: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    candidates: Mapped[list[dict[str, Any]]] = mapped_column(JsonColumn)
    evidence_ids: Mapped[list[str]] = mapped_column(JsonColumn)
    finished_at: Mapped[datetime]


class EvidenceRow(Base):
    """What was seen, immutable and content-addressed; belongs to exactly one lead (I-2)."""

    __tablename__ = "evidence"

    evidence_id: Mapped[Uid] = mapped_column(primary_key=True)
    lead_uid: Mapped[Uid] = mapped_column(ForeignKey("leads.lead_uid", ondelete="CASCADE"), index=True)
    kind: Mapped[Short]
    content_hash: Mapped[Digest]
    body: Mapped[Any] = mapped_column(JsonColumn)
    source_url: Mapped[LongText | None]
    provider: Mapped[Short | None]
    model: Mapped[Short | None]
    prompt_version: Mapped[Short | None]
    fetched_at: Mapped[datetime]


class ScoreRow(Base):
    """A score under one policy; `kind` is live or rescored, or reduced to its tier (spec 10.5, 19.5)."""

    __tablename__ = "scores"
    __table_args__ = (Index("ix_scores_batch_id_kind", "batch_id", "kind"),)

    lead_uid: Mapped[Uid] = mapped_column(ForeignKey("leads.lead_uid", ondelete="CASCADE"), primary_key=True)
    batch_id: Mapped[Uid] = mapped_column(ForeignKey("lead_batches.batch_id", ondelete="CASCADE"), primary_key=True)
    policy_hash: Mapped[Digest] = mapped_column(primary_key=True)
    kind: Mapped[Short]
    lead_score: Mapped[Short]
    base: Mapped[Short]
    tier: Mapped[Short | None]
    record: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    scored_at: Mapped[datetime]


class ContactCandidateRow(Base):
    """One possible value of a contact field with its provenance; all stay stored (spec 8.4)."""

    __tablename__ = "contact_candidates"
    __table_args__ = (UniqueConstraint("lead_uid", "field", "canonical", "source_hash"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    lead_uid: Mapped[Uid] = mapped_column(ForeignKey("leads.lead_uid", ondelete="CASCADE"))
    field: Mapped[Short]
    value: Mapped[LongText]
    canonical: Mapped[LongText]
    source_hash: Mapped[Digest]
    kind: Mapped[Short]
    step: Mapped[Short]
    provider: Mapped[Short]
    source_url: Mapped[LongText | None]
    evidence_id: Mapped[Uid | None]
    fetched_at: Mapped[datetime]


class ContactValueRow(Base):
    """The chosen value of a contact field with the provenance of its candidate."""

    __tablename__ = "contact_values"

    lead_uid: Mapped[Uid] = mapped_column(ForeignKey("leads.lead_uid", ondelete="CASCADE"), primary_key=True)
    field: Mapped[Short] = mapped_column(primary_key=True)
    value: Mapped[LongText]
    kind: Mapped[Short]
    step: Mapped[Short]
    provider: Mapped[Short]
    source_url: Mapped[LongText | None]
    evidence_id: Mapped[Uid | None]
    fetched_at: Mapped[datetime]


class EmailVerificationRow(Base):
    """What the verifier said about an address, by keyed hash."""

    __tablename__ = "email_verifications"

    email_hash: Mapped[Digest] = mapped_column(primary_key=True)
    verified_at: Mapped[datetime] = mapped_column(primary_key=True)
    status: Mapped[Short]
    quality: Mapped[Short | None]
    is_free: Mapped[bool | None]
    is_role: Mapped[bool | None]
