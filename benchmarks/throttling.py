"""Four processes against the sandbox at realistic speed: how many calls the vendors answer with 429.

First four batches, as people run them; then as many free calls as four processes can send, to press on the limits.
"""

import asyncio
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from socialanalyzer_dagster.domain.policy import shipped_policy
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.gate import GateOptions, spending_gate
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.workplace import SystemClock
from socialanalyzer_dagster.pipeline.writer import GroupWriter
from socialanalyzer_dagster.sandbox.limits import TOKENS, WINDOWS
from socialanalyzer_dagster.sandbox.serve import sandbox_bill
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.vendors.connect import connect_vendors
from tests import gate_world

BATCHES = (
    ("instagram", {"max_results": 12, "hashtags": ["travel"]}),
    ("instagram", {"max_results": 12, "hashtags": ["yoga"]}),
    ("patreon", {"max_results": 12, "search_keywords": ["hiking"], "location": ""}),
    ("facebook", {"max_results": 12, "keywords": ["hiking"]}),
)
CALLS_PER_VENDOR = 40
"""Per process; the slowest vendor allows eight a second."""
_SHARE_OF_TOKENS = 0.8


def measure() -> dict[str, object]:
    """Against SQLite, or against the database of BENCH_DATABASE_URL, which must be empty."""
    with tempfile.TemporaryDirectory() as home:
        environment = _environment(Path(home))
        server = subprocess.Popen(  # noqa: S603 - our own command
            _command("sandbox", "--speed", "realistic"), env=environment, stderr=subprocess.DEVNULL
        )
        try:
            return _batches(environment) | _pressed(environment)
        finally:
            server.terminate()
            server.wait()


def _batches(environment: dict[str, str]) -> dict[str, object]:
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


def _pressed(environment: dict[str, str]) -> dict[str, object]:
    before = sandbox_bill(environment["SOCIALANALYZER_SANDBOX_URL"])
    started = time.perf_counter()
    with ProcessPoolExecutor(len(BATCHES), mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_press, [environment] * len(BATCHES)))
    after = sandbox_bill(environment["SOCIALANALYZER_SANDBOX_URL"])
    assert before is not None
    assert after is not None
    calls = sum(after["requests"].values()) - sum(before["requests"].values())
    refused = sum(after["throttled"].values()) - sum(before["throttled"].values())
    return {
        "pressed: calls": calls,
        "pressed: calls per second": round(calls / (time.perf_counter() - started), 1),
        "pressed: answered 429": refused,
        "pressed: share answered 429": f"{refused / calls:.2%}",
    }


def _press(environment: dict[str, str]) -> None:
    """One process that sends free calls to three vendors as fast as the limits let it."""
    asyncio.run(_send_all(Settings.from_environment(environment)))


async def _send_all(settings: Settings) -> None:
    database = Database(settings.database_url.get_secret_value())
    vendors, policy = connect_vendors(settings), active_policy(database)
    assert vendors.insightiq is not None
    assert vendors.hubspot is not None
    assert vendors.llm is not None
    options = GateOptions(clock=SystemClock(), suppression_key=gate_world.KEY)
    batch = gate_world.new_batch(database, policy)
    async with GroupWriter(database) as writer, spending_gate(database, writer, policy, options) as gate:
        stage = gate.bind(batch, Stage.SCREENED)
        calls = [vendors.insightiq.status(), vendors.hubspot.status(), vendors.llm.status()] * CALLS_PER_VENDOR
        await asyncio.gather(*(stage.call(call, leads=(), step=str(number)) for number, call in enumerate(calls)))
    await vendors.close()
    database.dispose()


def _environment(home: Path) -> dict[str, str]:
    """The shipped limits, but the tokens of the account that the sandbox plays."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tokens_per_minute = WINDOWS[TOKENS][0].calls
    tokens = [
        {"model": each.model, "per_minute": int(tokens_per_minute * _SHARE_OF_TOKENS)}
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
