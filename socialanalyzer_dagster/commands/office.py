"""Where a command works: settings, an up-to-date home, and in sandbox mode a sandbox that answers."""

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from filelock import FileLock

from socialanalyzer_dagster.commands.inputs import policy_file
from socialanalyzer_dagster.commands.output import notes
from socialanalyzer_dagster.commands.sandbox import sandbox_config
from socialanalyzer_dagster.domain.types import BatchKey
from socialanalyzer_dagster.pipeline import policies, roster
from socialanalyzer_dagster.pipeline.logs import configure_logs
from socialanalyzer_dagster.pipeline.session import PipelineSession, session_parts
from socialanalyzer_dagster.pipeline.traces import configure_traces
from socialanalyzer_dagster.pipeline.workplace import SystemClock, Workplace
from socialanalyzer_dagster.platforms.registry import PLATFORMS
from socialanalyzer_dagster.sandbox.serve import SandboxProcess, sandbox_state, start_process
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.storage import schema
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.vendors.connect import connect_hubspot, connect_vendors
from socialanalyzer_dagster.vendors.hubspot import HubSpot

if TYPE_CHECKING:
    import dagster as dg

_LOCK_SECONDS = 60
PROJECT = Path(__file__).parents[2]
"""The checkout, which holds the Dagster files a home is prepared from."""


class AnotherWorldError(ValueError):
    """A sandbox answers at the address, but with another world than this home's."""


class Office:
    """What a command works with; made by `open_office`."""

    def __init__(self, settings: Settings, database: Database, closing: ExitStack) -> None:
        self.settings = settings
        self.database = database
        self.clock = SystemClock()
        self._closing = closing

    @cached_property
    def instance(self) -> "dg.DagsterInstance":
        """The home's Dagster instance, opened when it is first needed: what takes part of a second once is enough."""
        from socialanalyzer_dagster.commands.instance import dagster_instance

        return self._closing.enter_context(dagster_instance(self.settings))

    def workplace(self) -> Workplace:
        """For actions on batches; new batches are announced to the Dagster instance of this home."""
        return Workplace(
            database=self.database,
            platforms=PLATFORMS,
            clock=self.clock,
            home=self.settings.home,
            mode=self.settings.environment,
            suppression_key=self.settings.suppression_key,
            announce=self._announce,
            ui_url=self.settings.ui_url,
        )

    @asynccontextmanager
    async def session(self) -> AsyncIterator[PipelineSession]:
        """A session for work on batches outside Dagster that pays for nothing."""
        vendors = connect_vendors(self.settings)
        try:
            async with PipelineSession(session_parts(self.workplace(), vendors, self.settings)) as session:
                yield session
        finally:
            await vendors.close()

    @asynccontextmanager
    async def crm(self) -> AsyncIterator[HubSpot]:
        """The CRM's client; raises BadParameter when there is no key for it."""
        client = connect_hubspot(self.settings)
        if client is None:
            raise typer.BadParameter("HUBSPOT_API_KEY is not set")
        try:
            yield client
        finally:
            await client.aclose()

    def _announce(self, key: BatchKey) -> None:
        from socialanalyzer_dagster.partitions import LEAD_BATCHES

        self.instance.add_dynamic_partitions(str(LEAD_BATCHES.name), [key])


@contextmanager
def open_office(*, needs_vendors: bool = False) -> Iterator[Office]:
    """The office of this process's environment.

    An embedded database that does not exist yet is made; any other that is not at this version's revision is refused
    (SchemaMismatch). With `needs_vendors`, sandbox mode makes sure that a sandbox answers while the block runs.
    """
    settings = Settings.from_environment()
    configure_logs(settings)
    configure_traces(settings)
    database = Database(settings.database_url.get_secret_value())
    with ExitStack() as stack:
        stack.callback(database.dispose)
        if needs_preparing(database):
            prepare_home(settings, database)
        schema.require_current(database)
        if needs_vendors and settings.is_sandbox:
            stack.enter_context(answering_sandbox(settings))
        yield Office(settings, database, stack)


def needs_preparing(database: Database) -> bool:
    """True while there is no embedded database yet; one that exists is brought up to date by `db upgrade` alone."""
    return database.is_sqlite and schema.status(database).current is None


def prepare_home(settings: Settings, database: Database) -> schema.SchemaStatus:
    """Migrate the database, store the first policy and put the right dagster.yaml into DAGSTER_HOME; safe to repeat."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with FileLock(settings.home / "prepare.lock", timeout=_LOCK_SECONDS):
        status = schema.upgrade(database)
        instant = settings.is_sandbox and settings.sandbox_speed == "instant"
        policies.ensure_initial_policy(database, instant=instant, now=datetime.now(UTC))
        _take_files(settings, database)
        settings.dagster_home.mkdir(parents=True, exist_ok=True)
        source = instance_file(is_sqlite=database.is_sqlite)
        shutil.copyfile(source, settings.dagster_home / "dagster.yaml")
    return status


def _take_files(settings: Settings, database: Database) -> None:
    """POLICY_PATH becomes the active policy, BDR_ROSTER_PATH the roster of a home that has nobody on it yet."""
    now = datetime.now(UTC)
    if settings.policy_path is not None:
        by = policies.Authorship(author="POLICY_PATH", note=settings.policy_path.name, at=now)
        policies.take_file(database, policy_file(settings.policy_path), by)
    if settings.bdr_roster_path is not None and not roster.loads(database, now):
        roster.load_roster(database, settings.bdr_roster_path, now=now, by="BDR_ROSTER_PATH")


def instance_file(*, is_sqlite: bool) -> Path:
    """The Dagster instance file of the checkout for this kind of database."""
    return PROJECT / "dagster.yaml" if is_sqlite else PROJECT / "deploy" / "dagster.yaml"


@contextmanager
def answering_sandbox(settings: Settings) -> Iterator[str]:
    """The sandbox at SOCIALANALYZER_SANDBOX_URL: the one that answers there, else one started for this block.

    Raises AnotherWorldError when one answers with another seed or home; SandboxStartError when none can be started.
    """
    with _starting(settings):
        found = sandbox_state(settings.sandbox_url)
        child = None if found is not None else start_process(sandbox_config(settings))
    if found is not None:
        _check_world(settings, found)
        yield settings.sandbox_url
        return
    try:
        yield settings.sandbox_url
    finally:
        if isinstance(child, SandboxProcess):
            child.stop()


@contextmanager
def _starting(settings: Settings) -> Iterator[None]:
    settings.home.mkdir(parents=True, exist_ok=True)
    with FileLock(settings.home / "sandbox-start.lock", timeout=_LOCK_SECONDS):
        yield


def _check_world(settings: Settings, found: dict[str, object]) -> None:
    here = {"seed": settings.sandbox_seed, "home": str(settings.home.resolve())}
    there = {"seed": found.get("seed"), "home": str(Path(str(found.get("home"))).resolve())}
    if here != there:
        raise AnotherWorldError(
            f"the sandbox at {settings.sandbox_url} has seed {there['seed']} and home {there['home']}, but this "
            f"command works with seed {here['seed']} and home {here['home']}: stop that sandbox, or set "
            "SOCIALANALYZER_SANDBOX_URL to another port"
        )
    if found.get("speed") != settings.sandbox_speed or found.get("faults") != settings.sandbox_faults:
        notes.print(f"using the running sandbox (speed {found.get('speed')}, faults {found.get('faults')})")
