"""A sandbox on a real port for the vendors' own SDKs, and the vendors' schemas where they lie beside the repository."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from socialanalyzer_dagster.sandbox.config import SandboxConfig
from socialanalyzer_dagster.sandbox.serve import SandboxServer
from socialanalyzer_dagster.sandbox.state import SandboxState

SPECS = Path(__file__).resolve().parents[3] / "shared" / "vendor-specs"

Violations = list[tuple[str, str]]
Validate = Callable[[str, str, Any], Violations]


@pytest.fixture(scope="session")
def server() -> Iterator[SandboxServer]:
    """One sandbox for all contract tests, in memory, at instant speed."""
    with SandboxServer(SandboxConfig(seed=7, port=0)) as running:
        yield running


@pytest.fixture
def base_url(server: SandboxServer) -> str:
    """Where the sandbox answers."""
    return server.base_url


@pytest.fixture
def state(server: SandboxServer) -> SandboxState:
    """The sandbox's state, fresh for every test."""
    server.state.reset()
    return server.state


@pytest.fixture(scope="session")
def validate() -> Validate:
    """Say what in a body a vendor's schema refuses: validate(spec, pointer, body) gives [(path, message)]."""
    script = SPECS / "validate_examples.py"
    if not script.is_file():
        pytest.skip("the vendors' schemas are not beside this repository (../shared/vendor-specs)")
    spec = importlib.util.spec_from_file_location("vendor_specs", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Validate = module.validate
    return found
