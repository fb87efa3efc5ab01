"""Which day of the week a UTC day is where the team works, and what it is to bring (issue 4, section 1)."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from socialanalyzer_dagster.domain.policy_metrics import TargetsPolicy, Weekday
from socialanalyzer_dagster.domain.types import PlatformKey

_WEEKDAYS = tuple(Weekday)


def planning_moment(day: date, targets: TargetsPolicy) -> datetime:
    """When a UTC day is planned: the moment of that day at which the team's clock shows the planning hour."""
    zone = ZoneInfo(targets.time_zone)
    moments = (
        datetime.combine(day + timedelta(days=shift), time(targets.plan_hour), zone).astimezone(UTC)
        for shift in (0, -1, 1)
    )
    return next((moment for moment in moments if moment.date() == day), datetime.combine(day, time(), UTC))


def weekday_of(day: date, targets: TargetsPolicy) -> Weekday:
    """The weekday that the team's calendar shows when the day is planned."""
    local = planning_moment(day, targets).astimezone(ZoneInfo(targets.time_zone))
    return _WEEKDAYS[local.weekday()]


def target_of(day: date, platform: PlatformKey, targets: TargetsPolicy) -> int:
    """Scored leads that a UTC day is to bring on a platform; 0 on days off, and for a platform without targets."""
    return targets.scored_leads.get(platform, {}).get(weekday_of(day, targets), 0)
