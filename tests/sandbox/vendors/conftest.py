"""A sandbox in memory, and clients that call one vendor's routes in process."""

from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest
from starlette.applications import Starlette

from socialanalyzer_dagster.sandbox.config import SandboxConfig
from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.vendors import apify, apollo, hubspot, insightiq, millionverifier, r2, slack

BASE = "http://sandbox.test"


@pytest.fixture
def state() -> Iterator[SandboxState]:
    """A fresh world without a home."""
    made = SandboxState(SandboxConfig(seed=7))
    yield made
    made.store.close()


@pytest.fixture
def client_of() -> Callable[[SandboxState], httpx.AsyncClient]:
    """Make a client of every vendor of a sandbox."""

    def make(state: SandboxState) -> httpx.AsyncClient:
        modules = (apify, apollo, hubspot, insightiq, millionverifier, r2, slack)
        app = Starlette(routes=[route for module in modules for route in module.routes(state)])
        headers = {"Authorization": "Bearer key"}
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE, headers=headers)

    return make


@pytest.fixture
async def client(
    state: SandboxState, client_of: Callable[[SandboxState], httpx.AsyncClient]
) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a bearer token."""
    async with client_of(state) as made:
        yield made
