"""What people see in the Dagster UI of a batch that waits for them, and what the sensors say and do about it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import update

from socialanalyzer_dagster.assets.stage_work import ATTEMPT_TAG
from socialanalyzer_dagster.domain.policy import parse_policy
from socialanalyzer_dagster.pipeline.approvals import approve
from socialanalyzer_dagster.pipeline.policies import Authorship, activate, active_policy
from socialanalyzer_dagster.sensors.approvals import approval_sensor
from socialanalyzer_dagster.sensors.launch_batches import lead_batch_sensor
from socialanalyzer_dagster.sensors.run_outcomes import run_success_sensor
from socialanalyzer_dagster.sensors.stuck_batches import stuck_batch_sensor
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow
from tests.scenarios.house import House, open_house

SEARCH = {"search_keywords": ["travel", "hiking"], "max_results": 5}


@pytest.fixture
def house(tmp_path, monkeypatch: pytest.MonkeyPatch, sqlite_template) -> Iterator[House]:
    with open_house(tmp_path / "home", monkeypatch, sqlite_template) as made:
        document = active_policy(made.office.database).document()
        document["gates"]["requires_approval"] |= {"discovered": True, "screened": True}
        by = Authorship(author="test", note="gates", at=made.office.clock.now())
        activate(made.office.database, parse_policy(document), by)
        yield made


def tick(house: House, sensor: dg.SensorDefinition) -> Any:
    with dg.build_sensor_context(
        instance=house.instance, resources=dict(house.definitions.resources or {}), definitions=house.definitions
    ) as context:
        return sensor(context)


def test_the_stage_that_waits_shows_its_question_and_a_yes_launches_it(house: House) -> None:
    key = house.create("patreon", SEARCH).key
    asked = tick(house, lead_batch_sensor)
    assert not asked.run_requests
    assert "5 leads may be discovered" in str(asked.skip_reason)
    (seen,) = asked.asset_events
    assert (seen.asset_key, seen.partition) == (dg.AssetKey("discovered_leads"), key)
    assert seen.metadata["asked_about"].value == 5
    assert seen.metadata["expected_usd"].value > 0
    assert f"socialanalyzer batch approve {key}" in seen.metadata["waits_for_a_person"].value
    assert tick(house, approval_sensor).skip_message == ("1 batch waits for a person; nobody has to be reminded now.")

    approve(house.workplace, key, by="Kai")
    launched = tick(house, lead_batch_sensor)
    (request,) = launched.run_requests
    assert request.asset_selection == [dg.AssetKey("discovered_leads")]
    result = house.run("lead_batch_job", key, asset_selection=request.asset_selection)
    assert result.success
    (done,) = result.get_asset_materialization_events()
    assert "may be screened" in done.materialization.metadata["waiting_because"].value
    assert done.materialization.metadata["asked_about"].value > 0
    (event,) = (each for each in result.all_events if each.event_type_value == "ASSET_OBSERVATION")
    assert event.asset_key == dg.AssetKey("screened_leads")
    assert house.view(key)["status"] == "awaiting_approval"


def test_a_run_that_did_a_part_of_a_batch_pauses_it_at_once(house: House) -> None:
    key = house.create("patreon", SEARCH).key
    run = house.instance.create_run_for_job(
        house.definitions.resolve_job_def("lead_batch_job"), tags={"dagster/partition": key, ATTEMPT_TAG: "1"}
    )
    with house.office.database.write() as connection:
        connection.execute(update(LeadBatchRow).values(status="screening", run_id=run.run_id))
    house.instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name), run.run_id
    )
    with dg.build_sensor_context(
        instance=house.instance, resources=dict(house.definitions.resources or {}), cursor='{"record_id": -1}'
    ) as context:
        run_success_sensor(context)
    assert house.view(key)["status"] == "paused"


def test_a_batch_without_a_sign_of_life_is_put_back(house: House) -> None:
    assert tick(house, stuck_batch_sensor).skip_message == "No batch is running."
    key = house.create("patreon", SEARCH).key
    long_ago = house.workplace.clock.now() - timedelta(hours=1)
    with house.office.database.write() as connection:
        connection.execute(update(LeadBatchRow).values(status="screening", run_id="gone", heartbeat_at=long_ago))
    assert "queued again (1 of 3)" in tick(house, stuck_batch_sensor).skip_message
    assert house.view(key)["status"] == "queued"
