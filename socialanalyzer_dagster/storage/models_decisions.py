"""The tables of what was decided without a person, and of what each day brought (spec 14.3, 15.3, 18)."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, Date, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from socialanalyzer_dagster.storage.columns import Base, JsonColumn, Label, LongText, Short, Uid


class DecisionRow(Base):
    """One automatic choice, written before it acts and never changed but for its result, which is set once.

    `lineage` is the first batch of a chain of parents and children, `condition` what was observed, `actor` a rule or
    planner with the policy version, or a person.
    """

    __tablename__ = "decisions"
    __table_args__ = (
        Index("ix_decisions_kind_platform_day", "kind", "platform", "day"),
        Index("ix_decisions_kind_result", "kind", "result"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    dedup_key: Mapped[Label] = mapped_column(unique=True)
    at: Mapped[datetime] = mapped_column(index=True)
    kind: Mapped[Short]
    actor: Mapped[Label]
    platform: Mapped[Short | None]
    day: Mapped[date | None] = mapped_column(Date())
    lineage: Mapped[Uid | None] = mapped_column(index=True)
    batch_id: Mapped[Uid | None] = mapped_column(ForeignKey("lead_batches.batch_id", ondelete="CASCADE"), index=True)
    stage: Mapped[Short | None]
    subject: Mapped[Label]
    condition: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    alternatives: Mapped[list[Any]] = mapped_column(JsonColumn)
    action: Mapped[Short]
    parameters: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    reason: Mapped[LongText]
    expected_micros: Mapped[int | None] = mapped_column(BigInteger)
    actual_micros: Mapped[int | None] = mapped_column(BigInteger)
    result: Mapped[Short | None]
    result_detail: Mapped[dict[str, Any] | None] = mapped_column(JsonColumn)
    result_at: Mapped[datetime | None]


class MetricSnapshotRow(Base):
    """The figures of one UTC day on one platform, as its report counted them last."""

    __tablename__ = "metric_snapshots"

    day: Mapped[date] = mapped_column(Date(), primary_key=True)
    platform: Mapped[Short] = mapped_column(primary_key=True)
    figures: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    at: Mapped[datetime]
