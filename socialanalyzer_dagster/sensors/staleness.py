"""`staleness_sensor`: after a search ran, the freshness of the saved searches is looked at again."""

import dagster as dg

from socialanalyzer_dagster.jobs import saved_searches_job
from socialanalyzer_dagster.pipeline.saved_search_looks import decide_look, newest_run
from socialanalyzer_dagster.resources.pipeline import DatabaseResource


@dg.sensor(
    job=saved_searches_job,
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks again at how fresh the saved searches are when a search has run; used-up ones are flagged.",
)
def staleness_sensor(context: dg.SensorEvaluationContext, database: DatabaseResource) -> dg.SensorResult:
    """One look per run of a search, however often the sensor ticks."""
    with database.opened() as opened:
        look = decide_look(context.cursor, newest_run(opened))
    if look.run_key is None:
        return dg.SensorResult(skip_reason=look.reason)
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=look.run_key)], cursor=look.cursor)
