"""Limits of several processes over one database, for the tests of what they share."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from gate_world import VirtualTime

from socialanalyzer_dagster.domain.policy_money import LimitsPolicy
from socialanalyzer_dagster.pipeline.limit_source import SharedSource
from socialanalyzer_dagster.pipeline.limits import Limits
from socialanalyzer_dagster.pipeline.writer import GroupWriter
from socialanalyzer_dagster.storage.database import Database, shared_seconds

REST = {"hold_seconds": 5, "lease_seconds": 10, "slow_below": "0.1", "leads_in_work": {}}


def rules(concurrent: int, *windows: tuple[int, float], **more: Any) -> LimitsPolicy:
    bucket = {"concurrent": concurrent, "windows": [{"calls": calls, "seconds": seconds} for calls, seconds in windows]}
    return LimitsPolicy.model_validate({"buckets": {"b": bucket}, **REST, **more})


@asynccontextmanager
async def shared(database: Database, policy: LimitsPolicy, clock: VirtualTime | None = None, holder: str = "batch"):
    """The limits of one process over the database."""
    options: dict[str, Any] = {} if clock is None else {"sleep": clock.sleep, "monotonic": clock.monotonic}
    async with GroupWriter(database) as writer:
        source = SharedSource(writer, shared_seconds if clock is None else lambda _connection: clock.seconds)
        found = Limits(policy, source, holder=holder, **options)
        yield found
        await found.close()


def url_of(database: Database) -> str:
    return database.url.render_as_string(hide_password=False)


def side_by_side(database: Database, count: int, work: Any) -> None:
    """`work(database, number)` in threads with databases and loops of their own, as separate processes have them."""

    def process(number: int) -> None:
        own = Database(url_of(database))
        try:
            asyncio.run(work(own, number))
        finally:
            own.dispose()

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(process, range(count)))
