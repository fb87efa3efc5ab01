"""One run at a time works on a batch, and a new holder takes over from a dead one (spec 2.4)."""

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from batch_world import World, book_policy

from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.locks import BatchLocked, LockLost, batch_lock


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


KILLED = """
import asyncio, os, signal, sys
sys.path.insert(0, {here!r})
from datetime import UTC, datetime
from pathlib import Path
from batch_world import World, book_policy
from socialanalyzer_dagster.domain.policy import INSTANT_POLICY, shipped_policy
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.storage.database import Database

class Clock:
    def now(self):
        return datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

world = World.__new__(World)
world.database, world.policy, world.clock = Database({url!r}), book_policy(shipped_policy(INSTANT_POLICY)), Clock()
world.home, world.vendor = Path({home!r}), __import__("batch_world").BookVendor(names={names!r})
real = world.vendor.call

def call(stage, name):
    made = real(stage, name)
    if (str(stage), name) != {at!r}:
        return made
    async def die():
        await asyncio.sleep(0.3)  # what came before is committed by then
        os.kill(os.getpid(), signal.SIGKILL)
    import dataclasses
    return dataclasses.replace(made, send=die)

world.vendor.call = call
asyncio.run(world.run({key!r}, run_id="killed"))
"""


@pytest.mark.parametrize("at", [("screened", "p5"), ("enriched", "p1+p2+p3+p4+p5+p6")])
async def test_a_killed_run_is_taken_over_and_ends_in_the_same_leads(world, at):
    key = world.create().key
    names = [f"p{n}" for n in range(1, 7)]
    script = textwrap.dedent(KILLED).format(
        here=str(Path(__file__).parent),
        url=world.database.url.render_as_string(hide_password=False),
        home=str(world.home),
        names=names,
        at=at,
        key=key,
    )
    ended = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script], capture_output=True, timeout=60, check=False
    )
    assert ended.returncode == -9, ended.stderr.decode()[-2000:]
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
