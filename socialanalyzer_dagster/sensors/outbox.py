"""`outbox_sensor`: tells people what happened, through the channels that the policy names."""

import dagster as dg

from socialanalyzer_dagster.pipeline.news import gather
from socialanalyzer_dagster.pipeline.notifying import send_due
from socialanalyzer_dagster.resources.notifications import NotifierResource
from socialanalyzer_dagster.resources.pipeline import PipelineResource


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends what is in the outbox to Slack, e-mail and other channels; a failure is tried again later.",
)
def outbox_sensor(
    context: dg.SensorEvaluationContext, pipeline: PipelineResource, notifier: NotifierResource
) -> dg.SkipReason:
    """Gather what tables and the decision log tell, then send the messages that are due; launches nothing."""
    with pipeline.workplace(context.instance) as workplace:
        gather(workplace)
        return dg.SkipReason(send_due(workplace, notifier.connected()))
