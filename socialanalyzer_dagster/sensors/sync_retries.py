"""`sync_retry_sensor`: plans end in time, and syncs that the CRM did not answer for go on by themselves."""

import dagster as dg

from socialanalyzer_dagster.pipeline.crm_due import attend_plans
from socialanalyzer_dagster.resources.pipeline import PipelineResource


@dg.sensor(
    minimum_interval_seconds=900,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Queues CRM writes whose next try is due or that were put off until now, and ends plans in time.",
)
def sync_retry_sensor(context: dg.SensorEvaluationContext, pipeline: PipelineResource) -> dg.SkipReason:
    """Attend to every plan once; nothing is written here, and only approved plans are written again."""
    with pipeline.workplace(context.instance) as workplace:
        sentences = attend_plans(workplace)
    return dg.SkipReason(" ".join(sentences) or "No CRM plan has anything due.")
