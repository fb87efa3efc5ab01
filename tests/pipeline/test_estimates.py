"""Estimates learn from completed batches, and fall back to the policy's figures (spec 12.2)."""

from datetime import timedelta

import pytest
from batch_world import FETCH_MICROS, FOUND_MICROS, PLATFORM, World, book_policy

from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.batch_finish import Ending, finish_batch
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.estimates import measured_rates


@pytest.fixture
def world(sqlite_database, policy, clock, tmp_path):
    return World(sqlite_database, book_policy(policy), clock, tmp_path)


async def completed(world, number):
    world.vendor.names = [f"p{number}{n}" for n in range(3)] + [f"r{number}"]
    key = world.create().key
    await world.run(key)
    batch = find_batch(world.workplace, key)
    finish_batch(world.workplace, batch, Ending(status=BatchStatus.COMPLETED, cause=None, now=world.clock.now()))


def rates(world):
    with world.database.read() as connection:
        return measured_rates(connection, PLATFORM, policy=world.policy, now=world.clock.now())


async def test_three_completed_batches_replace_the_defaults(world, clock):
    for number in range(3):
        assert "defaults" in rates(world).source
        await completed(world, number)
    measured = rates(world)
    assert "3 batches" in measured.source
    assert measured.stage_usd[Stage.DISCOVERED] * 1_000_000 == FOUND_MICROS
    assert measured.stage_usd[Stage.SCREENED] * 1_000_000 == FETCH_MICROS
    assert measured.pass_rates[Stage.DISCOVERED] == 1
    assert float(measured.pass_rates[Stage.SCREENED]) == 0.75
    assert set(measured.seconds) == {Stage.SCREENED, Stage.ENRICHED, Stage.ANALYZED, Stage.SCORED}
    created = world.create(filters={"keyword": "next", "max_results": 10})
    assert created.estimate_micros > 0
    estimate = find_batch(world.workplace, created.key).estimate
    assert "3 batches" in estimate["source"]
    assert estimate["stages"]["screened"]["seconds_per_lead"] == round(measured.seconds[Stage.SCREENED], 3)
    clock.at += timedelta(days=31)
    assert "defaults" in rates(world).source
