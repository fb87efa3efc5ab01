"""The database and the pipeline as Dagster resources: they configure and close, nothing else."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import dagster as dg
from pydantic import Field

from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.pipeline.gate import GateOptions
from socialanalyzer_dagster.pipeline.session import PipelineSession, SessionParts
from socialanalyzer_dagster.pipeline.workplace import SystemClock, Workplace
from socialanalyzer_dagster.platforms.registry import PLATFORMS
from socialanalyzer_dagster.resources.vendors import VendorsResource
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.schema import require_current


class DatabaseResource(dg.ConfigurableResource[None]):
    """The pipeline's own tables: PostgreSQL at DATABASE_URL, else a SQLite file in SOCIALANALYZER_HOME."""

    url: str | None = Field(default=None, description="Another database URL; empty = the one of the settings.")

    @contextmanager
    def opened(self) -> Iterator[Database]:
        """The database at this version's revision, closed at the end of the block; raises SchemaMismatch."""
        database = Database(self.url or Settings.from_environment().database_url.get_secret_value())
        try:
            require_current(database)
            yield database
        finally:
            database.dispose()


class PipelineResource(dg.ConfigurableResource[None]):
    """Everything a run works on a batch with: database, vendors, spending gate and clock."""

    database: DatabaseResource
    vendors: VendorsResource

    @contextmanager
    def workplace(self, instance: dg.DagsterInstance) -> Iterator[Workplace]:
        """For actions on batches; a new batch's partition is added to `instance` before its row is committed."""
        settings = Settings.from_environment()
        with self.database.opened() as database:
            yield Workplace(
                database=database,
                platforms=PLATFORMS,
                clock=SystemClock(),
                home=settings.home,
                mode=settings.environment,
                announce=lambda key: instance.add_dynamic_partitions(str(LEAD_BATCHES.name), [key]),
                ui_url=settings.ui_url,
            )

    @property
    def suppression_key(self) -> bytes:
        """The key of the suppression list's hashes; raises SettingsError."""
        return Settings.from_environment().suppression_hmac_key.get_secret_value().encode()

    @asynccontextmanager
    async def session(self, instance: dg.DagsterInstance) -> AsyncIterator[PipelineSession]:
        """A session of this process; raises SettingsError and SchemaMismatch before anything is done."""
        settings = Settings.from_environment()
        with self.workplace(instance) as workplace:
            async with self.vendors.opened() as vendors:
                parts = SessionParts(
                    workplace=workplace,
                    vendors=vendors,
                    gate=GateOptions(
                        clock=workplace.clock,
                        suppression_key=self.suppression_key,
                        live=not settings.is_sandbox,
                    ),
                    boundary_secret=settings.boundary_secret,
                )
                async with PipelineSession(parts) as session:
                    yield session
