"""Every end of a run of a batch is looked at once and in order; a quiet look says so in plain words."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import pytest
from dagster._core.definitions.run_status_sensor_definition import RunStatusSensorCursor
from dagster._core.execution.plan.objects import StepFailureData

from socialanalyzer_dagster.assets.stage_work import ATTEMPT_TAG
from socialanalyzer_dagster.pipeline import run_ends
from socialanalyzer_dagster.pipeline.run_ends import EndCursor, How, SeenEnds, cursor_of, quiet
from socialanalyzer_dagster.sensors import run_outcomes
from socialanalyzer_dagster.sensors.run_outcomes import ends_after

FROM_THE_FIRST = EndCursor(record_id=-1)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def ended(instance: dg.DagsterInstance, job: str, key: str | None, *failed_steps: str) -> str:
    """A run of the job that failed at these steps."""
    tags = {"dagster/partition": key, ATTEMPT_TAG: "2"} if key is not None else {}
    run = dg.DagsterRun(job_name=job, tags=tags)
    instance.add_run(run)
    for step in failed_steps:
        why = StepFailureData(error=None, user_failure_data=None)
        event = dg.DagsterEvent(dg.DagsterEventType.STEP_FAILURE.value, job, step_key=step, event_specific_data=why)
        instance.report_dagster_event(event, run.run_id)
    instance.report_run_failed(run)
    return run.run_id


def seen(found: SeenEnds) -> list[tuple[str, str | None, tuple[str, ...]]]:
    return [(each.run_id, each.key, each.failed_steps) for each in found.ends]


def test_ends_are_seen_once_in_their_order_and_those_of_other_jobs_are_passed_over(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert seen(ends_after(instance, How.FAILED, FROM_THE_FIRST)) == []
    first = ended(instance, "lead_batch_job", "k1", "screened_leads")
    ended(instance, "rescore_job", "k2")
    second = ended(instance, "crm_sync_job", None)
    look = ends_after(instance, How.FAILED, FROM_THE_FIRST)
    assert seen(look) == [(first, "k1", ("screened_leads",)), (second, None, ())]
    assert [each.attempt for each in look.ends] == [2, None]
    after = EndCursor(record_id=look.record_id)
    again = ends_after(instance, How.FAILED, after)
    assert (seen(again), again.record_id) == ([], look.record_id)
    assert ends_after(instance, How.SUCCEEDED, FROM_THE_FIRST).ends == []
    monkeypatch.setattr(run_outcomes, "_MOST", 1)
    found, cursor = [], FROM_THE_FIRST
    for _ in range(4):
        part = ends_after(instance, How.FAILED, cursor)
        cursor = EndCursor(record_id=part.record_id)
        found += [each.run_id for each in part.ends]
    assert (found, cursor) == ([first, second], after), "however few fit into one look"


def test_the_first_look_begins_at_the_newest_end(instance: dg.DagsterInstance) -> None:
    assert ends_after(instance, How.FAILED, None).record_id == -1
    ended(instance, "lead_batch_job", "k1")
    first = ends_after(instance, How.FAILED, None)
    assert (list(first.ends), first.record_id > 0) == ([], True)
    run_id = ended(instance, "lead_batch_job", "k2")
    later = ends_after(instance, How.FAILED, EndCursor(record_id=first.record_id))
    assert [each.run_id for each in later.ends] == [run_id]


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (None, None),
        ("not a cursor", None),
        (EndCursor(record_id=7).model_dump_json(), EndCursor(record_id=7)),
        (
            RunStatusSensorCursor(record_id=7, record_timestamp="2026-11-20T00:00:00").to_json(),
            EndCursor(record_id=7),
        ),
    ],
)
def test_what_dagsters_own_sensor_stored_is_gone_on_from(stored: str | None, expected: EndCursor | None) -> None:
    assert cursor_of(stored) == expected


def test_a_quiet_look_is_told_in_plain_words() -> None:
    assert quiet(How.FAILED, is_first=False) == "No run of a batch failed since the last look."
    assert (
        quiet(How.SUCCEEDED, is_first=True) == "From now on this sensor looks at every run of a batch that succeeded."
    )


class NoPipeline:
    """A pipeline that nothing is read from."""

    @contextmanager
    def workplace(self, _instance: dg.DagsterInstance) -> Iterator[None]:
        yield


def test_an_end_that_cannot_be_written_is_tried_again_until_it_would_keep_others_back(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(_workplace: object, key: str, _end: object) -> str:
        if key == "k1":
            raise ValueError("its policy cannot be read")
        return f"{key} is queued again."

    monkeypatch.setattr(run_ends, "run_failed", write)
    monkeypatch.setattr(run_outcomes, "_MOST", 3)
    cursor = FROM_THE_FIRST.model_dump_json()

    def look() -> dg.SensorResult:
        with dg.build_sensor_context(instance=instance, cursor=cursor, resources={"pipeline": NoPipeline()}) as context:
            result = run_outcomes.run_failure_sensor(context)
        assert isinstance(result, dg.SensorResult)
        return result

    for key in ("k1", "k2"):
        ended(instance, "lead_batch_job", key)
    for _ in range(2):
        with pytest.raises(ExceptionGroup, match="could not be written"):
            look()
    ended(instance, "lead_batch_job", "k3")
    full = look()
    assert full.skip_reason is not None
    assert full.skip_reason.skip_message == "k2 is queued again. k3 is queued again."
    assert full.cursor is not None
    assert ends_after(instance, How.FAILED, cursor_of(full.cursor)).ends == []
