"""`rules_sensor`: what rules chose is carried out when its time has come, also after a crash."""

import dagster as dg

from socialanalyzer_dagster.pipeline.rule_watch import attend_rules
from socialanalyzer_dagster.resources.pipeline import PipelineResource


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Carries out what rules chose between stages, tries held batches again, and warns of spending caps.",
)
def rules_sensor(context: dg.SensorEvaluationContext, pipeline: PipelineResource) -> dg.SensorResult:
    """Attend once to all rules; it launches nothing itself, new and retried batches are queued."""
    with pipeline.workplace(context.instance) as workplace:
        attended = attend_rules(workplace, context.cursor)
    return dg.SensorResult(skip_reason=attended.reason, cursor=attended.cursor.model_dump_json())
