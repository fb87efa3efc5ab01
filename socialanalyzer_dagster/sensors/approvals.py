"""`approval_sensor`: people are reminded of what waits for them, and no answer in time is a no."""

import dagster as dg

from socialanalyzer_dagster.pipeline.gate_watch import attend_gates
from socialanalyzer_dagster.resources.pipeline import PipelineResource


@dg.sensor(
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reminds people of batches that wait for their yes, and ends those that nobody answered for in time.",
)
def approval_sensor(context: dg.SensorEvaluationContext, pipeline: PipelineResource) -> dg.SkipReason:
    """Attend to every open question once; it approves nothing and spends nothing."""
    with pipeline.workplace(context.instance) as workplace:
        sentences = attend_gates(workplace)
    return dg.SkipReason(" ".join(sentences))
