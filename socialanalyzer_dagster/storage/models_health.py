"""Tables that all processes share about vendors: limits, circuit breakers and what calls were like (spec 13, 18)."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from socialanalyzer_dagster.storage.columns import Base, JsonColumn, Label, Short


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
