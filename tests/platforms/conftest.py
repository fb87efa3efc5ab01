"""A sandbox for stage functions, and a bench that connects them to it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import Clock
from socialanalyzer_dagster.sandbox.config import WORLD_EPOCH, SandboxConfig
from socialanalyzer_dagster.sandbox.serve import SandboxServer
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.vendors.connect import connect_vendors
from tests.conftest import MovableClock
from tests.platforms.gate import RememberingGate
from tests.platforms.runs import Bench


@pytest.fixture(scope="session")
def world() -> Iterator[SandboxServer]:
    """One sandbox for all stage tests."""
    with SandboxServer(SandboxConfig(port=0)) as server:
        yield server


@pytest.fixture
def clock() -> MovableClock:
    """The moment at which the world stands."""
    return MovableClock(WORLD_EPOCH)


@pytest.fixture
async def bench(world: SandboxServer, policy: Policy, clock: Clock, tmp_path: Path) -> AsyncIterator[Bench]:
    settings = Settings.from_environment(
        {"SOCIALANALYZER_SANDBOX_URL": world.base_url, "SOCIALANALYZER_HOME": str(tmp_path)}
    )
    vendors = connect_vendors(settings)
    yield Bench(policy=policy, clock=clock, vendors=vendors, gate=RememberingGate(policy=policy, clock=clock))
    await vendors.close()
