"""What the end of a run means for its batch (spec 2.4)."""

import pytest

from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline import run_ends
from socialanalyzer_dagster.pipeline.batch_actions import Deed, find_batch, stop
from socialanalyzer_dagster.pipeline.batch_status import CANCELLED, BatchStatus, Transition, transition
from socialanalyzer_dagster.pipeline.run_ends import How, RunEnd, settle_ends
from socialanalyzer_dagster.pipeline.run_outcomes import FailedRun, run_failed
from socialanalyzer_dagster.pipeline.workplace import Workplace
from tests.pipeline.batch_world import World, book_policy


@pytest.fixture
def world(sqlite_database, policy, clock, tmp_path):
    return World(sqlite_database, book_policy(policy), clock, tmp_path)


async def running(world: World, key: str, run_id: str) -> None:
    """The batch as a run that never ended leaves it."""
    await world.run(key, Stage.DISCOVERED, run_id=run_id)
    with world.database.write() as connection:
        wanted = Transition(to=BatchStatus.SCREENING, cause=None, now=world.clock.now())
        transition(connection, find_batch(world.workplace, key), wanted)


async def test_a_crashed_run_queues_its_batch_again(world: World) -> None:
    key = world.create().key
    await running(world, key, "run-1")
    sentence = run_failed(world.workplace, key, FailedRun(run_id="run-1"))
    batch = find_batch(world.workplace, key)
    assert (batch.status, batch.interruptions, batch.attempt) == (BatchStatus.QUEUED, 1, 2)
    assert "queued again" in sentence


async def test_a_batch_that_crashes_too_often_fails_and_says_so(world: World) -> None:
    key = world.create().key
    for crash in range(world.policy.runtime.relaunches + 1):
        await running(world, key, f"run-{crash}")
        run_failed(world.workplace, key, FailedRun(run_id=f"run-{crash}"))
    batch = find_batch(world.workplace, key)
    assert batch.status == BatchStatus.FAILED
    assert "crashed 4 times" in str(batch.cause)


async def test_a_run_that_failed_at_a_step_pauses_its_batch_and_names_the_step(world: World) -> None:
    key = world.create().key
    await running(world, key, "run-1")
    run_failed(world.workplace, key, FailedRun(run_id="run-1", failed_steps=("screened_leads_outcomes_complete",)))
    batch = find_batch(world.workplace, key)
    assert batch.status == BatchStatus.PAUSED
    assert "screened_leads_outcomes_complete" in str(batch.cause)


async def test_a_queued_batch_whose_launched_run_failed_before_it_began_is_paused(world: World) -> None:
    key = world.create().key
    run_failed(world.workplace, key, FailedRun(run_id="run-1", attempt=1, failed_steps=("ledger_balanced",)))
    assert find_batch(world.workplace, key).status == BatchStatus.PAUSED


async def test_a_run_that_was_cancelled_between_two_stages_pauses_its_batch(world: World) -> None:
    key = world.create().key
    await running(world, key, "run-1")
    sentence = run_failed(world.workplace, key, FailedRun(run_id="run-1", cancelled=True))
    batch = find_batch(world.workplace, key)
    assert (batch.status, batch.cause, batch.interruptions) == (BatchStatus.PAUSED, CANCELLED, 0)
    assert "is paused" in sentence


async def test_a_queued_batch_whose_launched_run_was_cancelled_before_it_began_is_paused(world: World) -> None:
    key = world.create().key
    run_failed(world.workplace, key, FailedRun(run_id="run-1", attempt=1, cancelled=True))
    assert find_batch(world.workplace, key).status == BatchStatus.PAUSED


async def test_a_batch_that_another_run_holds_is_left_alone(world: World) -> None:
    key = world.create().key
    await running(world, key, "run-2")
    run_failed(world.workplace, key, FailedRun(run_id="run-1", failed_steps=("screened_leads",)))
    assert find_batch(world.workplace, key).status == BatchStatus.SCREENING


async def test_a_run_that_did_a_part_of_its_batch_leaves_it_paused_and_one_that_ended_it_alone(world: World) -> None:
    key, whole = world.create().key, world.create().key
    await running(world, key, "run-1")
    run_failed(world.workplace, key, FailedRun(run_id="run-1", succeeded=True))
    batch = find_batch(world.workplace, key)
    assert batch.status == BatchStatus.PAUSED
    assert "run the batch again to go on" in str(batch.cause)
    stop(world.workplace, whole, Deed(by="Ben"))
    sentence = run_failed(world.workplace, whole, FailedRun(run_id="run-2", succeeded=True))
    assert sentence == f"Run run-2 is done; batch {whole} is stopped and was left as it is."


async def test_an_end_that_cannot_be_written_holds_up_no_other_and_is_told(world: World, monkeypatch) -> None:
    keys = [world.create().key for _ in range(2)]
    for number, key in enumerate(keys):
        world.vendor.names = [f"p{number}"]
        await running(world, key, f"run-{number}")

    def broken(workplace: Workplace, key: str, end: FailedRun) -> str:
        if key == keys[0]:
            raise ValueError("unreadable")
        return run_failed(workplace, key, end)

    monkeypatch.setattr(run_ends, "run_failed", broken)
    ends = [RunEnd(run_id=f"run-{number}", how=How.FAILED, key=key, attempt=1) for number, key in enumerate(keys)]
    settled = settle_ends(world.workplace, ends)
    assert [error.__notes__ for error in settled.errors] == [[f"at the end of run run-0 of batch {keys[0]}"]]
    assert find_batch(world.workplace, keys[1]).status == BatchStatus.QUEUED
    assert f"batch {keys[1]}" in settled.told
