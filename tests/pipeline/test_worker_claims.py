"""Workers share the queue: each batch is one worker's, and what nobody may run is left with its reason."""

from contextlib import ExitStack

import pytest
from batch_world import World, book_policy
from sqlalchemy import update

from socialanalyzer_dagster.pipeline import worker_claims
from socialanalyzer_dagster.pipeline.launching import QueuedBatch
from socialanalyzer_dagster.pipeline.worker_claims import NothingToDo, next_batch
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow


@pytest.fixture
def world(database, policy, clock, tmp_path):
    return World(database, book_policy(policy), clock, tmp_path)


def test_two_workers_never_take_the_same_batch(world):
    keys = sorted(world.create().key for _ in range(2))
    with ExitStack() as both:
        first, second, third = (both.enter_context(next_batch(world.workplace, ())) for _ in range(3))
        assert isinstance(first, QueuedBatch)
        assert isinstance(second, QueuedBatch)
        assert [first.key, second.key] == keys
        assert third == NothingToDo("Other workers have taken what may be run now.")
    with next_batch(world.workplace, {first.run_key}) as again:
        assert again == second, "free again, and what this worker tried already is left out"


def test_a_batch_that_another_worker_finished_after_the_look_is_left(world, monkeypatch):
    world.create()
    lock_of = worker_claims.batch_lock

    def lock_after_another_worker(*names):
        with world.database.write() as connection:
            connection.execute(update(LeadBatchRow).values(status="awaiting_approval"))
        return lock_of(*names)

    monkeypatch.setattr(worker_claims, "batch_lock", lock_after_another_worker)
    with next_batch(world.workplace, ()) as found:
        assert isinstance(found, NothingToDo)
    with next_batch(world.workplace, ()) as found:
        assert found == NothingToDo("No batch is queued.")
