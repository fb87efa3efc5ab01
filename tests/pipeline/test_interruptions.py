"""A batch without a sign of life is put back while tries are left, and never while somebody works on it (spec 2.4)."""

from datetime import timedelta

import pytest
from batch_world import World, book_policy
from sqlalchemy import update

from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.interruptions import (
    EndedLaunch,
    nothing_stuck,
    put_back_interrupted,
    put_back_unstarted,
)
from socialanalyzer_dagster.storage import decisions
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow


def _crashed(_run_id: str) -> bool:
    return False


@pytest.fixture
def world(sqlite_database, policy, clock, tmp_path):
    return World(sqlite_database, book_policy(policy), clock, tmp_path)


async def test_an_interrupted_batch_is_put_back_three_times_and_then_failed(world, clock):
    key = world.create().key
    await world.run(key, Stage.DISCOVERED)
    for attempt in (2, 3, 4):
        assert put_back_interrupted(world.workplace, _crashed) == [], "its heartbeat is young"
        clock.at += timedelta(minutes=16)
        assert len(put_back_interrupted(world.workplace, _crashed)) == 1
        batch = find_batch(world.workplace, key)
        assert (batch.status, batch.attempt) == ("queued", attempt)
        with world.database.write() as connection:
            connection.execute(update(LeadBatchRow).values(status="screening", heartbeat_at=clock.now()))
    clock.at += timedelta(minutes=16)
    put_back_interrupted(world.workplace, _crashed)
    batch = find_batch(world.workplace, key)
    assert batch.status == "failed"
    assert world.codes(Stage.SCREENED) == {"batch_stopped": 6}


async def test_a_batch_that_somebody_works_on_is_left_alone(world, clock):
    key = world.create().key
    await world.run(key, Stage.DISCOVERED)
    async with world.opened(key):
        clock.at += timedelta(minutes=16)
        put_back_interrupted(world.workplace, _crashed)
        assert find_batch(world.workplace, key).status == "discovering"


async def test_a_run_that_did_the_stages_it_was_asked_for_leaves_its_batch_paused(world, clock):
    key = world.create().key
    await world.run(key, Stage.DISCOVERED, run_id="a part of it")
    clock.at += timedelta(minutes=16)
    (sentence,) = put_back_interrupted(world.workplace, lambda run_id: run_id == "a part of it")
    batch = find_batch(world.workplace, key)
    assert batch.status == "paused"
    assert "did the stages it was asked for and no more" in str(batch.cause)
    assert batch.cause in sentence


async def test_a_queued_batch_whose_launched_run_died_before_it_began_is_launched_again(world, clock):
    key = world.create().key
    ended = EndedLaunch(run_id="gone", ended_at=clock.now())
    assert put_back_unstarted(world.workplace, lambda _batch: ended) == [], "its failure may still be reported"
    assert put_back_unstarted(world.workplace, lambda _batch: None) == []
    clock.at += timedelta(minutes=16)
    for attempt in (2, 3, 4):
        (sentence,) = put_back_unstarted(world.workplace, lambda _batch: ended)
        assert "queued again" in sentence
        batch = find_batch(world.workplace, key)
        assert (batch.status, batch.attempt, batch.interruptions) == ("queued", attempt, attempt - 1)
    put_back_unstarted(world.workplace, lambda _batch: ended)
    assert find_batch(world.workplace, key).status == "failed"


async def test_a_batch_that_its_run_made_and_never_began_is_queued(world, clock):
    key = world.create().key
    with world.database.write() as connection:
        connection.execute(update(LeadBatchRow).values(status="requested"))
    assert put_back_unstarted(world.workplace, lambda _batch: None) == []
    clock.at += timedelta(minutes=16)
    put_back_unstarted(world.workplace, lambda _batch: None)
    assert find_batch(world.workplace, key).status == "queued"


async def test_what_becomes_of_a_lost_run_is_in_the_log_before_it_happens(world, clock):
    key = world.create().key
    await world.run(key, Stage.DISCOVERED, run_id="gone")
    clock.at += timedelta(minutes=16)
    put_back_interrupted(world.workplace, _crashed)
    with world.database.read() as connection:
        (logged,) = decisions.of_batch(connection, find_batch(world.workplace, key).batch_id)
    assert (logged.kind, logged.action, logged.condition["run_id"]) == ("run_outcome", "requeue", "gone")


def test_a_quiet_look_says_why_nothing_was_put_back(world):
    assert nothing_stuck(world.workplace) == "No batch is running."
    world.create()
    with world.database.write() as connection:
        connection.execute(update(LeadBatchRow).values(status="screening", heartbeat_at=world.clock.now()))
    assert nothing_stuck(world.workplace) == "1 running batch, each with a sign of life within 15 minutes."
