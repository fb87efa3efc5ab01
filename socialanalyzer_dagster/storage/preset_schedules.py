"""The schedules of saved searches, and up to when each was acted on (spec 3.4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from socialanalyzer_dagster.storage.database import insert_or_update, table_of
from socialanalyzer_dagster.storage.models_leads import PresetScheduleRow

_TABLE = table_of(PresetScheduleRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetSchedule:
    """When a saved search runs by itself; nothing up to `seen_until` is due any more."""

    preset_id: str
    cron: str
    set_by: str
    set_at: datetime
    seen_until: datetime


_COLUMNS = PresetSchedule.__slots__


def put_schedule(connection: Connection, schedule: PresetSchedule) -> None:
    """Give a saved search a schedule, in place of the one it has."""
    row = {name: getattr(schedule, name) for name in _COLUMNS}
    put = insert_or_update(connection, PresetScheduleRow, keys=("preset_id",), changed=_COLUMNS[1:])
    connection.execute(put, [row])


def drop_schedule(connection: Connection, preset_id: str) -> bool:
    """Let a saved search run by itself no more; False when it did not."""
    return connection.execute(delete(_TABLE).where(_TABLE.c.preset_id == preset_id)).rowcount == 1


def schedules(connection: Connection) -> Mapping[str, PresetSchedule]:
    """Every schedule by its saved search."""
    rows = connection.execute(select(_TABLE)).mappings()
    return {row["preset_id"]: PresetSchedule(**row) for row in rows}


def advance(connection: Connection, schedule: PresetSchedule, until: datetime) -> bool:
    """Say once that what was due up to an instant is acted on; False when somebody else did, or changed it."""
    as_read = (
        _TABLE.c.preset_id == schedule.preset_id,
        _TABLE.c.cron == schedule.cron,
        _TABLE.c.seen_until == schedule.seen_until,
    )
    return connection.execute(update(_TABLE).where(*as_read).values(seen_until=until)).rowcount == 1
