"""The spending gate without a network: 1,000 leads with 11 gated calls each on SQLite, 200 calls in flight."""

import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from socialanalyzer_dagster.domain.calls import Reply, VendorCall
from socialanalyzer_dagster.domain.policy import INSTANT_POLICY, shipped_policy
from socialanalyzer_dagster.domain.types import LeadUid, Stage
from socialanalyzer_dagster.pipeline.gate import GateOptions, StageGate, spending_gate
from socialanalyzer_dagster.pipeline.writer import GroupWriter
from socialanalyzer_dagster.storage import schema
from socialanalyzer_dagster.storage.database import Database
from tests import gate_world

LEADS, CALLS, IN_FLIGHT = 1_000, 11, 200


class _Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)


def measure() -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'gate.db'}")
        schema.upgrade(database)
        try:
            return asyncio.run(_measure(database))
        finally:
            database.dispose()


async def _measure(database: Database) -> dict[str, object]:
    policy = gate_world.policy_with(
        shipped_policy(INSTANT_POLICY),
        budgets={"platform_day_usd": 10_000, "day_usd": 10_000, "month_usd": 10_000},
    )
    batch = gate_world.new_batch(database, policy, cap_micros=10_000_000_000)
    options = GateOptions(clock=_Clock(), suppression_key=gate_world.KEY)
    async with GroupWriter(database) as writer, spending_gate(database, writer, policy, options) as gate:
        bound = gate.bind(batch, Stage.ANALYZED)
        places = asyncio.Semaphore(IN_FLIGHT)
        leads = [gate_world.uid(number) for number in range(LEADS)]
        for uid in leads:
            await bound.identify(uid, [])
        started = time.perf_counter()
        await asyncio.gather(*(_call(bound, places, uid, step) for uid in leads for step in range(CALLS)))
        seconds = time.perf_counter() - started
    return {"calls": LEADS * CALLS, "seconds": round(seconds, 1), "calls per second": round(LEADS * CALLS / seconds)}


async def _call(gate: StageGate, places: asyncio.Semaphore, uid: LeadUid, step: int) -> None:
    async def send() -> Reply:
        return Reply(body={"answer": step}, units={"openai.gpt-4o.input": 100})

    call = VendorCall(
        operation=gate_world.CHAT,
        request={"lead": uid, "step": step},
        max_units={"openai.gpt-4o.input": 1000},
        send=send,
        decode=dict,
    )
    async with places:
        await gate.call(call, leads=[uid], step=f"step-{step}")
