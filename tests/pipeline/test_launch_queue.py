"""Which queued batches a full shared cap holds back, as the ledger stands (spec 12.5)."""

from datetime import timedelta

import pytest
from batch_world import FETCH_MICROS, FOUND_MICROS, World, book_policy
from sqlalchemy import update

from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.batch_actions import Deed, find_batch, retry
from socialanalyzer_dagster.pipeline.batch_view import batch_rows, batch_view
from socialanalyzer_dagster.pipeline.launch_queue import held_batches, launch_queue
from socialanalyzer_dagster.storage.batches import BatchPage
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow

SEARCH_MICROS = 10 * FOUND_MICROS
SPENT_MICROS = 6 * FOUND_MICROS + 6 * FETCH_MICROS
"""A search for six people who were all screened."""


def world_with(database, policy, clock, tmp_path, **budgets):
    return World(database, book_policy(policy, budgets=budgets), clock, tmp_path)


async def spend(world: World) -> str:
    key = world.create().key
    await world.run(key, Stage.DISCOVERED, Stage.SCREENED)
    return key


@pytest.mark.parametrize("scope", ["platform_day_usd", "day_usd", "month_usd"])
async def test_a_full_shared_cap_holds_a_search_that_is_not_bought(database, policy, clock, tmp_path, scope):
    cap = (SPENT_MICROS + SEARCH_MICROS) / 1_000_000
    world = world_with(database, policy, clock, tmp_path, **{scope: cap - 0.01})
    await spend(world)
    waiting = world.create()
    (queued,) = launch_queue(world.workplace).queued
    assert queued.needed_micros == SEARCH_MICROS
    assert f"raise budgets.{scope}" in str(queued.held_by)
    view = batch_view(world.workplace, waiting.key)
    assert view["held_by"] == queued.held_by
    assert [row["held_by"] for row in batch_rows(world.workplace, BatchPage(status="queued"))] == [queued.held_by]
    clock.at += timedelta(days=31)
    assert batch_view(world.workplace, waiting.key)["held_by"] is None


async def test_room_for_the_search_is_enough(sqlite_database, policy, clock, tmp_path):
    cap = (SPENT_MICROS + SEARCH_MICROS) / 1_000_000
    world = world_with(sqlite_database, policy, clock, tmp_path, day_usd=cap)
    await spend(world)
    world.create()
    assert launch_queue(world.workplace).queued[0].held_by is None


async def test_a_batch_whose_search_is_bought_needs_room_for_one_lead_alone(sqlite_database, policy, clock, tmp_path):
    world = world_with(sqlite_database, policy, clock, tmp_path, day_usd=(SPENT_MICROS + 30_000) / 1_000_000)
    key = await spend(world)
    with world.database.write() as connection:
        connection.execute(update(LeadBatchRow).values(status="queued"))
    queued = launch_queue(world.workplace).queued[0]
    assert (queued.needed_micros, queued.held_by) == (20_000, None)
    assert held_batches(world.workplace, [find_batch(world.workplace, key)]) == {}


async def test_a_batch_with_nothing_left_to_buy_is_never_held(sqlite_database, policy, clock, tmp_path):
    world = world_with(sqlite_database, policy, clock, tmp_path, day_usd=1)
    key = world.create().key
    await world.run(key)
    with world.database.write() as connection:
        connection.execute(update(LeadBatchRow).values(status="paused"))
    retry(world.workplace, key, Deed(by="Ada"))
    (queued,) = launch_queue(world.workplace).queued
    assert (queued.needed_micros, queued.held_by) == (0, None)
    assert queued.caps, "the caps have no room for its estimate"
