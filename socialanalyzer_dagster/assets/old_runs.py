"""Logs of ended runs that are past their period: how many there are, and their removal (spec 19.5)."""

from datetime import UTC, datetime, timedelta

import dagster as dg

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_AT_ONCE = 100


def _old_runs(instance: dg.DagsterInstance, days: int) -> list[str]:
    before = datetime.now(UTC) - timedelta(days=days)
    wanted = dg.RunsFilter(statuses=_ENDED, updated_before=before)
    return [record.dagster_run.run_id for record in instance.get_run_records(wanted, limit=_AT_ONCE)]


def delete_old_runs(instance: dg.DagsterInstance, *, days: int) -> int:
    """Delete ended runs with their logs that nothing has changed for so many days; returns how many."""
    deleted = 0
    while runs := _old_runs(instance, days):
        for run_id in runs:
            instance.delete_run(run_id)
        deleted += len(runs)
    return deleted


def has_old_runs(instance: dg.DagsterInstance, *, days: int) -> bool:
    """True while there is one."""
    return bool(_old_runs(instance, days))
