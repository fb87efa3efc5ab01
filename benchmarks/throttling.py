"""Four batches in four processes against the sandbox at realistic speed: how many calls the vendors answer with 429."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from socialanalyzer_dagster.domain.policy import shipped_policy
from socialanalyzer_dagster.sandbox.limits import TOKENS_PER_MINUTE
from socialanalyzer_dagster.sandbox.serve import sandbox_bill
from tests import gate_world

BATCHES = (
    ("instagram", {"max_results": 12, "hashtags": ["travel"]}),
    ("instagram", {"max_results": 12, "hashtags": ["yoga"]}),
    ("patreon", {"max_results": 12, "search_keywords": ["hiking"], "location": ""}),
    ("facebook", {"max_results": 12, "keywords": ["hiking"]}),
)
_SHARE_OF_TOKENS = 0.8


def measure() -> dict[str, object]:
    """Against SQLite, or against the database of BENCH_DATABASE_URL, which must be empty."""
    with tempfile.TemporaryDirectory() as home:
        environment = _environment(Path(home))
        server = subprocess.Popen(  # noqa: S603 - our own command
            _command("sandbox", "--speed", "realistic"), env=environment, stderr=subprocess.DEVNULL
        )
        try:
            return _measure(environment)
        finally:
            server.terminate()
            server.wait()


def _measure(environment: dict[str, str]) -> dict[str, object]:
    _run(environment, "db", "upgrade")
    keys = [
        _run(environment, "batch", "create", "--platform", platform, "--filters", json.dumps(filters), "--yes")["key"]
        for platform, filters in BATCHES
    ]
    started = time.perf_counter()
    runs = [
        subprocess.Popen(  # noqa: S603 - our own command
            _command("batch", "run", key, "--to", "scored", "--json"),
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for key in keys
    ]
    endings = [run.communicate()[1].decode()[-300:] if run.wait() else "" for run in runs]
    bill = sandbox_bill(environment["SOCIALANALYZER_SANDBOX_URL"])
    assert bill is not None
    calls, refused = sum(bill["requests"].values()), sum(bill["throttled"].values())
    views = [_run(environment, "batch", "show", key) for key in keys]
    return {
        "batches that failed": [ending for ending in endings if ending],
        "leads": sum(view["stages"]["discovered"]["in"] for view in views),
        "scored": sum(view["stages"]["scored"]["passed"] for view in views),
        "failed": sum(stage["failed"] for view in views for stage in view["stages"].values()),
        "seconds": round(time.perf_counter() - started),
        "calls": calls,
        "answered 429": refused,
        "by operation": bill["throttled"],
        "share answered 429": f"{refused / calls:.2%}",
    }


def _environment(home: Path) -> dict[str, str]:
    """The shipped limits, but the tokens of the account that the sandbox plays."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tokens = [
        {"model": each.model, "per_minute": int(TOKENS_PER_MINUTE * _SHARE_OF_TOKENS)}
        for each in shipped_policy().limits.tokens
    ]
    policy = gate_world.policy_with(shipped_policy(), limits={"tokens": tokens})
    (home / "policy.yaml").write_text(yaml.safe_dump(policy.document()), encoding="utf-8")
    environment = os.environ | {
        "SOCIALANALYZER_HOME": str(home),
        "SOCIALANALYZER_SANDBOX_URL": f"http://127.0.0.1:{port}",
        "SOCIALANALYZER_SANDBOX_SPEED": "realistic",
        "POLICY_PATH": str(home / "policy.yaml"),
    }
    if url := os.environ.get("BENCH_DATABASE_URL"):
        environment["DATABASE_URL"] = url
    return environment


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "socialanalyzer_dagster.cli", *arguments]


def _run(environment: dict[str, str], *arguments: str) -> Any:
    done = subprocess.run(  # noqa: S603 - our own command
        [*_command(*arguments), "--json"], env=environment, check=True, stdout=subprocess.PIPE
    )
    return json.loads(done.stdout)
