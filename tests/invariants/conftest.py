"""One sandbox, one batch of each platform through the real pipeline into its CRM, and benches for single stages."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "pipeline")]

from batch_world import KEY, World, book_policy, quiet  # noqa: E402
from crm_world import CrmWorld, crm_world  # noqa: E402
from known_states import with_known_states  # noqa: E402
from sqlalchemy import select  # noqa: E402

from socialanalyzer_dagster.domain.leads import LeadRecord  # noqa: E402
from socialanalyzer_dagster.domain.policy import INSTANT_POLICY, Policy, shipped_policy  # noqa: E402
from socialanalyzer_dagster.domain.types import LeadUid, Stage  # noqa: E402
from socialanalyzer_dagster.pipeline.approvals import approve  # noqa: E402
from socialanalyzer_dagster.pipeline.batch_requests import BatchRequest  # noqa: E402
from socialanalyzer_dagster.pipeline.batch_view import batch_view  # noqa: E402
from socialanalyzer_dagster.pipeline.batches import create_batch  # noqa: E402
from socialanalyzer_dagster.pipeline.crm_apply import apply_plan  # noqa: E402
from socialanalyzer_dagster.pipeline.crm_plan import make_plan  # noqa: E402
from socialanalyzer_dagster.pipeline.crm_setup import create_missing  # noqa: E402
from socialanalyzer_dagster.pipeline.discovery import discover  # noqa: E402
from socialanalyzer_dagster.pipeline.free_calls import Knocks  # noqa: E402
from socialanalyzer_dagster.pipeline.gate import GateOptions  # noqa: E402
from socialanalyzer_dagster.pipeline.policies import Authorship, activate  # noqa: E402
from socialanalyzer_dagster.pipeline.runner import run_stage  # noqa: E402
from socialanalyzer_dagster.pipeline.session import PipelineSession, SessionParts  # noqa: E402
from socialanalyzer_dagster.pipeline.workplace import Workplace  # noqa: E402
from socialanalyzer_dagster.platforms.registry import PLATFORMS  # noqa: E402
from socialanalyzer_dagster.sandbox.config import WORLD_EPOCH, SandboxConfig  # noqa: E402
from socialanalyzer_dagster.sandbox.serve import SandboxServer  # noqa: E402
from socialanalyzer_dagster.sandbox.vendors.hubspot import crm_of  # noqa: E402
from socialanalyzer_dagster.settings import Settings  # noqa: E402
from socialanalyzer_dagster.storage import roster  # noqa: E402
from socialanalyzer_dagster.storage.database import Database  # noqa: E402
from socialanalyzer_dagster.storage.leads import load_records  # noqa: E402
from socialanalyzer_dagster.storage.models_leads import LeadRow  # noqa: E402
from socialanalyzer_dagster.storage.models_results import EvidenceRow, ScoreRow, StageOutcomeRow  # noqa: E402
from socialanalyzer_dagster.vendors.bundle import Vendors  # noqa: E402
from socialanalyzer_dagster.vendors.connect import connect_vendors  # noqa: E402
from socialanalyzer_dagster.vendors.llm import LanguageModel  # noqa: E402
from tests.conftest import MovableClock  # noqa: E402
from tests.invariants.eavesdropping import every_logger_at_debug, only_loopback, set_secrets  # noqa: E402
from tests.platforms.gate import RememberingGate  # noqa: E402
from tests.platforms.runs import Bench  # noqa: E402

FILTERS: dict[str, dict[str, Any]] = {
    "instagram": {"max_results": 4, "hashtags": ["yoga"]},
    "patreon": {"search_keywords": ["hiking"], "location": "", "max_results": 6},
    "facebook": {"keywords": ["hiking"], "max_results": 8},
}
LEAD_STAGES = (Stage.SCREENED, Stage.ENRICHED, Stage.ANALYZED, Stage.SCORED)
YES = "Ada"


@pytest.fixture(scope="session")
def server() -> Iterator[SandboxServer]:
    """The sandbox of all invariants."""
    with SandboxServer(SandboxConfig(port=0)) as started:
        yield started


def settings_of(server: SandboxServer, home: Path) -> Settings:
    return Settings.from_environment({"SOCIALANALYZER_SANDBOX_URL": server.base_url, "SOCIALANALYZER_HOME": str(home)})


@dataclass(frozen=True)
class Lead:
    """One stored lead."""

    lead_uid: str
    platform: str
    platform_id: str
    as_found: LeadRecord
    record: LeadRecord


@dataclass
class Listener:
    """Notes what a model is asked, and passes it on."""

    inner: Any
    asked: list[str]

    async def chat(self, body: Any) -> Any:
        self.asked.append(str(body["messages"][1]["content"]))
        return await self.inner.chat(body)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@dataclass
class Town:
    """A real installation over SQLite and the sandbox, and what its finished batches left behind."""

    database: Database
    home: Path
    clock: MovableClock
    settings: Settings
    keys: dict[str, str] = field(default_factory=dict)
    views: dict[str, dict[str, Any]] = field(default_factory=dict)
    bill: dict[str, Any] = field(default_factory=dict)
    contacts: list[dict[str, str]] = field(default_factory=list)
    as_found: dict[str, dict[str, LeadRecord]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """What every request to a model said."""
    log: list[str] = field(default_factory=list)
    """What every logger said."""
    outside: list[Any] = field(default_factory=list)
    """Who a socket was to reach beyond this machine."""

    @property
    def workplace(self) -> Workplace:
        return Workplace(
            database=self.database,
            platforms=PLATFORMS,
            clock=self.clock,
            home=self.home,
            mode="sandbox",
            suppression_key=KEY,
        )

    def parts(self, vendors: Vendors) -> SessionParts:
        gate = GateOptions(clock=self.clock, suppression_key=KEY)
        return SessionParts(workplace=self.workplace, vendors=vendors, gate=gate, boundary_secret=b"boundary" * 4)

    async def stages(self, key: str, vendors: Vendors, *stages: Stage) -> dict[Stage, Any]:
        """Materialize stages in one run."""
        reports = {}
        async with PipelineSession(self.parts(vendors)) as session:
            for stage in stages:
                async with session.open_batch(key, run_id=f"run of {key}") as batch:
                    reports[stage] = await (
                        discover(batch, quiet) if stage is Stage.DISCOVERED else run_stage(batch, stage, quiet)
                    )
        return reports

    async def sync(self, key: str, vendors: Vendors) -> None:
        """Plan, approve, write."""
        async with PipelineSession(self.parts(vendors)) as session:
            async with session.open_batch(key, run_id=f"run of {key}") as batch:
                await make_plan(batch)
            approve(self.workplace, key, by=YES)
            async with session.open_batch(key, run_id=f"sync of {key}") as batch:
                await apply_plan(batch, quiet)

    def rows(self, *columns: Any) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(select(*columns)))

    def outcomes(self) -> list[Any]:
        """(platform, platform_id, stage, result, code) of the current outcomes."""
        query = (
            select(
                LeadRow.platform, LeadRow.platform_id, StageOutcomeRow.stage, StageOutcomeRow.result,
                StageOutcomeRow.code,
            )
            .join(LeadRow, LeadRow.lead_uid == StageOutcomeRow.lead_uid)
            .where(StageOutcomeRow.is_current)
        )  # fmt: skip
        with self.database.read() as connection:
            return list(connection.execute(query))

    def leads(self) -> list["Lead"]:
        """Every lead of the batches with its record as the search found it, and as it is known now."""
        with self.database.read() as connection:
            rows = connection.execute(select(LeadRow.lead_uid, LeadRow.platform, LeadRow.platform_id)).all()
            now = load_records(connection, [LeadUid(row.lead_uid) for row in rows])
        found = {uid: record for records in self.as_found.values() for uid, record in records.items()}
        return [
            Lead(row.lead_uid, row.platform, row.platform_id, found[row.lead_uid], now[LeadUid(row.lead_uid)])
            for row in rows
            if row.lead_uid in found
        ]

    def evidence(self, kind: str) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(select(EvidenceRow).where(EvidenceRow.kind == kind)))

    def scores(self) -> list[Any]:
        return self.rows(ScoreRow.lead_uid, ScoreRow.tier, ScoreRow.record)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever looks at the town goes to the one test process that builds it, besides the tests of `invariants`."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here) and "town" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("invariants"))


@pytest.fixture(scope="session")
def town(server: SandboxServer, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A batch of every platform from its search into the CRM."""
    home = tmp_path_factory.mktemp("town")
    shutil.copyfile(sqlite_template, home / "town.db")
    database = Database(f"sqlite:///{home / 'town.db'}")
    with pytest.MonkeyPatch.context() as environment:
        set_secrets(environment)
        made = Town(database, home, MovableClock(WORLD_EPOCH), settings_of(server, home))
    server.state.reset()
    policy = shipped_policy(INSTANT_POLICY)
    activate(database, policy, Authorship(author="test", note="", at=made.clock.now()))
    with database.write() as connection:
        people = [roster.Bdr(name=name, owner_id=name, is_active=True, position=at) for at, name in enumerate("AB")]
        roster.replace_roster(connection, people)
    with every_logger_at_debug() as made.log, only_loopback() as made.outside:
        asyncio.run(_live(made, policy))
    made.bill = server.state.bill.summary()
    made.contacts = [dict(each.properties) for each in crm_of(server.state).contacts.everyone()]
    yield made
    database.dispose()


async def _live(town: Town, policy: Policy) -> None:
    vendors = connect_vendors(town.settings)
    assert vendors.hubspot is not None
    assert vendors.llm is not None
    vendors = replace(vendors, llm=LanguageModel(Listener(vendors.llm._channel, town.asked)))
    await create_missing(Knocks(policy), vendors.hubspot, policy)
    for platform, filters in FILTERS.items():
        made = create_batch(town.workplace, BatchRequest(platform=platform, filters=filters))
        town.keys[platform] = made.key
        await town.stages(made.key, vendors, Stage.DISCOVERED)
        with town.database.read() as connection:
            uids = [LeadUid(uid) for uid in connection.execute(select(LeadRow.lead_uid)).scalars()]
            town.as_found[platform] = {
                uid: record for uid, record in load_records(connection, uids).items() if record.platform == platform
            }
        await town.stages(made.key, vendors, *LEAD_STAGES)
        await town.sync(made.key, vendors)
        town.views[platform] = batch_view(town.workplace, made.key)
    await vendors.close()


@pytest.fixture
def world(sqlite_database: Database, policy: Policy, clock: MovableClock, tmp_path: Path) -> World:
    """The tests' own platform over SQLite."""
    return World(sqlite_database, book_policy(policy), clock, tmp_path)


@pytest.fixture
async def crm(
    request: pytest.FixtureRequest, town: Town, server: SandboxServer, sqlite_database: Database, policy: Policy,
    clock: MovableClock, tmp_path: Path,
) -> AsyncIterator[CrmWorld]:  # fmt: skip
    """The tests' own platform before an empty CRM; made after the town has written down what it left in its own."""
    async with crm_world(sqlite_database, policy, clock, tmp_path, server) as made:
        yield with_known_states(made, request)


@pytest.fixture
async def bench(server: SandboxServer, policy: Policy, tmp_path: Path) -> AsyncIterator[Bench]:
    """Single stages over the sandbox."""
    clock = MovableClock(WORLD_EPOCH)
    vendors = connect_vendors(settings_of(server, tmp_path))
    yield Bench(policy=policy, clock=clock, vendors=vendors, gate=RememberingGate(policy=policy, clock=clock))
    await vendors.close()
