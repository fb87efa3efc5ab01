"""60 Instagram leads over HTTP against vendors with latencies and limits, beside the least time these allow."""

import math
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import yaml
from sqlalchemy import select

from benchmarks.figures import Figure
from benchmarks.house import House, sandbox_home
from benchmarks.options import Options
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.sandbox.limits import TOKENS, WINDOWS, Window, latency_seconds, parse_limit
from socialanalyzer_dagster.sandbox.serve import sandbox_bill
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.models_leads import BatchStageRow
from socialanalyzer_dagster.storage.models_results import StageOutcomeRow

LEADS = 60
MOST_RATIO = 1.25
ACCOUNT = ("openai.tokens=450000/60", "openai=500/60", "insightiq=10/1")
"""The limits of the account's tier unless the command line says otherwise."""
_SLOWEST = {"openai": "openai.chat_completions", "insightiq": "insightiq.contents_fetch"}
_FILTERS: Mapping[str, object] = {"creator_interests": ["travel"]}
_PLENTY_IN_WORK = 60


def measure(options: Options) -> Iterator[Figure]:
    """Wall time from the search to the scores, and its ratio to the bound; SQLite, as by default."""
    limits = options.limits or ACCOUNT
    windows = dict(map(parse_limit, limits))
    for leads in options.sizes or (LEADS,):
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as folder,
            sandbox_home(Path(folder), speed="realistic", limits=limits) as environment,
        ):
            house = House(environment)
            _pace(house, Path(folder) / "policy.yaml", windows)
            started = time.perf_counter()
            house.run_batch("instagram", {**_FILTERS, "max_results": leads})
            seconds = time.perf_counter() - started
            chain = _chain_seconds(environment)
            bounds = _bounds(environment, windows) | {"one lead's chain": chain}
        slowest = max(bounds, key=lambda name: bounds[name])
        name = f"realistic, {leads} leads"
        yield Figure(name=f"{name}: wall time", value=seconds, unit="s")
        for what, bound in sorted(bounds.items(), key=lambda pair: -pair[1]):
            yield Figure(name=f"{name}: least time for {what}", value=bound, unit="s")
        yield Figure(name=f"{name}: wall time / {slowest}", value=seconds / bounds[slowest], most=MOST_RATIO)


def _pace(house: House, file: Path, windows: Mapping[str, Window]) -> None:
    """A policy with the account's limits, and as many calls at once as these need at the vendors' latencies."""
    house.run("db", "upgrade")
    document = house.run("policy", "show")["document"]
    limits = document["limits"]
    for key, window in windows.items():
        if key in limits["buckets"]:
            concurrent = math.ceil(1.5 * window.calls / window.seconds * latency_seconds(_SLOWEST.get(key, key)))
            rate = {"calls": window.calls, "seconds": window.seconds}
            limits["buckets"][key] |= {"windows": [rate], "concurrent": concurrent}
    if (tokens := windows.get(TOKENS)) is not None:
        for each in limits.get("tokens", []):
            each["per_minute"] = int(60 * tokens.calls / tokens.seconds)
    limits["leads_in_work"] |= dict.fromkeys(("screened", "enriched", "analyzed", "scored"), _PLENTY_IN_WORK)
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    house.run("policy", "activate", str(file))


def _bounds(environment: Mapping[str, str], windows: Mapping[str, Window]) -> dict[str, float]:
    """Calls divided by the rate of every window that limits them, and tokens likewise."""
    bill = sandbox_bill(environment["SOCIALANALYZER_SANDBOX_URL"])
    if bill is None:
        raise RuntimeError("the sandbox's bill could not be read")
    limits = {key: found[:1] for key, found in WINDOWS.items()} | {key: (window,) for key, window in windows.items()}
    calls: Counter[str] = Counter()
    for operation, count in bill["requests"].items():
        calls[operation if operation in limits else operation.partition(".")[0]] += count
    bounds = {
        f"calls of {key}": count * _seconds_per_call(limits[key][0]) for key, count in calls.items() if key in limits
    }
    return bounds | {
        f"tokens of {model}": count * _seconds_per_call(limits[TOKENS][0]) for model, count in bill["tokens"].items()
    }


def _seconds_per_call(window: Window) -> float:
    return window.seconds / window.calls


def _chain_seconds(environment: Mapping[str, str]) -> float:
    """What one lead alone would wait for: the search, then in every stage the least time that any lead took there."""
    database = Database(Settings.from_environment(dict(environment)).database_url.get_secret_value())
    stages, outcomes = BatchStageRow, StageOutcomeRow
    with database.read() as connection:
        search = select(stages.started_at, stages.finished_at).where(stages.stage == Stage.DISCOVERED)
        started, finished = connection.execute(search).one()
        assert started is not None
        assert finished is not None
        least: dict[str, timedelta] = {Stage.DISCOVERED: finished - started}
        for stage, began, ended in connection.execute(
            select(outcomes.stage, outcomes.started_at, outcomes.finished_at).where(
                outcomes.is_current, outcomes.result == "passed", outcomes.stage != Stage.DISCOVERED
            )
        ):
            least[stage] = min(least.get(stage, timedelta.max), ended - began)
    database.dispose()
    return sum(taken.total_seconds() for taken in least.values())
