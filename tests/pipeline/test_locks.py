"""One run at a time works on a batch, and a new holder takes over from a dead one (spec 2.4)."""

import asyncio
import os
import signal
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from batch_world import World, book_policy
from sqlalchemy.exc import OperationalError

from socialanalyzer_dagster.domain.calls import Reply, VendorCall
from socialanalyzer_dagster.domain.policy import INSTANT_POLICY, shipped_policy
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline import session
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.locks import BatchLocked, LockLost, batch_lock
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.pipeline.session import refuse_if_held
from socialanalyzer_dagster.storage.database import Database
from tests.conftest import MovableClock
from tests.scenarios.processes import KILLED, warm_processes


@pytest.fixture
def world(database, policy, clock, tmp_path):
    return World(database, book_policy(policy), clock, tmp_path)


async def test_the_loser_ends_at_once_and_names_the_holder(world):
    key = world.create().key
    async with world.opened(key, "first-run") as batch:
        assert find_batch(world.workplace, key).holder["run_id"] == "first-run"
        with pytest.raises(BatchLocked, match="first-run"):
            async with world.opened(key, "second-run"):
                pass
        assert batch.dead_run_id is None
    async with world.opened(key, "second-run") as batch:
        assert batch.dead_run_id is None
    assert find_batch(world.workplace, key).holder is None


async def test_a_held_batch_is_refused_before_a_run_is_made_and_stays_its_holders(world):
    batch = find_batch(world.workplace, world.create().key)
    refuse_if_held(world.workplace, batch.batch_id, batch.partition_key)
    async with world.opened(batch.partition_key, "first-run") as opened:
        with pytest.raises(BatchLocked, match="first-run"):
            await asyncio.to_thread(refuse_if_held, world.workplace, batch.batch_id, batch.partition_key)
        assert not opened.brake.is_pulled
    refuse_if_held(world.workplace, batch.batch_id, batch.partition_key)


async def test_locks_of_different_batches_do_not_meet(world):
    one, two = world.create().key, world.create().key
    async with world.opened(one), world.opened(two):
        pass


def test_a_released_lock_can_be_taken_and_is_no_longer_ours(world):
    first, second = (batch_lock(world.database, world.home, "batch") for _ in range(2))
    assert first.acquire()
    assert not second.acquire()
    first.check()
    first.release()
    first.release()
    with pytest.raises(LockLost):
        first.check()
    assert second.acquire()
    second.release()


async def beats_of(world: World, monkeypatch: pytest.MonkeyPatch, failures: int) -> tuple[int, str | None]:
    """How often a run gave a sign of life to a database that takes the first ones not, and why it braked."""
    beats = 0

    def touch(_batch: OpenBatch) -> None:
        nonlocal beats
        beats += 1
        if beats <= failures:
            raise OperationalError("UPDATE", {}, Exception("server closed the connection"))

    monkeypatch.setattr(session, "_touch", touch)
    sleep = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda seconds: sleep(min(seconds, 0.01)))
    async with world.opened(world.create().key) as batch:
        for _ in range(500):
            await sleep(0.01)
            if batch.brake.is_pulled or beats > failures + 1:
                break
        return beats, batch.brake.reason


@pytest.fixture
def hectic(sqlite_database, policy, clock, tmp_path):
    """A run that gives a sign of life every second and counts as dead after sixty of them."""
    runtime = {"heartbeat_seconds": 1, "stale_heartbeat_minutes": 1}
    return World(sqlite_database, book_policy(policy, runtime=runtime), clock, tmp_path)


async def test_a_run_outlives_a_database_that_takes_no_sign_of_life_for_a_while(hectic, monkeypatch):
    beats, braked = await beats_of(hectic, monkeypatch, failures=3)
    assert (beats > 4, braked) == (True, None)


async def test_a_run_that_must_look_dead_to_others_begins_nothing_new(hectic, monkeypatch):
    beats, braked = await beats_of(hectic, monkeypatch, failures=10_000)
    assert braked == "the database took no sign of life"
    assert beats == 60


def run_until_killed(url: str, home: Path, key: str, at: tuple[str, str]) -> None:
    """A run in a process of its own, which dies while a call is out."""
    clock = MovableClock(datetime(2026, 11, 20, 12, 0, tzinfo=UTC))
    world = World(Database(url), book_policy(shipped_policy(INSTANT_POLICY)), clock, home, settled=True)
    call = world.vendor.call

    def deadly(stage: Stage, name: str) -> VendorCall[Any]:
        made = call(stage, name)
        return replace(made, send=_die) if (stage, name) == at else made

    world.vendor.call = deadly  # type: ignore[method-assign]
    asyncio.run(world.run(key, run_id="killed"))


async def _die() -> Reply:
    await asyncio.sleep(0.3)  # what came before is committed by then
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("the process is dead")


@pytest.mark.xdist_group("kills")  # one server of warm processes
@pytest.mark.parametrize("at", [("screened", "p5"), ("enriched", "p1+p2+p3+p4+p5+p6")])
async def test_a_killed_run_is_taken_over_and_ends_in_the_same_leads(world, at):
    key = world.create().key
    url = world.database.url.render_as_string(hide_password=False)
    killed = warm_processes().Process(target=run_until_killed, args=(url, world.home, key, at))
    killed.start()
    await asyncio.to_thread(killed.join, 60)
    assert killed.exitcode == KILLED
    before = world.outcomes(current=False)
    assert before, "outcomes were committed before the kill"
    assert find_batch(world.workplace, key).holder["run_id"] == "killed"
    async with world.opened(key) as batch:
        assert batch.dead_run_id == "killed"
    await world.run(key)
    assert world.codes(Stage.SCORED) == {"passed": 6}
    assert all(len(results) == 1 for results in world.outcomes(current=False).values()), "nothing was done twice"
    assert set(world.vendor.asked.values()) <= {1}
    assert "search" not in world.vendor.asked, "the dead run's search is read again, not bought again"
    assert f"{at[0]}:{at[1]}" in world.vendor.asked, "the call in flight at the kill is made again"
    assert world.costs_agree()
