"""The Dagster instance of the home, for commands that launch or look at runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import dagster as dg

from socialanalyzer_dagster.pipeline.doctor import Finding, Health
from socialanalyzer_dagster.settings import Settings

_BACKFILL_DAEMON = "BACKFILL"


@contextmanager
def dagster_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The instance that DAGSTER_HOME describes; its runs are those the Dagster UI shows."""
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        yield instance


def create_tables_of_dagster(settings: Settings) -> None:
    """Before several machines open the instance: Dagster makes its tables then, and two at once stop each other."""
    with dagster_instance(settings):
        pass


def daemon_finding(instance: dg.DagsterInstance | None, *, is_needed: bool) -> Finding:
    """Whether every daemon of the instance gave a sign of life lately; one that never ran is a problem if needed."""
    subject, statuses = "dagster daemon", {} if instance is None else instance.get_daemon_statuses()
    beats = [each.last_heartbeat.timestamp for each in statuses.values() if each.last_heartbeat is not None]
    if not beats:
        told = "has never run here: batches are run by `batch run`, and nothing launches queued ones"
        return Finding(subject, Health.PROBLEM if is_needed else Health.OFF, told)
    silent = sorted(name.lower() for name, each in statuses.items() if each.required and not each.healthy)
    newest = datetime.fromtimestamp(max(beats), UTC).isoformat(sep=" ", timespec="seconds")
    if silent:
        return Finding(subject, Health.PROBLEM, f"{', '.join(silent)} silent; last sign of life of any at {newest}")
    return Finding(subject, Health.OK, f"last sign of life at {newest}")


def backfills_are_served(instance: dg.DagsterInstance) -> bool:
    """True when a daemon carries out the backfills of this instance."""
    found = instance.get_daemon_statuses().get(_BACKFILL_DAEMON)
    return found is not None and found.healthy is True
