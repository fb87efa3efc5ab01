"""Schedules; each is off until somebody switches it on (I-30)."""

import dagster as dg

from socialanalyzer_dagster.jobs import crm_reconciliation_job

crm_reconcile = dg.ScheduleDefinition(
    name="crm_reconcile",
    job=crm_reconciliation_job,
    cron_schedule="0 4 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Reads owners, merges, edits, opt-outs and outcomes of our contacts back from the CRM, every night.",
)
