"""One row per vendor and minute with the figures of its calls, kept for a day (spec 13.3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from sqlalchemy import Connection, delete, select, update

from socialanalyzer_dagster.domain.call_figures import CallFigures
from socialanalyzer_dagster.storage.database import upsert
from socialanalyzer_dagster.storage.models_health import ServiceHealthRow
from socialanalyzer_dagster.storage.writes import Results, Write

_KEPT = timedelta(hours=25)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddFigures(Write[None]):
    """What the calls of one process to one vendor were like in one minute."""

    turn: ClassVar[int] = 6

    service: str
    minute: datetime
    figures: CallFigures

    @classmethod
    def apply(cls, connection: Connection, writes: Sequence["AddFigures"]) -> Results:
        """Add to what other processes wrote, and forget what is older than a day."""
        for write in sorted(writes, key=lambda each: (each.service, each.minute)):
            _add(connection, write)
        oldest = min(write.minute for write in writes) - _KEPT
        services = sorted({write.service for write in writes})
        connection.execute(
            delete(ServiceHealthRow).where(ServiceHealthRow.service.in_(services), ServiceHealthRow.minute < oldest)
        )
        return [None] * len(writes)


def _add(connection: Connection, write: AddFigures) -> None:
    key = {"service": write.service, "minute": write.minute}
    fresh = upsert(connection, ServiceHealthRow).values(**key, figures=write.figures.as_json())
    if connection.execute(fresh.on_conflict_do_nothing()).rowcount == 1:
        return
    of_key = (ServiceHealthRow.service == write.service, ServiceHealthRow.minute == write.minute)
    stored = connection.execute(select(ServiceHealthRow.figures).where(*of_key).with_for_update()).scalar_one()
    figures = CallFigures.from_json(stored)
    figures.add(write.figures)
    connection.execute(update(ServiceHealthRow).where(*of_key).values(figures=figures.as_json()))


def figures_since(connection: Connection, since: datetime) -> Mapping[str, CallFigures]:
    """The figures of every vendor that was called since."""
    rows = connection.execute(
        select(ServiceHealthRow.service, ServiceHealthRow.figures).where(ServiceHealthRow.minute >= since)
    )
    found: dict[str, CallFigures] = {}
    for service, stored in rows:
        found.setdefault(service, CallFigures()).add(CallFigures.from_json(stored))
    return found
