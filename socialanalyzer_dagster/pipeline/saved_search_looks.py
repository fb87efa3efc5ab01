"""When the saved searches are looked at again: once after every run of a search."""

from dataclasses import dataclass
from datetime import datetime

from socialanalyzer_dagster.storage import searches
from socialanalyzer_dagster.storage.database import Database


@dataclass(frozen=True, slots=True)
class NewestRun:
    """The run of a search that was recorded last."""

    number: int
    ran_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Whether to look: the run's key and the next cursor, or in words why not."""

    run_key: str | None
    cursor: str | None
    reason: str


def newest_run(database: Database) -> NewestRun | None:
    """None while no search has ever run."""
    with database.read() as connection:
        found = searches.newest_history(connection)
    return None if found is None else NewestRun(*found)


def decide_look(cursor: str | None, newest: NewestRun | None) -> Look:
    """Pure: the cursor is the number of the newest run looked at; one that is no number counts as none."""
    if newest is None:
        return Look(run_key=None, cursor=cursor, reason="No search has run yet.")
    seen = int(cursor) if cursor is not None and cursor.isdigit() else 0
    if newest.number <= seen:
        reason = f"No search has run since {newest.ran_at:%Y-%m-%d %H:%M} UTC, and that run was looked at."
        return Look(run_key=None, cursor=cursor, reason=reason)
    reason = f"A search ran at {newest.ran_at:%Y-%m-%d %H:%M} UTC."
    return Look(run_key=f"searches:{newest.number}", cursor=str(newest.number), reason=reason)
