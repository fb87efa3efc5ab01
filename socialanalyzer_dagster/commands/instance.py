"""The Dagster instance of the home, for commands that launch or look at runs."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from socialanalyzer_dagster.settings import Settings


@contextmanager
def dagster_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The instance that DAGSTER_HOME describes; its runs are those the Dagster UI shows."""
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        yield instance
