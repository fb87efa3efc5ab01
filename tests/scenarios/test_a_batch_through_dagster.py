"""One Patreon batch from its search to the CRM through real Dagster jobs, and what must never happen on the way."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import httpx
import pytest
from sqlalchemy import delete, func, insert, select, update

from socialanalyzer_dagster.assets.stage_work import ATTEMPT_TAG
from socialanalyzer_dagster.domain.types import STAGES, Stage
from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.pipeline.approvals import approve
from socialanalyzer_dagster.pipeline.batch_actions import Deed, retry
from socialanalyzer_dagster.pipeline.batch_status import CANCELLED
from socialanalyzer_dagster.platforms.evidence_kinds import SCORE_ANSWERS
from socialanalyzer_dagster.sensors.launch_batches import lead_batch_sensor
from socialanalyzer_dagster.sensors.run_outcomes import run_cancelled_sensor
from socialanalyzer_dagster.sensors.sync_retries import sync_retry_sensor
from socialanalyzer_dagster.sensors.vendor_jobs import vendor_job_sensor
from socialanalyzer_dagster.storage.models_control import BudgetScopeRow, ProviderAttemptRow
from socialanalyzer_dagster.storage.models_results import EvidenceRow, StageOutcomeRow
from tests.scenarios.house import STAGE_ASSETS, House, failures, open_house, set_up_crm

ON_ONE_BATCH = pytest.mark.xdist_group("planned-batch")  # it is made once, not in every test process
SEARCH = {"search_keywords": ["travel", "hiking"], "max_results": 20}


@pytest.fixture
def house(tmp_path, monkeypatch: pytest.MonkeyPatch, sqlite_template) -> Iterator[House]:
    with open_house(tmp_path / "home", monkeypatch, sqlite_template) as made:
        yield made


@dataclass(frozen=True)
class Planned:
    """An installation with a batch that waits for its approval, and the run that brought it there."""

    house: House
    key: str
    run: dg.ExecuteInProcessResult
    copy: Path
    """Its database at that moment."""


@pytest.fixture(scope="module")
def planned_once(tmp_path_factory: pytest.TempPathFactory, sqlite_template) -> Iterator[Planned]:
    folder = tmp_path_factory.mktemp("planned")
    with (
        pytest.MonkeyPatch.context() as environment,
        open_house(folder / "home", environment, sqlite_template) as house,
    ):
        set_up_crm(house)
        key = house.create("patreon", SEARCH).key
        run = house.run("lead_batch_job", key)
        assert run.success, failures(run)
        house.office.database.dispose()
        shutil.copyfile(house.office.database.url.database or "", folder / "copy.db")
        yield Planned(house, key, run, folder / "copy.db")


@pytest.fixture
def planned(planned_once: Planned) -> Planned:
    """The same for each test: whatever the one before did to the database is gone."""
    database = planned_once.house.office.database
    database.dispose()
    shutil.copyfile(planned_once.copy, database.url.database or "")
    return planned_once


def materialized(house: House, key: str) -> set[str]:
    return {
        asset
        for asset in (*STAGE_ASSETS, "crm_sync_plan", "batch_summary")
        if key in house.instance.get_materialized_partitions(dg.AssetKey(asset))
    }


@ON_ONE_BATCH
def test_a_batch_is_found_scored_approved_synced_and_summarised(planned: Planned) -> None:
    house, key, first = planned.house, planned.key, planned.run
    assert house.view(key)["status"] == "awaiting_approval"
    assert house.view(key)["stages"]["scored"]["passed"] > 0
    planned = next(
        event.materialization.metadata for event in first.get_asset_materialization_events()
        if event.materialization.asset_key == dg.AssetKey("crm_sync_plan")
    )  # fmt: skip
    assert "| create |" in str(planned["rows"].value)
    assert "@" not in str(planned["rows"].value), "no address on a page that many read"

    approve(house.workplace, key, by="demo-approver")
    second = house.run("crm_sync_job", key)
    assert second.success, failures(second)
    view = house.view(key)
    assert view["status"] == "completed"
    assert view["stages"]["synced"]["passed"] > 0
    assert view["held_micros"] == 0
    assert view["spend_micros"] + view["unknown_micros"] == house.bill()["total_micros"]
    assert materialized(house, key) == {*STAGE_ASSETS, "crm_sync_plan", "batch_summary"}
    assert view["summary"]

    calls, before = house.calls(), house.view(key)
    again = house.run("lead_batch_job", key)
    assert again.success, failures(again)
    assert house.run("crm_sync_job", key).success
    assert house.calls() == calls
    assert house.view(key)["stages"] == before["stages"]
    _attend_plans_and_read_back(house, contacts=view["stages"]["synced"]["passed"])


def _attend_plans_and_read_back(house: House, *, contacts: int) -> None:
    with dg.build_sensor_context(
        instance=house.instance, resources=dict(house.definitions.resources or {}), definitions=house.definitions
    ) as context:
        ticks = [sync_retry_sensor(context), vendor_job_sensor(context)]
    told = [tick.skip_message for tick in ticks if isinstance(tick, dg.SkipReason)]
    assert told == ["No CRM plan has anything due.", "No batch waits for a vendor."]
    result = house.definitions.resolve_job_def("crm_reconciliation_job").execute_in_process(instance=house.instance)
    (event,) = result.get_asset_materialization_events()
    assert event.materialization.metadata["contacts"].value == contacts
    schedule = house.definitions.resolve_schedule_def("crm_reconcile")
    assert (schedule.default_status, schedule.cron_schedule) == (dg.DefaultScheduleStatus.STOPPED, "0 4 * * *")


@ON_ONE_BATCH
def test_the_sync_refuses_a_batch_that_nobody_approved(planned: Planned) -> None:
    house, key = planned.house, planned.key
    refused = house.run("crm_sync_job", key)
    assert not refused.success
    assert "approve" in failures(refused)
    assert house.view(key)["stages"]["synced"]["passed"] == 0


@ON_ONE_BATCH
def test_a_missing_outcome_fails_its_check_and_blocks_the_sync(planned: Planned) -> None:
    house, key = planned.house, planned.key
    approve(house.workplace, key, by="demo-approver")
    with house.office.database.write() as connection:
        lost = connection.execute(
            select(StageOutcomeRow.id)
            .where(StageOutcomeRow.stage == Stage.ANALYZED, StageOutcomeRow.result == "passed")
            .limit(1)
        ).scalar_one()
        connection.execute(delete(StageOutcomeRow).where(StageOutcomeRow.id == lost))
    blocked = house.run("crm_sync_job", key)
    assert not blocked.success
    failed = {
        evaluation.check_name
        for evaluation in blocked.get_asset_check_evaluations()
        if not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR
    }
    assert "outcomes_complete" in failed
    assert "synced_leads" not in {step.key for step in blocked.get_asset_materialization_events() if step}


@ON_ONE_BATCH
def test_evidence_that_does_not_conform_blocks_the_sync_although_its_check_stands_on_an_earlier_asset(
    planned: Planned,
) -> None:
    house, key = planned.house, planned.key
    approve(house.workplace, key, by="demo-approver")
    with house.office.database.write() as connection:
        spoiled = select(EvidenceRow.evidence_id).where(EvidenceRow.kind == SCORE_ANSWERS).limit(1).scalar_subquery()
        connection.execute(update(EvidenceRow).where(EvidenceRow.evidence_id == spoiled).values(body={"no": "answer"}))
    blocked = house.run("crm_sync_job", key)
    assert "stages_hold" in {each.check_name for each in blocked.get_asset_check_evaluations() if not each.passed}
    assert "synced_leads" not in {event.step_key for event in blocked.get_step_success_events()}
    assert house.view(key)["stages"]["synced"]["passed"] == 0


def test_a_key_without_batch_or_preset_is_refused_and_leaves_the_partition_set(house: House) -> None:
    key = "2026-11-20.patreon.nothing-here"
    house.instance.add_dynamic_partitions(str(LEAD_BATCHES.name), [key])
    refused = house.run("lead_batch_job", key)
    assert not refused.success
    assert "presets on patreon" in failures(refused)
    assert key not in house.instance.get_dynamic_partitions(str(LEAD_BATCHES.name))
    assert house.calls() == 0


def test_a_summary_of_no_batch_is_refused_as_the_stages_refuse(house: House) -> None:
    key = "2026-11-20.patreon.nothing-here"
    house.instance.add_dynamic_partitions(str(LEAD_BATCHES.name), [key])
    refused = house.run("crm_sync_job", key, asset_selection=[dg.AssetKey("batch_summary")])
    assert f"dagster._core.definitions.events.Failure: there is no batch '{key}'" in failures(refused)
    assert key not in house.instance.get_dynamic_partitions(str(LEAD_BATCHES.name))


def test_an_estimate_over_the_threshold_ends_the_run_before_anything_is_spent(house: House) -> None:
    made = house.create("patreon", {"search_keywords": ["travel"], "max_results": 300})
    refused = house.run("lead_batch_job", made.key)
    assert not refused.success
    assert str(made.estimate_micros) in failures(refused)
    assert house.calls() == 0


def test_the_sensor_launches_a_queued_batch_once(house: House) -> None:
    key = house.create("patreon", SEARCH).key
    with dg.build_sensor_context(
        instance=house.instance, resources=dict(house.definitions.resources or {}), definitions=house.definitions
    ) as context:
        tick = lead_batch_sensor(context)
    assert isinstance(tick, dg.SensorResult)
    assert [request.run_key for request in tick.run_requests or []] == [f"{key}:1"]


def test_a_run_that_was_terminated_between_two_stages_leaves_its_batch_paused(house: House) -> None:
    key = house.create("patreon", SEARCH).key
    run = house.instance.create_run_for_job(
        house.definitions.resolve_job_def("lead_batch_job"), tags={"dagster/partition": key, ATTEMPT_TAG: "1"}
    )
    ticks = []
    for report in (lambda: None, lambda: house.instance.report_run_canceled(run), lambda: None):
        report()
        with dg.build_sensor_context(
            instance=house.instance, resources=dict(house.definitions.resources or {}),
            cursor=ticks[-1].cursor if ticks else None,
        ) as context:  # fmt: skip
            ticks.append(run_cancelled_sensor(context))
    assert [each.skip_reason.skip_message for each in ticks] == [
        "From now on this sensor looks at every run of a batch that was terminated.",
        f"Batch {key} is paused: {CANCELLED}.",
        "No run of a batch was terminated since the last look.",
    ]
    assert (house.view(key)["status"], house.view(key)["cause"]) == ("paused", CANCELLED)


def test_the_sensor_leaves_a_batch_waiting_under_a_full_shared_cap_and_says_which(house: House) -> None:
    house.create("patreon", SEARCH)
    today = house.workplace.clock.now().date().isoformat()
    full = {"settled_micros": 200_000_000, "held_micros": 0, "unknown_micros": 0, "cap_micros": 200_000_000}
    with house.office.database.write() as connection:
        connection.execute(insert(BudgetScopeRow).values(scope=f"day:{today}", **full))
    with dg.build_sensor_context(
        instance=house.instance, resources=dict(house.definitions.resources or {}), definitions=house.definitions
    ) as context:
        tick = lead_batch_sensor(context)
    assert isinstance(tick, dg.SensorResult)
    assert not tick.run_requests
    assert "1 batch waits: the spending cap of $200.00 per day is reached" in str(tick.skip_reason)


def test_every_stage_has_its_asset() -> None:
    assert tuple(f"{stage}_leads" for stage in STAGES) == STAGE_ASSETS


def test_a_vendor_that_refuses_its_service_pauses_the_batch_and_a_retry_pays_for_nothing_twice(house: House) -> None:
    set_up_crm(house)
    key = house.create("patreon", SEARCH).key
    switch = {"vendor": "millionverifier", "operation": "*", "kind": "unauthorized"}
    httpx.post(f"{house.sandbox}/_sandbox/faults", json=switch, trust_env=False).raise_for_status()
    refused = house.run("lead_batch_job", key)
    assert refused.success, failures(refused)
    view = house.view(key)
    assert view["status"] == "paused"
    assert "email_verifier cannot be used now" in view["cause"]
    assert view["stages"]["enriched"]["pending"] > 0
    assert view["spend_micros"] == house.bill()["total_micros"]

    httpx.put(f"{house.sandbox}/_sandbox/faults", json=[], trust_env=False).raise_for_status()
    retry(house.workplace, key, Deed(by="Mara"))
    assert house.run("lead_batch_job", key).success
    assert house.view(key)["status"] == "awaiting_approval"
    assert house.view(key)["spend_micros"] == house.bill()["total_micros"]
    with house.office.database.read() as connection:
        bought = connection.execute(
            select(ProviderAttemptRow.fingerprint, func.count())
            .where(ProviderAttemptRow.state == "settled")
            .group_by(ProviderAttemptRow.fingerprint)
        ).all()
    assert {count for _, count in bought} == {1}
