"""A batch without a sign of life is put back while tries are left, and never while somebody works on it (spec 2.4)."""

from datetime import timedelta

import pytest
from batch_world import World, book_policy
from sqlalchemy import update

from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.interruptions import put_back_interrupted
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
