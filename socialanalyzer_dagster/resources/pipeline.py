"""The database and the pipeline as Dagster resources: they configure and close, nothing else."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import dagster as dg
from pydantic import Field, PrivateAttr

from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.pipeline.logs import configure_logs
from socialanalyzer_dagster.pipeline.session import PipelineSession, SessionParts, session_parts
from socialanalyzer_dagster.pipeline.traces import configure_traces
from socialanalyzer_dagster.pipeline.workplace import SystemClock, Workplace
from socialanalyzer_dagster.platforms.registry import PLATFORMS
from socialanalyzer_dagster.resources.vendors import VendorsResource
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.schema import require_current
from socialanalyzer_dagster.vendors.bundle import Vendors


class DatabaseResource(dg.ConfigurableResource[None]):
    """The pipeline's own tables: PostgreSQL at DATABASE_URL, else a SQLite file in SOCIALANALYZER_HOME."""

    url: str | None = Field(default=None, description="Another database URL; empty = the one of the settings.")
    _database: Database | None = PrivateAttr(default=None)

    @contextmanager
    def opened(self) -> Iterator[Database]:
        """The database at this version's revision; raises SchemaMismatch.

        The steps and checks of a run share it, looked at once, with its connections and compiled statements; it is
        closed with the run.
        """
        if self._database is None:
            found = Database(self.url or Settings.from_environment().database_url.get_secret_value())
            require_current(found)
            self._database = found
        yield self._database

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Close the connections, at the end of a run or a sensor's tick."""
        if self._database is not None:
            self._database.dispose()


class PipelineResource(dg.ConfigurableResource[None]):
    """Everything a run works on a batch with: database, vendors, spending gate and clock."""

    database: DatabaseResource
    vendors: VendorsResource

    @contextmanager
    def workplace(self, instance: dg.DagsterInstance) -> Iterator[Workplace]:
        """For actions on batches; a new batch's partition is added to `instance` before its row is committed."""
        settings = Settings.from_environment()
        configure_logs(settings)
        configure_traces(settings)
        with self.database.opened() as database:
            yield Workplace(
                database=database,
                platforms=PLATFORMS,
                clock=SystemClock(),
                home=settings.home,
                mode=settings.environment,
                suppression_key=settings.suppression_key,
                announce=lambda key: instance.add_dynamic_partitions(str(LEAD_BATCHES.name), [key]),
                ui_url=settings.ui_url,
            )

    @property
    def suppression_key(self) -> bytes:
        """The key of the suppression list's hashes; raises SettingsError."""
        return Settings.from_environment().suppression_key

    @asynccontextmanager
    async def session(self, instance: dg.DagsterInstance) -> AsyncIterator[PipelineSession]:
        """A session of this process; raises SettingsError and SchemaMismatch before anything is done."""
        settings = Settings.from_environment()
        with self.workplace(instance) as workplace:
            async with (
                self.vendors.opened() as vendors,
                PipelineSession(self.parts(workplace, vendors, settings)) as session,
            ):
                yield session

    def parts(self, workplace: Workplace, vendors: Vendors, settings: Settings) -> SessionParts:
        """What a session works with, as the settings describe it."""
        return session_parts(workplace, vendors, settings)
