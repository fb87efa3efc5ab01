"""A sandbox to call, with clients connected to it by settings."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from socialanalyzer_dagster.sandbox.config import SandboxConfig
from socialanalyzer_dagster.sandbox.serve import SandboxServer
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.vendors.bundle import Vendors
from socialanalyzer_dagster.vendors.connect import connect_vendors


@pytest.fixture(scope="session")
def sandbox() -> Iterator[SandboxServer]:
    """One sandbox for all vendor tests; tests use creators and contacts of their own."""
    with SandboxServer(SandboxConfig(port=0)) as server:
        yield server


@pytest.fixture
def sandbox_settings(sandbox: SandboxServer, tmp_path: Path) -> Settings:
    return Settings.from_environment(
        {"SOCIALANALYZER_SANDBOX_URL": sandbox.base_url, "SOCIALANALYZER_HOME": str(tmp_path)}
    )


@pytest.fixture
async def vendors(sandbox_settings: Settings) -> AsyncIterator[Vendors]:
    """All clients as the settings connect them to the sandbox."""
    found = connect_vendors(sandbox_settings)
    yield found
    await found.close()
