"""The daily work beside the batches: schedules with their jobs, off until somebody starts them; none spends (I-30)."""

import dagster as dg

from socialanalyzer_dagster.assets.crm_reconciliation import crm_reconciliation
from socialanalyzer_dagster.assets.expired_data_purge import expired_data_purge
from socialanalyzer_dagster.assets.notice_report import notice_report
from socialanalyzer_dagster.assets.suppression_recheck import suppression_recheck

DAILY_ASSETS = (suppression_recheck, expired_data_purge, notice_report, crm_reconciliation)


def _daily(name: str, cron: str, asset: dg.AssetsDefinition, description: str) -> dg.ScheduleDefinition:
    job = dg.define_asset_job(
        f"{asset.key.to_user_string()}_job",
        selection=dg.AssetSelection.assets(asset),
        executor_def=dg.in_process_executor,
        description=description,
    )
    return dg.ScheduleDefinition(
        name=name,
        job=job,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=description,
    )


SCHEDULES = (
    _daily("suppression_recheck", "0 2 * * *", suppression_recheck, "Leads and contacts against the suppression list."),
    _daily("retention_purge", "0 3 * * *", expired_data_purge, "Remove what is past its retention period."),
    _daily("notice_report", "30 3 * * *", notice_report, "Count the notices that are overdue."),
    _daily(
        "crm_reconcile",
        "0 4 * * *",
        crm_reconciliation,
        "Read owners, merges, edits, opt-outs and outcomes of our contacts back from the CRM.",
    ),
)
