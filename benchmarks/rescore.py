"""Stored scores under another policy: no call, no cost, and the same bytes under the same policy (spec 10.5)."""

import random
from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select

from benchmarks.children import Measured, in_child, measured
from benchmarks.engines import ENGINES, engine_in
from benchmarks.figures import Figure
from benchmarks.memory_platform import BenchWorld, MemoryVendor, WallClock, bench_policy, lead_row, record_of
from benchmarks.options import Options
from socialanalyzer_dagster.domain.policy import INSTANT_POLICY, Policy, parse_policy, shipped_policy
from socialanalyzer_dagster.domain.scores import DIMENSIONS, ScoreInputs, ScoreRecord
from socialanalyzer_dagster.domain.scoring import compute_score
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.rescore import Rescored, rescore
from socialanalyzer_dagster.storage import scores
from socialanalyzer_dagster.storage.models_control import ProviderAttemptRow
from socialanalyzer_dagster.storage.models_leads import LeadRow
from socialanalyzer_dagster.storage.scores import ScoresOf
from tests.pipeline.batch_world import PLATFORM

LEADS = 100_000
MOST_SECONDS = {"sqlite": 10, "postgresql": 20}
_PART = 10_000
_SEED = 7


def measure(options: Options) -> Iterator[Figure]:
    """Figures of every engine."""
    for engine in options.engines or ENGINES:
        for leads in options.sizes or (LEADS,):
            each = in_child(f"{__name__}:run", engine=engine, leads=leads)
            name = f"re-score, {engine}, {leads:,} leads"
            most = MOST_SECONDS[engine] * leads / LEADS
            yield Figure(name=f"{name}: wall time", value=each["seconds"], unit="s", most=most)
            yield Figure(name=f"{name}: processor time", value=each["own_seconds"] + each["server_seconds"], unit="s")
            yield Figure(name=f"{name}: peak memory", value=each["peak_mb"], unit="MB")
            yield Figure(name=f"{name}: paid calls", value=each["calls"], most=0)
            yield Figure(name=f"{name}: different under the same policy", value=each["changed_under_same"], most=0)


def run(folder: Path, *, engine: str, leads: int) -> dict[str, Any]:
    """All scores under another policy, then under their own."""
    with engine_in(folder, engine) as found:
        policy = bench_policy(shipped_policy(INSTANT_POLICY))
        world = BenchWorld(
            database=found.database, policy=policy, clock=WallClock(), home=folder, vendor=MemoryVendor(leads=10)
        )
        _store(world, leads)
        cost = Measured()
        with measured(found, cost):
            moved = _rescored(world, _other(policy))
        same = _rescored(world, policy)
        with found.database.read() as connection:
            calls = connection.execute(select(func.count()).select_from(ProviderAttemptRow)).scalar_one()
    if moved.scores != leads or not moved.changed:
        raise RuntimeError(f"{moved.scores} of {leads} scores were computed again, {moved.changed} of them changed")
    return {**asdict(cost), "calls": calls, "changed_under_same": same.changed}


def _rescored(world: BenchWorld, policy: Policy) -> Rescored:
    return rescore(world.database, policy, batch_id=None, now=world.clock.now())


def _other(policy: Policy) -> Policy:
    document = policy.document()
    share = Decimal(1) / len(DIMENSIONS)
    document["scoring"]["weights"] = dict.fromkeys(DIMENSIONS, share)
    return parse_policy(document)


def _store(world: BenchWorld, leads: int) -> None:
    now = world.clock.now()
    batch = find_batch(world.workplace, world.create_batch())
    of = ScoresOf(batch_id=batch.batch_id, policy_hash=batch.policy_hash)
    dice = random.Random(_SEED)  # noqa: S311 - the same scores every time
    for first in range(1, leads + 1, _PART):
        numbers = range(first, min(first + _PART, leads + 1))
        with world.database.write() as connection:
            connection.execute(insert(LeadRow), [lead_row(number, now) for number in numbers])
            judged = {record_of(number).uid: _score(dice, number, world.policy) for number in numbers}
            scores.write_scores(connection, of, judged, now)


def _score(dice: random.Random, number: int, policy: Policy) -> ScoreRecord:
    answer = {name: Decimal(dice.randrange(101)) / 100 for name in DIMENSIONS}
    inputs = ScoreInputs(
        platform=PLATFORM,
        answers=(answer,),
        category="lifestyle",
        audience_size=number * 20,
        posts_above=number % 12,
        posts_below=number % 5,
        posts_hidden=number % 2,
        travel_flag=number % 7 == 0,
    )
    return compute_score(inputs, "measured", policy)
