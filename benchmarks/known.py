"""A search that finds 5,000 profiles in a database of known leads: told apart and stored without a query per lead."""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event, insert

from benchmarks.children import Measured, in_child, measured
from benchmarks.engines import ENGINES, engine_in
from benchmarks.figures import Figure
from benchmarks.memory_platform import BenchWorld, MemoryVendor, WallClock, bench_policy, lead_row
from benchmarks.options import Options
from socialanalyzer_dagster.domain.policy import INSTANT_POLICY, shipped_policy
from socialanalyzer_dagster.domain.types import Stage, lead_uid
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.models_leads import BatchLeadRow, LeadRow
from socialanalyzer_dagster.storage.models_results import StageOutcomeRow
from tests.pipeline.batch_world import PLATFORM

FOUND = 5_000
SIZES = (100_000, 1_000_000)
MOST_SECONDS, MOST_GROWTH = 2, 1.5
_PART = 10_000
_JUDGED_DAYS = 10


def measure(options: Options) -> Iterator[Figure]:
    """Figures of every engine and size of the database; half of what is found is known and half is new."""
    for engine in options.engines or ENGINES:
        sizes = options.sizes or SIZES
        found = {stored: in_child(f"{__name__}:run", engine=engine, stored=stored) for stored in sizes}
        for stored, each in found.items():
            name = f"known, {engine}, {FOUND:,} profiles against {stored:,} leads"
            yield Figure(name=f"{name}: wall time", value=each["seconds"], unit="s", most=MOST_SECONDS)
            yield Figure(name=f"{name}: processor time", value=each["own_seconds"] + each["server_seconds"], unit="s")
            yield Figure(name=f"{name}: statements a lead", value=each["statements"] / FOUND)
            yield Figure(name=f"{name}: peak memory", value=each["peak_mb"], unit="MB")
        small, large = min(sizes), max(sizes)
        if small != large:
            times = found[large]["seconds"] / found[small]["seconds"]
            name = f"known, {engine}, {small:,} to {large:,} leads: time"
            yield Figure(name=name, value=times, unit="times", most=MOST_GROWTH)


def run(folder: Path, *, engine: str, stored: int) -> dict[str, Any]:
    """One discovery in this process; raises RuntimeError when it told known from new wrongly."""
    with engine_in(folder, engine) as found:
        world = BenchWorld(
            database=found.database, policy=bench_policy(shipped_policy(INSTANT_POLICY)), clock=WallClock(),
            home=folder, vendor=MemoryVendor(leads=FOUND),
        )  # fmt: skip
        _store_known(world, stored)
        key = world.create_batch()
        statements, cost = _Counter(found.database), Measured()
        with measured(found, cost):
            asyncio.run(world.run(key, Stage.DISCOVERED))
        ends = world.ends(key, Stage.DISCOVERED)
        if ends != {"known_recent": FOUND // 2, "passed": FOUND // 2}:
            raise RuntimeError(f"half of the profiles are known and half are new, not {ends}")
    return {**asdict(cost), "statements": statements.count}


class _Counter:
    """Counts statements; a statement for many rows is one."""

    def __init__(self, database: Database) -> None:
        self.count = 0
        event.listen(database.engine, "before_cursor_execute", self._count)

    def _count(self, *_call: object) -> None:
        self.count += 1


def _store_known(world: BenchWorld, stored: int) -> None:
    """Leads that another batch rejected lately; the search finds the first 2,500 of them and 2,500 others."""
    now = world.clock.now()
    batch_id = find_batch(world.workplace, world.create_batch()).batch_id
    for first in range(0, stored, _PART):
        numbers = [_number(at) for at in range(first, min(first + _PART, stored))]
        with world.database.write() as connection:
            connection.execute(insert(LeadRow), [lead_row(number, now) for number in numbers])
            places = [{"batch_id": batch_id, "lead_uid": _uid(number), "position": number} for number in numbers]
            connection.execute(insert(BatchLeadRow), places)
            connection.execute(insert(StageOutcomeRow), [_rejected(batch_id, number, now) for number in numbers])


def _number(at: int) -> int:
    """Half of the numbers that the search finds, then numbers far behind them."""
    return at + 1 if at < FOUND // 2 else at + FOUND


def _uid(number: int) -> str:
    return lead_uid(PLATFORM, f"creator{number}")


def _rejected(batch_id: str, number: int, now: datetime) -> dict[str, Any]:
    at = now - timedelta(days=_JUDGED_DAYS)
    return {
        "batch_id": batch_id,
        "lead_uid": _uid(number),
        "stage": str(Stage.SCREENED),
        "attempt": 1,
        "is_current": True,
        "result": "rejected",
        "code": "inactive",
        "retryable": False,
        "detail": {},
        "evidence_ids": [],
        "cost_micros": 0,
        "started_at": at,
        "finished_at": at,
        "policy_version": "1",
        "code_version": "1",
    }
