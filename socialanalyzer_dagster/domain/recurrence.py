"""When a saved search with a schedule of its own is due, and why it does not run then: pure decisions (spec 3.4)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import cast
from zoneinfo import ZoneInfo

from croniter import CroniterError, croniter

from socialanalyzer_dagster.domain.money import usd_text
from socialanalyzer_dagster.domain.policy_metrics import RecurringPolicy
from socialanalyzer_dagster.domain.sentences import joined

LONGEST_CRON = 80
_FIELDS = 5
_EXAMPLE = "an example is '0 9 * * mon', 09:00 every Monday"
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WORDS = frozenset({"l", *_DAYS, *_MONTHS})
"""What may stand for numbers, and L for the last day; others ask croniter for something random."""
_YEARS = 8
"""A 29 February comes within so many."""
_LEAP = timedelta(hours=3)
"""No clock is put forward or back by more."""
_LOOKED_AT = 400
"""Times in a row among which two are too near: a year of a daily search."""


class BadCron(ValueError):
    """The text is no schedule that a search can have; it says why and what would be right."""


def checked_cron(text: str, policy: RecurringPolicy, now: datetime) -> str:
    """The schedule in its plain spelling: five fields, single spaces, lower case. Raises BadCron.

    Times nearer to each other than `recurring.shortest_hours`, on the team's clock, are refused.
    """
    cron = " ".join(text.lower().split())
    fields = cron.split()
    if len(fields) != _FIELDS or len(cron) > LONGEST_CRON:
        raise BadCron(f"a schedule has five fields: minute, hour, day, month, weekday; {_EXAMPLE}")
    if unknown := sorted(set(re.findall(r"[a-z]+", cron)) - _WORDS):
        raise BadCron(f"'{unknown[0]}' means nothing in a schedule; {_EXAMPLE}")
    try:
        times = list(islice(_times(cron, now.replace(tzinfo=None)), _LOOKED_AT))
    except CroniterError as error:
        raise BadCron(f"'{cron}' is no schedule: {error}; {_EXAMPLE}") from error
    if not times:
        raise BadCron(f"'{cron}' never comes; {_EXAMPLE}")
    shortest = min((later - earlier for earlier, later in pairwise(times)), default=timedelta.max)
    if shortest < timedelta(hours=policy.shortest_hours):
        raise BadCron(
            f"'{cron}' would run {_hours(shortest)} after it ran: {policy.shortest_hours} hours must lie between two "
            "runs of a search (recurring.shortest_hours)"
        )
    return cron


def _times(cron: str, start: datetime) -> Iterator[datetime]:
    """The times after a moment on a clock without a zone; it ends where none comes any more."""
    found = croniter(cron, start, max_years_between_matches=_YEARS)
    return cast("Iterator[datetime]", found.all_next(datetime))


def _hours(gap: timedelta) -> str:
    minutes = int(gap.total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60:02} min"


def newest_due(cron: str, zone: ZoneInfo, *, after: datetime, now: datetime) -> datetime | None:
    """The last instant in (after, now] at which the clock of the zone shows a time of the schedule; None without one.

    However many instants a gap holds, it is one: what was missed in between is not made up for. A time that the clock
    leaps over comes when it has leapt, and one that it shows twice comes the first time.
    """
    local = now.astimezone(zone).replace(tzinfo=None) + _LEAP
    for found in croniter(cron, local, max_years_between_matches=_YEARS).all_prev(datetime):
        instant = _instant(found, zone)
        if instant <= now:
            return instant if instant > after else None
    return None


def next_due(cron: str, zone: ZoneInfo, now: datetime) -> datetime:
    """The first instant after now."""
    for found in _times(cron, now.astimezone(zone).replace(tzinfo=None) - _LEAP):
        instant = _instant(found, zone)
        if instant > now:
            return instant
    raise BadCron(f"'{cron}' never comes; {_EXAMPLE}")


def _instant(local: datetime, zone: ZoneInfo) -> datetime:
    return local.replace(tzinfo=zone).astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """How it stands with a search that is due.

    `barred` says in words why the search cannot run now, `away` are vendors that cannot be called; the estimate is held
    against the tightest cap: its name, and the micro-USD it leaves.
    """

    barred: str | None
    away: tuple[str, ...]
    estimate_micros: int
    cap_name: str
    left_micros: int


def why_skipped(facts: RunFacts) -> str | None:
    """Why a search that is due does not run; None when it does."""
    if facts.barred is not None:
        return facts.barred
    if facts.away:
        return f"not now: {joined(facts.away)} cannot be called"
    if facts.estimate_micros > facts.left_micros:
        left = usd_text(max(facts.left_micros, 0))
        return f"{facts.cap_name} leaves {left}, and it will probably cost {usd_text(facts.estimate_micros)}"
    return None


def is_too_late(due: datetime, now: datetime, policy: RecurringPolicy) -> bool:
    """True for what was due so long ago that it is not made up for."""
    return now - due > timedelta(hours=policy.catch_up_hours)
