"""Tables that all processes share about vendors: limits, breakers, what calls were like; and the log (spec 13, 18)."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from socialanalyzer_dagster.storage.columns import Base, Digest, JsonColumn, Label, LongText, Short, Uid


class LimiterRow(Base):
    """What is known of a bucket's windows (`rate:<bucket>`) or of its places for open calls (`slots:<bucket>`)."""

    __tablename__ = "limiters"

    name: Mapped[Label] = mapped_column(primary_key=True)
    state: Mapped[dict[str, Any]] = mapped_column(JsonColumn)


class BreakerStateRow(Base):
    """The circuit breaker of one vendor, changed by compare-and-set on its version (I-44)."""

    __tablename__ = "breaker_states"

    service: Mapped[Short] = mapped_column(primary_key=True)
    version: Mapped[int]
    state: Mapped[Short]
    document: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    changed_at: Mapped[datetime]


class ServiceHealthRow(Base):
    """The calls of one vendor in one minute: how many, how they ended and how long they took, never what they said."""

    __tablename__ = "service_health"

    service: Mapped[Short] = mapped_column(primary_key=True)
    minute: Mapped[datetime] = mapped_column(primary_key=True)
    figures: Mapped[dict[str, Any]] = mapped_column(JsonColumn)


class LogEntryRow(Base):
    """A warning or an error of a batch: our own words, codes and ids, never a text from outside (I-68)."""

    __tablename__ = "log_entries"
    __table_args__ = (Index("ix_log_entries_batch_id_level", "batch_id", "level"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    batch_id: Mapped[Uid] = mapped_column(ForeignKey("lead_batches.batch_id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(index=True)
    level: Mapped[Short]
    logger: Mapped[Label]
    message: Mapped[LongText]
    exception: Mapped[Label | None]
    run_id: Mapped[Label | None]
    attempt: Mapped[int | None]
    stage: Mapped[Short | None]
    platform: Mapped[Short | None]
    step: Mapped[Short | None]
    provider: Mapped[Short | None]
    lead_uid: Mapped[Uid | None]
    attempt_key: Mapped[Digest | None]
