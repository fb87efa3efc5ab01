"""A batch without a sign of life is put back while tries are left, and never while somebody works on it (spec 2.4)."""

from datetime import timedelta

import pytest
from batch_world import World, book_policy
from sqlalchemy import update

from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.interruptions import put_back_interrupted
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow


@pytest.fixture
def world(sqlite_database, policy, clock, tmp_path):
    return World(sqlite_database, book_policy(policy), clock, tmp_path)


async def test_an_interrupted_batch_is_put_back_three_times_and_then_failed(world, clock):
    key = world.create().key
    await world.run(key, Stage.DISCOVERED)
    for attempt in (2, 3, 4):
        assert put_back_interrupted(world.workplace) == [], "its heartbeat is young"
        clock.at += timedelta(minutes=16)
        assert len(put_back_interrupted(world.workplace)) == 1
        batch = find_batch(world.workplace, key)
        assert (batch.status, batch.attempt) == ("queued", attempt)
        with world.database.write() as connection:
            connection.execute(update(LeadBatchRow).values(status="screening", heartbeat_at=clock.now()))
    clock.at += timedelta(minutes=16)
    put_back_interrupted(world.workplace)
    batch = find_batch(world.workplace, key)
    assert batch.status == "failed"
    assert world.codes(Stage.SCREENED) == {"batch_stopped": 6}


async def test_a_batch_that_somebody_works_on_is_left_alone(world, clock):
    key = world.create().key
    await world.run(key, Stage.DISCOVERED)
    async with world.opened(key):
        clock.at += timedelta(minutes=16)
        put_back_interrupted(world.workplace)
        assert find_batch(world.workplace, key).status == "discovering"
