"""Plan and report of a day in Dagster: partitions of day and platform, plots, checks, schedules and the top-up."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import update

from socialanalyzer_dagster.assets.daily_work import partition_of
from socialanalyzer_dagster.definitions import build_definitions
from socialanalyzer_dagster.partitions import PLATFORM_DAYS
from socialanalyzer_dagster.pipeline.batch_requests import filter_model_of
from socialanalyzer_dagster.pipeline.preset_schedules import set_schedule
from socialanalyzer_dagster.platforms.registry import PLATFORMS
from socialanalyzer_dagster.schedules import daily_plan, daily_report, recurring_searches_due
from socialanalyzer_dagster.sensors.staleness import staleness_sensor
from socialanalyzer_dagster.sensors.top_ups import daily_target_sensor
from socialanalyzer_dagster.settings import schedules_are_on
from socialanalyzer_dagster.storage.daily_figures import DayOf
from socialanalyzer_dagster.storage.models_leads import PresetScheduleRow


@pytest.fixture
def instance(sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An installation with one saved search on Instagram."""
    shutil.copyfile(sqlite_template, tmp_path / "socialanalyzer.db")
    monkeypatch.setenv("SOCIALANALYZER_HOME", str(tmp_path))
    from socialanalyzer_dagster.commands.office import open_office
    from socialanalyzer_dagster.pipeline.policies import ensure_initial_policy
    from socialanalyzer_dagster.pipeline.presets import PresetForm, save_preset

    with open_office() as office:
        ensure_initial_policy(office.database, instant=True, now=office.clock.now())
        form = PresetForm(platform="instagram", name="Hikers", filters={"hashtags": ["hiking"]}, by="Mara")
        save_preset(office.workplace(), form)
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def of_today() -> DayOf:
    return DayOf(day=datetime.now(UTC).date(), platform=sorted(PLATFORMS)[1])


def ticked(schedule: dg.ScheduleDefinition, instance: dg.DagsterInstance, moment: datetime) -> Any:
    definitions = build_definitions()
    with dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=moment,
        resources=dict(definitions.resources or {}),
        repository_def=definitions.get_repository_def(),
    ) as context:
        return schedule.evaluate_tick(context)


def materialized(
    instance: dg.DagsterInstance, job: str, of: DayOf | None
) -> tuple[dict[str, Any], dict[str, bool | None]]:
    resolved = build_definitions().resolve_job_def(job)
    result = resolved.execute_in_process(instance=instance, partition_key=None if of is None else partition_of(of))
    assert result.success
    (event,) = result.get_asset_materialization_events()
    checks = {each.check_name: each.passed for each in result.get_asset_check_evaluations()}
    return {name: value.value for name, value in event.materialization.metadata.items()}, checks


def test_a_plan_shows_its_table_and_its_figures_and_a_past_day_buys_nothing(instance: dg.DagsterInstance) -> None:
    of = of_today()
    assert of.platform == "instagram"
    shown, _ = materialized(instance, "search_plan_job", of)
    assert "| Hikers |" in shown["plan"]
    assert shown["decided_as"] == "search_plan"
    wanted = 250 if of.day.weekday() < 5 else 0
    assert shown["target"] == wanted
    assert shown["planned_batches"] == (1 if wanted else 0)
    yesterday = DayOf(day=of.day - timedelta(days=1), platform=of.platform)
    missed, _ = materialized(instance, "search_plan_job", yesterday)
    assert missed["planned_batches"] == 0
    assert "nothing is planned or bought for it" in missed["plan"]


def test_a_report_has_numbers_for_plots_and_its_two_checks(instance: dg.DagsterInstance) -> None:
    shown, checks = materialized(instance, "daily_report_job", of_today())
    for name in ("target", "found", "new", "screened", "enriched", "analyzed", "scored", "synced", "spend_usd"):
        assert isinstance(shown[name], int | float), name
    assert set(checks) == {"daily_target_met", "cost_per_lead_in_range"}
    assert checks["cost_per_lead_in_range"] is True
    assert checks["daily_target_met"] is (shown["target"] == 0)


@pytest.mark.parametrize(("hour", "planned"), [(5, False), (6, True), (7, False)])
def test_a_day_is_planned_in_its_hour_alone_once_per_platform(instance: Any, hour: int, planned: bool) -> None:
    moment = datetime.now(UTC).replace(hour=hour, minute=0, second=0, microsecond=0)
    found = ticked(daily_plan, instance, moment)
    if not planned:
        assert found.skip_message == "The day is planned at 06:00 UTC."
        return
    keys = [request.partition_key for request in found.run_requests or ()]
    assert keys == [f"{moment.date()}|{platform}" for platform in sorted(PLATFORMS)]
    assert len({request.run_key for request in found.run_requests or ()}) == 3
    assert set(keys) <= set(PLATFORM_DAYS.get_partition_keys(current_time=moment))


def test_the_report_counts_the_day_before(instance: dg.DagsterInstance) -> None:
    found = ticked(daily_report, instance, datetime(2026, 11, 20, 0, 15, tzinfo=UTC))
    assert [str(each.partition_key) for each in found.run_requests or ()] == [
        f"2026-11-19|{platform}" for platform in sorted(PLATFORMS)
    ]


def test_the_top_up_says_why_it_is_quiet(instance: dg.DagsterInstance) -> None:
    definitions = build_definitions()
    with dg.build_sensor_context(
        instance=instance, resources=dict(definitions.resources or {}), definitions=definitions
    ) as context:
        found = daily_target_sensor.evaluate_tick(context)
    assert not found.run_requests
    assert found.skip_message == " ".join(f"{platform}: not planned today." for platform in sorted(PLATFORMS))


def test_saved_searches_are_shown_with_their_state_and_the_sensor_waits_for_a_run(instance: dg.DagsterInstance) -> None:
    definitions = build_definitions()
    result = definitions.resolve_job_def("saved_searches_job").execute_in_process(instance=instance)
    (event,) = result.get_asset_materialization_events()
    assert "| instagram | Hikers | never ran |" in event.materialization.metadata["searches"].value
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("no_search_is_used_up", True)
    with dg.build_sensor_context(
        instance=instance, resources=dict(definitions.resources or {}), definitions=definitions
    ) as context:
        assert staleness_sensor.evaluate_tick(context).skip_message == "No search has run yet."


def test_a_search_with_a_schedule_of_its_own_is_queued_by_a_run_when_it_is_due(instance: dg.DagsterInstance) -> None:
    moment = datetime.now(UTC).replace(second=0, microsecond=0)
    none = ticked(recurring_searches_due, instance, moment)
    assert none.skip_message == "No saved search has a schedule of its own: `socialanalyzer presets schedule`."
    from socialanalyzer_dagster.commands.office import open_office

    with open_office() as office:
        set_schedule(office.workplace(), "instagram", "Hikers", cron=f"{moment:%M %H} * * *", by="Mara")
        with office.database.write() as connection:
            connection.execute(update(PresetScheduleRow).values(seen_until=moment - timedelta(minutes=1)))
    (request,) = ticked(recurring_searches_due, instance, moment).run_requests or ()
    assert request.run_key == f"recurring:{moment:%Y-%m-%dT%H:%M}"
    shown = materialized(instance, "recurring_searches_job", None)[0]
    assert (shown["queued"], shown["passed_over"], shown["scheduled"]) == (1, 0, 1)
    assert f"queued as {moment:%Y-%m-%d}.instagram.hikers" in shown["searches"]
    assert instance.get_dynamic_partitions("lead_batches") == [f"{moment:%Y-%m-%d}.instagram.hikers"]
    assert f"{moment:%M %H} \\* \\* \\* |" in materialized(instance, "saved_searches_job", None)[0]["searches"]


def test_no_plan_asks_for_more_than_its_platform_allows() -> None:
    most = {key: filter_model_of(each).most_results() for key, each in PLATFORMS.items()}
    assert most == {"instagram": 4000, "patreon": 500, "facebook": 500}


@pytest.mark.parametrize(("value", "on"), [("on", True), ("off", False), ("", False)])
def test_one_variable_switches_all_schedules_on(monkeypatch: pytest.MonkeyPatch, value: str, on: bool) -> None:
    monkeypatch.setenv("SOCIALANALYZER_SCHEDULES", value)
    assert schedules_are_on() is on
