"""One sandbox for the tests that need a CRM."""

from collections.abc import AsyncIterator, Iterator

import pytest
from crm_world import CrmWorld, crm_world

from socialanalyzer_dagster.sandbox.config import SandboxConfig
from socialanalyzer_dagster.sandbox.serve import SandboxServer


@pytest.fixture(scope="session")
def crm_sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(SandboxConfig(port=0)) as server:
        yield server


@pytest.fixture
async def world(sqlite_database, policy, clock, tmp_path, crm_sandbox) -> AsyncIterator[CrmWorld]:
    """A workplace with a CRM that is ready."""
    async with crm_world(sqlite_database, policy, clock, tmp_path, crm_sandbox) as made:
        yield made


@pytest.fixture
async def world_on_each(database, policy, clock, tmp_path, crm_sandbox) -> AsyncIterator[CrmWorld]:
    """The same over each engine, for what transactions, locks and JSON columns decide."""
    async with crm_world(database, policy, clock, tmp_path, crm_sandbox) as made:
        yield made
