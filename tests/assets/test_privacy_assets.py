"""The daily assets of people's data: off by default, with checks, and counts alone in their metadata."""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from socialanalyzer_dagster.assets.old_runs import delete_old_runs, has_old_runs
from socialanalyzer_dagster.definitions import build_definitions
from socialanalyzer_dagster.sandbox.config import SandboxConfig
from socialanalyzer_dagster.sandbox.serve import running_sandbox
from socialanalyzer_dagster.schedules import SCHEDULES


def test_every_schedule_is_off_until_somebody_starts_it_and_runs_at_its_hour():
    assert {schedule.name: schedule.cron_schedule for schedule in SCHEDULES} == {
        "daily_plan": "0 * * * *",
        "recurring_searches": "*/15 * * * *",
        "daily_report": "15 0 * * *",
        "suppression_recheck": "0 2 * * *",
        "retention_purge": "0 3 * * *",
        "notice_report": "30 3 * * *",
        "crm_reconcile": "0 4 * * *",
        "daily_digest": "0 13 * * *",
        "weekly_report": "0 13 * * 1",
    }
    for schedule in SCHEDULES:
        assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
        assert schedule.execution_timezone == "UTC"


def test_the_daily_assets_run_and_their_checks_hold(sqlite_template: Path, tmp_path: Path, monkeypatch):
    shutil.copyfile(sqlite_template, tmp_path / "socialanalyzer.db")
    with running_sandbox(SandboxConfig(home=tmp_path, port=0)) as url, dg.DagsterInstance.ephemeral() as instance:
        monkeypatch.setenv("SOCIALANALYZER_HOME", str(tmp_path))
        monkeypatch.setenv("SOCIALANALYZER_SANDBOX_URL", url)
        from socialanalyzer_dagster.commands.office import open_office
        from socialanalyzer_dagster.pipeline.policies import ensure_initial_policy

        with open_office() as office:
            ensure_initial_policy(office.database, instant=True, now=office.clock.now())
        definitions, checks = build_definitions(), set()
        for name in ("suppression_recheck", "retention_purge", "notice_report"):
            (schedule,) = (each for each in SCHEDULES if each.name == name)
            job = definitions.resolve_job_def(schedule.job.name)
            result = job.execute_in_process(instance=instance)
            assert result.success
            assert all(each.passed for each in result.get_asset_check_evaluations())
            checks |= {each.check_name for each in result.get_asset_check_evaluations()}
            for event in result.get_asset_materialization_events():
                values = event.materialization.metadata.values()
                assert all(isinstance(value, dg.IntMetadataValue) for value in values)
    assert checks == {"nothing_expired_is_left", "no_notice_is_overdue"}


@pytest.mark.parametrize(("days", "left"), [(90, 1), (0, 0)])
def test_logs_of_ended_runs_go_with_their_period(days: int, left: int):
    @dg.op
    def nothing() -> None:
        """Ends at once."""

    @dg.job
    def short() -> None:
        nothing()

    with dg.DagsterInstance.ephemeral() as instance:
        short.execute_in_process(instance=instance)
        assert has_old_runs(instance, days=days) is (left == 0)
        assert delete_old_runs(instance, days=days) == 1 - left
        assert instance.get_runs_count() == left
