"""The command line in a home of its own, with a sandbox of its own on a free port."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from socialanalyzer_dagster.sandbox.serve import sandbox_state

_START_SECONDS = 30


@dataclass(frozen=True, slots=True)
class House:
    """A home, named by the environment that its commands run in."""

    environment: Mapping[str, str]

    def run(self, *arguments: str) -> Any:
        """The JSON of one command; raises CalledProcessError when it fails."""
        command = [sys.executable, "-m", "socialanalyzer_dagster.cli", *arguments, "--json"]
        done = subprocess.run(command, env=dict(self.environment), check=True, stdout=subprocess.PIPE)  # noqa: S603
        return json.loads(done.stdout)

    def run_batch(self, platform: str, filters: Mapping[str, object]) -> str:
        """A new batch from its search to its scores; its key."""
        made = self.run("batch", "create", "--platform", platform, "--filters", json.dumps(filters), "--yes")
        key = str(made["key"])
        self.run("batch", "run", key, "--to", "scored")
        return key


@contextmanager
def sandbox_home(folder: Path, *, speed: str, limits: tuple[str, ...] = ()) -> Iterator[dict[str, str]]:
    """The environment of a new home in `folder`, whose sandbox runs at this speed and with these limits meanwhile."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environment = os.environ | {
        "SOCIALANALYZER_HOME": str(folder / "home"),
        "SOCIALANALYZER_SANDBOX_URL": f"http://127.0.0.1:{port}",
        "SOCIALANALYZER_SANDBOX_SPEED": speed,
    }
    given = [part for limit in limits for part in ("--limit", limit)]
    command = [sys.executable, "-m", "socialanalyzer_dagster.cli", "sandbox", *given]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as child:  # noqa: S603
        try:
            _wait_for(environment["SOCIALANALYZER_SANDBOX_URL"])
            yield environment
        finally:
            child.terminate()


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while sandbox_state(url) is None:
        if time.monotonic() > deadline:
            raise RuntimeError(f"no sandbox answers at {url}")
        time.sleep(0.1)
