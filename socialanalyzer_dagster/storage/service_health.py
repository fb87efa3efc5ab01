"""One row per vendor and minute with the figures of its calls, kept for a day (spec 13.3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from sqlalchemy import Connection, bindparam, delete, select, update

from socialanalyzer_dagster.domain.call_figures import CallFigures
from socialanalyzer_dagster.storage.database import insert_new
from socialanalyzer_dagster.storage.models_health import ServiceHealthRow
from socialanalyzer_dagster.storage.writes import Results, Write

_KEPT = timedelta(hours=25)
_OF_KEY = (
    ServiceHealthRow.service == bindparam("of_service"),
    ServiceHealthRow.minute == bindparam("of_minute"),
)
_FIGURES = select(ServiceHealthRow.figures).where(*_OF_KEY).with_for_update()
_CHANGE = update(ServiceHealthRow).where(*_OF_KEY)
_FORGET = delete(ServiceHealthRow).where(
    ServiceHealthRow.service.in_(bindparam("services", expanding=True)), ServiceHealthRow.minute < bindparam("oldest")
)


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
        connection.execute(_FORGET, {"services": services, "oldest": oldest})
        return [None] * len(writes)


def _add(connection: Connection, write: AddFigures) -> None:
    fresh = {"service": write.service, "minute": write.minute, "figures": write.figures.as_json()}
    if connection.execute(insert_new(connection, ServiceHealthRow), fresh).rowcount == 1:
        return
    key = {"of_service": write.service, "of_minute": write.minute}
    figures = CallFigures.from_json(connection.execute(_FIGURES, key).scalar_one())
    figures.add(write.figures)
    connection.execute(_CHANGE, {**key, "figures": figures.as_json()})


def figures_since(connection: Connection, since: datetime) -> Mapping[str, CallFigures]:
    """The figures of every vendor that was called since."""
    rows = connection.execute(
        select(ServiceHealthRow.service, ServiceHealthRow.figures).where(ServiceHealthRow.minute >= since)
    )
    found: dict[str, CallFigures] = {}
    for service, stored in rows:
        found.setdefault(service, CallFigures()).add(CallFigures.from_json(stored))
    return found
