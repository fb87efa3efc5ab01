"""The daily work: schedules with their jobs, off unless SOCIALANALYZER_SCHEDULES is on or somebody starts them.

`daily_plan` and `recurring_searches` alone lead to paid work.
"""

from datetime import datetime, timedelta

import dagster as dg

from socialanalyzer_dagster.assets.crm_reconciliation import crm_reconciliation
from socialanalyzer_dagster.assets.daily_digest import daily_digest
from socialanalyzer_dagster.assets.daily_work import partition_of
from socialanalyzer_dagster.assets.expired_data_purge import expired_data_purge
from socialanalyzer_dagster.assets.notice_report import notice_report
from socialanalyzer_dagster.assets.suppression_recheck import suppression_recheck
from socialanalyzer_dagster.assets.weekly_report import weekly_report
from socialanalyzer_dagster.domain.daily_targets import planning_moment
from socialanalyzer_dagster.jobs import daily_report_job, job_of, recurring_searches_job, search_plan_job
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.recurring_searches import look_for_due
from socialanalyzer_dagster.platforms.registry import PLATFORMS
from socialanalyzer_dagster.resources.pipeline import DatabaseResource
from socialanalyzer_dagster.settings import schedules_are_on
from socialanalyzer_dagster.storage.daily_figures import DayOf

_STATUS = dg.DefaultScheduleStatus.RUNNING if schedules_are_on() else dg.DefaultScheduleStatus.STOPPED
DAILY_ASSETS = (
    suppression_recheck,
    expired_data_purge,
    notice_report,
    crm_reconciliation,
    daily_digest,
    weekly_report,
)


def _daily(name: str, cron: str, asset: dg.AssetsDefinition, description: str) -> dg.ScheduleDefinition:
    job = job_of(f"{asset.key.to_user_string()}_job", asset, description)
    return dg.ScheduleDefinition(
        name=name,
        job=job,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=_STATUS,
        description=description,
    )


@dg.schedule(
    job=search_plan_job,
    cron_schedule="0 * * * *",
    execution_timezone="UTC",
    default_status=_STATUS,
    description="At the hour and in the time zone of the policy, plans every platform's day.",
)
def daily_plan(
    context: dg.ScheduleEvaluationContext, database: DatabaseResource
) -> list[dg.RunRequest] | dg.SkipReason:
    """One run per platform in the planning hour, each at most once a day."""
    now = context.scheduled_execution_time
    with database.opened() as opened:
        moment = planning_moment(now.date(), active_policy(opened).targets)
    if not moment <= now < moment + timedelta(hours=1):
        return dg.SkipReason(f"The day is planned at {moment:%H:%M} UTC.")
    return _of_each_platform("plan", now)


@dg.schedule(
    name="recurring_searches",
    job=recurring_searches_job,
    cron_schedule="*/15 * * * *",
    execution_timezone="UTC",
    default_status=_STATUS,
    description="Queues saved searches with a schedule of their own when they are due, on the policy's clock.",
)
def recurring_searches_due(
    context: dg.ScheduleEvaluationContext, database: DatabaseResource
) -> dg.RunRequest | dg.SkipReason:
    """A run when a search is due; it says itself which, and what became of it."""
    now = context.scheduled_execution_time
    with database.opened() as opened:
        found = look_for_due(opened, now)
    return dg.RunRequest(run_key=f"recurring:{now:%Y-%m-%dT%H:%M}") if found.is_due else dg.SkipReason(found.reason)


@dg.schedule(
    job=daily_report_job,
    cron_schedule="15 0 * * *",
    execution_timezone="UTC",
    default_status=_STATUS,
    description="Counts what the UTC day before brought on every platform.",
)
def daily_report(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
    """One run per platform for yesterday."""
    return _of_each_platform("report", context.scheduled_execution_time - timedelta(days=1))


def _of_each_platform(what: str, moment: datetime) -> list[dg.RunRequest]:
    days = [DayOf(day=moment.date(), platform=platform) for platform in sorted(PLATFORMS)]
    return [dg.RunRequest(run_key=f"{what}:{of.day}:{of.platform}", partition_key=partition_of(of)) for of in days]


SCHEDULES = (
    daily_plan,
    recurring_searches_due,
    daily_report,
    _daily("suppression_recheck", "0 2 * * *", suppression_recheck, "Leads and contacts against the suppression list."),
    _daily("retention_purge", "0 3 * * *", expired_data_purge, "Remove what is past its retention period."),
    _daily("notice_report", "30 3 * * *", notice_report, "Count the notices that are overdue."),
    _daily(
        "crm_reconcile",
        "0 4 * * *",
        crm_reconciliation,
        "Read owners, merges, edits, opt-outs and outcomes of our contacts back from the CRM.",
    ),
    _daily("daily_digest", "0 13 * * *", daily_digest, "Tell what ended since yesterday, what it cost and what waits."),
    _daily("weekly_report", "0 13 * * 1", weekly_report, "Tell what ran in the week, search by search, and its cost."),
)
