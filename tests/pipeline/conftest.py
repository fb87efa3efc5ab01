"""One sandbox for the tests that need a CRM."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from crm_world import CrmWorld, crm_world
from known_states import KnownStates

from socialanalyzer_dagster.sandbox.config import SandboxConfig
from socialanalyzer_dagster.sandbox.serve import SandboxServer


@pytest.fixture(scope="session")
def crm_sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(SandboxConfig(port=0)) as server:
        yield server


@pytest.fixture(scope="session")
def known_states(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test run, the same for all of its processes."""
    session = tmp_path_factory.getbasetemp()
    folder = (session.parent if "PYTEST_XDIST_WORKER" in os.environ else session) / "known-states"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
async def world(request, sqlite_database, policy, clock, tmp_path, crm_sandbox) -> AsyncIterator[CrmWorld]:
    """A workplace with a CRM that is ready."""
    async with crm_world(sqlite_database, policy, clock, tmp_path, crm_sandbox) as made:
        yield with_known_states(made, request)


@pytest.fixture
async def world_on_each(request, database, policy, clock, tmp_path, crm_sandbox) -> AsyncIterator[CrmWorld]:
    """The same over each engine, for what transactions, locks and JSON columns decide."""
    async with crm_world(database, policy, clock, tmp_path, crm_sandbox) as made:
        yield with_known_states(made, request)


def with_known_states(world: CrmWorld, request: pytest.FixtureRequest) -> CrmWorld:
    """Shorter ways for the tests of SQLite that change nothing of the program itself."""
    if world.database.is_sqlite and "monkeypatch" not in request.fixturenames:
        world.known = KnownStates(request.getfixturevalue("known_states"))
        world.known.begin(world)
    return world
