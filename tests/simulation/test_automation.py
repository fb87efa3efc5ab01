"""What evaluates schedules and sensors at simulated instants, over definitions of the tests' own."""

import signal

import dagster as dg
import pytest

from socialanalyzer_dagster.simulation.automation import Automation


@dg.op
def told_to_stop() -> None:
    signal.raise_signal(signal.SIGINT)


@dg.job
def stopped_job() -> None:
    told_to_stop()


@dg.sensor(job=stopped_job)
def eager_sensor() -> dg.RunRequest:
    return dg.RunRequest()


def test_whoever_stops_a_run_stops_the_simulation() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        automation = Automation(dg.Definitions(jobs=[stopped_job], sensors=[eager_sensor]), instance)
        with pytest.raises(KeyboardInterrupt):
            automation.look()
