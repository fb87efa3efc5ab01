"""`daily_target_sensor`: a planned day short of its target is planned again while money and searches last."""

import dagster as dg

from socialanalyzer_dagster.assets.daily_work import partition_of
from socialanalyzer_dagster.jobs import search_plan_job
from socialanalyzer_dagster.pipeline.top_ups import top_ups
from socialanalyzer_dagster.resources.pipeline import PipelineResource
from socialanalyzer_dagster.settings import schedules_are_on


@dg.sensor(
    job=search_plan_job,
    minimum_interval_seconds=900,
    default_status=dg.DefaultSensorStatus.RUNNING if schedules_are_on() else dg.DefaultSensorStatus.STOPPED,
    description="Tops a planned day up with further searches while its target is unmet; else says why it stopped.",
)
def daily_target_sensor(context: dg.SensorEvaluationContext, pipeline: PipelineResource) -> dg.SensorResult:
    """Ask for another plan of every platform whose day needs one."""
    with pipeline.workplace(context.instance) as workplace:
        found = top_ups(workplace)
    if not found.due:
        return dg.SensorResult(skip_reason=found.reason)
    context.log.info(found.reason)
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=f"top-up:{each.of.day}:{each.of.platform}:{each.number}", partition_key=partition_of(each.of)
            )
            for each in found.due
        ]
    )
