"""Pure wiring: what Dagster loads."""

from collections.abc import Mapping

import dagster as dg

from socialanalyzer_dagster.assets.batch_summary import batch_summary
from socialanalyzer_dagster.assets.daily_lead_report import daily_lead_report
from socialanalyzer_dagster.assets.recurring_searches import recurring_searches
from socialanalyzer_dagster.assets.rescored_leads import rescored_leads
from socialanalyzer_dagster.assets.saved_searches import saved_searches
from socialanalyzer_dagster.assets.search_plan import search_plan
from socialanalyzer_dagster.assets.synced_leads import synced_leads
from socialanalyzer_dagster.checks.baseline_checks import baseline_checks
from socialanalyzer_dagster.checks.batch_checks import batch_checks
from socialanalyzer_dagster.checks.check_groups import grouped
from socialanalyzer_dagster.checks.daily_checks import daily_checks
from socialanalyzer_dagster.checks.privacy_checks import no_notice_is_overdue, nothing_expired_is_left
from socialanalyzer_dagster.checks.provider_checks import provider_checks
from socialanalyzer_dagster.checks.search_checks import no_search_is_used_up
from socialanalyzer_dagster.jobs import (
    UP_TO_PLAN,
    crm_sync_job,
    daily_report_job,
    lead_batch_job,
    recurring_searches_job,
    rescore_job,
    saved_searches_job,
    search_plan_job,
)
from socialanalyzer_dagster.resources.notifications import NotifierResource, SlackResource
from socialanalyzer_dagster.resources.pipeline import DatabaseResource, PipelineResource
from socialanalyzer_dagster.resources.privacy import PrivacyResource
from socialanalyzer_dagster.resources.vendors import vendor_resources
from socialanalyzer_dagster.schedules import DAILY_ASSETS, SCHEDULES
from socialanalyzer_dagster.sensors.approvals import approval_sensor
from socialanalyzer_dagster.sensors.launch_batches import lead_batch_sensor
from socialanalyzer_dagster.sensors.outbox import outbox_sensor
from socialanalyzer_dagster.sensors.provider_recovery import provider_recovery_sensor
from socialanalyzer_dagster.sensors.rules import rules_sensor
from socialanalyzer_dagster.sensors.run_outcomes import run_cancelled_sensor, run_failure_sensor, run_success_sensor
from socialanalyzer_dagster.sensors.staleness import staleness_sensor
from socialanalyzer_dagster.sensors.stuck_batches import stuck_batch_sensor
from socialanalyzer_dagster.sensors.sync_retries import sync_retry_sensor
from socialanalyzer_dagster.sensors.top_ups import daily_target_sensor
from socialanalyzer_dagster.sensors.vendor_jobs import vendor_job_sensor


def default_resources(pipeline_type: type[PipelineResource] = PipelineResource) -> dict[str, object]:
    """Every resource, configured from the settings when it is used; a simulation has a pipeline of its own."""
    vendors = vendor_resources()
    database = DatabaseResource()
    slack = SlackResource()
    pipeline = pipeline_type(database=database, vendors=vendors["vendors"])
    return {
        **vendors,
        "database": database,
        "pipeline": pipeline,
        "slack": slack,
        "notifier": NotifierResource(slack=slack),
        "privacy": PrivacyResource(pipeline=pipeline, media_store=vendors["media_store"]),
    }


def build_definitions(resources: Mapping[str, object] | None = None) -> dg.Definitions:
    """The code location; tests pass their own resources."""
    return dg.Definitions(
        assets=[
            saved_searches,
            recurring_searches,
            search_plan,
            *UP_TO_PLAN,
            synced_leads,
            batch_summary,
            rescored_leads,
            daily_lead_report,
            *DAILY_ASSETS,
        ],
        asset_checks=[
            *grouped([*batch_checks(), *baseline_checks(), *provider_checks()]),
            *daily_checks(),
            no_search_is_used_up,
            nothing_expired_is_left,
            no_notice_is_overdue,
        ],
        jobs=[
            lead_batch_job,
            crm_sync_job,
            rescore_job,
            search_plan_job,
            daily_report_job,
            saved_searches_job,
            recurring_searches_job,
        ],
        schedules=SCHEDULES,
        sensors=[
            lead_batch_sensor,
            vendor_job_sensor,
            provider_recovery_sensor,
            sync_retry_sensor,
            approval_sensor,
            stuck_batch_sensor,
            rules_sensor,
            outbox_sensor,
            run_failure_sensor,
            run_cancelled_sensor,
            run_success_sensor,
            daily_target_sensor,
            staleness_sensor,
        ],
        resources=dict(resources) if resources is not None else default_resources(),
        executor=dg.in_process_executor,
    )


definitions = build_definitions()
