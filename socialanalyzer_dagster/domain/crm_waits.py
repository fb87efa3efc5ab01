"""When the CRM is asked again: for a row that got no answer, and for an account that may not be asked now (11.6)."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.domain.policy_crm import CrmPolicy

DAILY_LIMIT = "daily_limit"
_PASSING = frozenset({ErrorClass.THROTTLED, ErrorClass.TRANSIENT})


def next_try_at(now: datetime, tries: int, crm: CrmPolicy) -> datetime | None:
    """When a row is tried again after so many tries without an answer; None when it is dead."""
    waits = crm.retry_minutes
    return now + timedelta(minutes=waits[tries - 1]) if tries <= len(waits) else None


def resume_at(error: VendorError, now: datetime, crm: CrmPolicy) -> datetime | None:
    """When a CRM that did not answer may be asked again: its next day, what it said itself, or the first wait.

    None when a person has to act before.
    """
    if error.error_class not in _PASSING:
        return None
    if error.code == DAILY_LIMIT:
        return next_day(now, ZoneInfo(crm.portal_time_zone))
    if error.retry_after_seconds is not None:
        return now + timedelta(seconds=error.retry_after_seconds)
    return now + timedelta(minutes=crm.retry_minutes[0])


def next_day(now: datetime, zone: ZoneInfo) -> datetime:
    """The next midnight of a time zone, in UTC."""
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time.min, tzinfo=zone).astimezone(UTC)
