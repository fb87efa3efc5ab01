"""One sandbox for the tests that need a CRM."""

from collections.abc import AsyncIterator, Iterator

import pytest
from crm_world import CrmWorld, crm_world
from known_states import with_known_states

from socialanalyzer_dagster.sandbox.config import SandboxConfig
from socialanalyzer_dagster.sandbox.serve import SandboxServer


@pytest.fixture(scope="session")
def crm_sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(SandboxConfig(port=0)) as server:
        yield server


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
