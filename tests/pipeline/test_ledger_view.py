"""`ledger show`: settled, held and unknown money of a batch, by vendor, stage and call."""

import pytest
from batch_world import FETCH, FETCH_MICROS, FOUND_MICROS, World, book_policy

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.pipeline.ledger_view import ledger_view


@pytest.fixture
def world(sqlite_database, policy, clock, tmp_path):
    return World(sqlite_database, book_policy(policy, retries={"reissue_lost": 0}), clock, tmp_path)


def view_of(world, batch_id):
    with world.database.read() as connection:
        return ledger_view(connection, batch_id)


def test_a_batch_that_never_ran_cost_nothing(world):
    view = view_of(world, world.create().batch_id)
    assert view == {
        "total_micros": 0, "held_micros": 0, "unknown_micros": 0, "by_vendor": {}, "by_stage": {}, "calls": [],
    }  # fmt: skip


async def test_sums_by_vendor_and_by_stage_are_the_total(world):
    world.vendor.names = ["p1", "p2", "r1"]
    created = world.create()
    await world.run(created.key)
    view = view_of(world, created.batch_id)
    assert view["total_micros"] == sum(view["by_vendor"].values()) == sum(view["by_stage"].values())
    assert view["by_stage"]["discovered"] == 3 * FOUND_MICROS
    assert view["by_stage"]["screened"] == 3 * FETCH_MICROS
    fetches = [call for call in view["calls"] if call["operation"] == FETCH]
    assert [(call["state"], call["micros"]) for call in fetches] == [
        ("settled", view["total_micros"] - 3 * FOUND_MICROS)
    ]


async def test_a_lost_answer_is_unknown_and_no_part_of_the_total(world):
    world.vendor.names = ["p1"]
    world.vendor.errors["screened:p1"] = VendorError("insightiq", ErrorClass.UNKNOWN, "timeout")
    created = world.create()
    await world.run(created.key)
    view = view_of(world, created.batch_id)
    assert (view["total_micros"], view["unknown_micros"]) == (FOUND_MICROS, FETCH_MICROS)
