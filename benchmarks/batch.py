"""A batch of 500 Instagram leads over HTTP against the instant sandbox, discovered to plan, as a user runs it."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from typing import Any

LEADS = 500
FILTERS = {"max_results": LEADS, "creator_interests": ["travel"]}


def measure() -> dict[str, object]:
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"SOCIALANALYZER_HOME": home, "SOCIALANALYZER_SANDBOX_URL": "http://127.0.0.1:8399"}
        created = _run(
            environment, "batch", "create", "--platform", "instagram", "--filters", json.dumps(FILTERS), "--yes"
        )
        started = time.perf_counter()
        _run(environment, "batch", "run", created["key"], "--to", "scored")
        seconds = time.perf_counter() - started
        shown = _run(environment, "batch", "show", created["key"])
        ledger = _run(environment, "ledger", "show", created["key"])
    calls = sum(row["calls"] for row in ledger["calls"])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {
        "leads": shown["stages"]["discovered"]["in"],
        "scored": shown["stages"]["scored"]["passed"],
        "seconds": round(seconds, 1),
        "peak memory in MB": round(peak),
        "paid calls per lead": round(calls / LEADS, 1),
        "spend in micro-USD": ledger["total_micros"],
    }


def _run(environment: dict[str, str], *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "socialanalyzer_dagster.cli", *arguments, "--json"]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)  # noqa: S603 - our own command
    found: dict[str, Any] = json.loads(done.stdout)
    return found
