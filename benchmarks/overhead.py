"""What the pipeline itself costs: batches through six stages with a platform and a CRM that answer at once."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from benchmarks.children import Measured, in_child, measured
from benchmarks.engines import ENGINES, engine_in
from benchmarks.figures import Figure
from benchmarks.memory_crm import MemoryCrm
from benchmarks.memory_platform import BenchWorld, MemoryVendor, WallClock, bench_policy
from benchmarks.options import Options
from socialanalyzer_dagster.domain.policy import INSTANT_POLICY, shipped_policy
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.crm_apply import apply_plan
from socialanalyzer_dagster.pipeline.crm_plan import make_plan
from socialanalyzer_dagster.storage.models_control import ProviderAttemptRow
from tests.pipeline.batch_world import LEAD_STAGES, quiet

SIZES = (500, 1_000, 5_000)
MOST_SECONDS = {(False, "sqlite"): 6, (False, "postgresql"): 6, (True, "sqlite"): 15, (True, "postgresql"): 30}
MOST_GROWTH, MOST_MB, MOST_MB_GROWTH = 11, 350, 1.25


def measure(options: Options) -> Iterator[Figure]:
    """Figures of every engine, without paid calls and with eleven per lead."""
    sizes = options.sizes or SIZES
    for is_paid in (False, True):
        for engine in options.engines or ENGINES:
            found = {leads: in_child(f"{__name__}:run", engine=engine, leads=leads, is_paid=is_paid) for leads in sizes}
            what = f"overhead, {'11 paid calls a lead' if is_paid else 'no paid calls'}, {engine}"
            for leads, each in found.items():
                most = MOST_SECONDS[is_paid, engine] if leads == SIZES[-1] else None
                yield from _figures(f"{what}, {leads:,} leads", each, most)
            if len(sizes) > 1:
                yield from _growth(what, found)


def _figures(what: str, each: dict[str, Any], most_seconds: float | None) -> Iterator[Figure]:
    yield Figure(name=f"{what}: wall time", value=each["seconds"], unit="s", most=most_seconds)
    yield Figure(name=f"{what}: processor time", value=each["own_seconds"], unit="s")
    if each["server_seconds"]:
        yield Figure(name=f"{what}: processor time of the server", value=each["server_seconds"], unit="s")
    yield Figure(name=f"{what}: peak memory", value=each["peak_mb"], unit="MB", most=MOST_MB)
    yield Figure(name=f"{what}: written per lead", value=each["bytes_written"] / each["leads"] / 1024, unit="KiB")
    stages = ", ".join(f"{name} {took:.1f} s" for name, took in each["parts"].items())
    yield Figure(name=f"{what}: processor time by stage", value=stages)


def _growth(what: str, found: dict[int, dict[str, Any]]) -> Iterator[Figure]:
    small, large = min(found), max(found)
    name = f"{what}, {small:,} to {large:,} leads"
    times = found[large]["seconds"] / found[small]["seconds"]
    yield Figure(name=f"{name}: time", value=times, unit="times", most=MOST_GROWTH * large / small / 10)
    memory = found[large]["peak_mb"] / found[small]["peak_mb"]
    yield Figure(name=f"{name}: peak memory", value=memory, unit="times", most=MOST_MB_GROWTH)


def run(folder: Path, *, engine: str, leads: int, is_paid: bool) -> dict[str, Any]:
    """One batch in this process; raises RuntimeError when it did not do the whole work."""
    with engine_in(folder, engine) as found:
        policy = bench_policy(shipped_policy(INSTANT_POLICY))
        world = BenchWorld(
            database=found.database, policy=policy, clock=WallClock(), home=folder,
            vendor=MemoryVendor(leads=leads, is_paid=is_paid), crm=MemoryCrm(policy),
        )  # fmt: skip
        key = world.create_batch()
        cost, parts = Measured(), dict[str, float]()
        with measured(found, cost):
            asyncio.run(_stages(world, key, parts))
        _check(world, key)
    return {"leads": leads, "parts": parts, **asdict(cost)}


async def _stages(world: BenchWorld, key: str, parts: dict[str, float]) -> None:
    for stage in (Stage.DISCOVERED, *LEAD_STAGES):
        with _timed(parts, stage):
            await world.run(key, stage)
    with _timed(parts, "plan"):
        async with world.opened(key) as batch:
            await make_plan(batch)
    with _timed(parts, Stage.SYNCED):
        async with world.opened(key) as batch:
            await apply_plan(batch, quiet)


@contextmanager
def _timed(parts: dict[str, float], name: str) -> Iterator[None]:
    started = time.process_time()
    yield
    parts[name] = time.process_time() - started


def _check(world: BenchWorld, key: str) -> None:
    vendor = world.vendor
    synced = world.ends(key, Stage.SYNCED)["created"]
    with world.database.read() as connection:
        of_state = select(func.count()).select_from(ProviderAttemptRow).where(ProviderAttemptRow.state == "settled")
        settled = connection.execute(of_state).scalar_one()
    if synced != vendor.leads * 4 // 5 or settled != (11 * vendor.leads if vendor.is_paid else 0):
        raise RuntimeError(f"{synced} contacts and {settled} settled calls are not what {vendor.leads} leads make")
