"""The CRM plan of 10,000 contacts, half of them in the CRM already, without the CRM's own time."""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.children import Measured, in_child, measured
from benchmarks.engines import ENGINES, engine_in
from benchmarks.figures import Figure
from benchmarks.memory_crm import MemoryCrm
from benchmarks.memory_platform import BenchWorld, MemoryVendor, WallClock, bench_policy
from benchmarks.options import Options
from socialanalyzer_dagster.domain.policy import INSTANT_POLICY, shipped_policy
from socialanalyzer_dagster.domain.types import lead_uid
from socialanalyzer_dagster.pipeline.crm_plan import PlanReport, make_plan
from tests.pipeline.batch_world import PLATFORM

CONTACTS = 10_000
MOST_SECONDS = 5


def measure(options: Options) -> Iterator[Figure]:
    """Figures of every engine."""
    for engine in options.engines or ENGINES:
        for contacts in options.sizes or (CONTACTS,):
            each = in_child(f"{__name__}:run", engine=engine, contacts=contacts)
            name = f"plan, {engine}, {contacts:,} contacts"
            most = MOST_SECONDS * contacts / CONTACTS
            own = each["seconds"] - each["crm_seconds"]
            yield Figure(name=f"{name}: wall time without the CRM's", value=own, unit="s", most=most)
            yield Figure(name=f"{name}: processor time", value=each["own_seconds"] + each["server_seconds"], unit="s")
            yield Figure(name=f"{name}: the CRM's time", value=each["crm_seconds"], unit="s")
            yield Figure(name=f"{name}: peak memory", value=each["peak_mb"], unit="MB")


def run(folder: Path, *, engine: str, contacts: int) -> dict[str, Any]:
    """A scored batch, then its plan; raises RuntimeError when the plan is not what the CRM's content asks for."""
    with engine_in(folder, engine) as found:
        policy = bench_policy(shipped_policy(INSTANT_POLICY))
        crm = MemoryCrm(policy)
        world = BenchWorld(
            database=found.database, policy=policy, clock=WallClock(), home=folder,
            vendor=MemoryVendor(leads=contacts, drop_every=None), crm=crm,
        )  # fmt: skip
        key = world.create_batch()
        asyncio.run(world.run(key))
        crm.store([lead_uid(PLATFORM, f"creator{number}") for number in range(1, contacts // 2 + 1)])
        crm.seconds, cost = 0.0, Measured()
        with measured(found, cost):
            report = asyncio.run(_plan(world, key))
    if report.actions != {"create": contacts - contacts // 2, "update": contacts // 2}:
        raise RuntimeError(f"half of the contacts exist with little in them, but the plan says {report.actions}")
    return {**asdict(cost), "crm_seconds": crm.seconds}


async def _plan(world: BenchWorld, key: str) -> PlanReport:
    async with world.opened(key) as batch:
        return await make_plan(batch)
