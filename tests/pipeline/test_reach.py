"""A vendor that cannot be reached says nothing about the leads: their batch waits (spec 13.1, architecture 5)."""

import pytest
from batch_world import World, book_policy

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.domain.outcomes import failed, passed, rejected
from socialanalyzer_dagster.domain.types import LeadUid, Stage
from socialanalyzer_dagster.pipeline.batch_actions import Deed, find_batch, retry
from socialanalyzer_dagster.pipeline.reach import Reach

REFUSED = VendorError("insightiq", ErrorClass.TRANSIENT, "not_sent", sent=False)
ONE, TWO = LeadUid("one"), LeadUid("two")


@pytest.fixture
def world(sqlite_database, policy, clock, tmp_path):
    world = World(sqlite_database, book_policy(policy, retries={"attempts": 1}), clock, tmp_path)
    world.vendor.names = ["p1", "p2", "r3"]
    return world


async def test_a_vendor_that_no_lead_could_reach_pauses_the_batch_and_a_retry_finishes_it(world):
    world.vendor.names = ["p1", "r2"]  # fewer failures than open a breaker, which would make the batch wait by itself
    key = world.create().key
    await world.run(key, Stage.DISCOVERED)
    world.vendor.errors = {f"screened:{name}": REFUSED for name in world.vendor.names}
    reports = await world.run(key, Stage.SCREENED, Stage.ENRICHED)
    batch = find_batch(world.workplace, key)
    assert batch.status == "paused"
    assert "insightiq could not be reached, so no lead could be screened" in str(batch.cause)
    assert reports[Stage.SCREENED].halt == reports[Stage.ENRICHED].halt == batch.cause
    assert world.codes(Stage.SCREENED) == {"internal_error": 2}
    world.vendor.errors = {}
    retry(world.workplace, key, Deed(by="Ada"))
    await world.run(key)
    assert world.codes(Stage.SCREENED) == {"passed": 1, "inactive": 1}
    assert world.codes(Stage.SCORED) == {"passed": 1}


async def test_later_stages_wait_for_their_vendor_too(world):
    key = world.create().key
    await world.run(key, Stage.DISCOVERED, Stage.SCREENED)
    world.vendor.errors = {"enriched:p1+p2": REFUSED, "enriched:p1": REFUSED, "enriched:p2": REFUSED}
    await world.run(key, Stage.ENRICHED)
    assert find_batch(world.workplace, key).status == "paused"


async def test_leads_whose_vendor_was_reached_go_on_without_the_others(world):
    key = world.create().key
    await world.run(key, Stage.DISCOVERED)
    world.vendor.errors = {"screened:p1": REFUSED}
    await world.run(key, Stage.SCREENED)
    assert find_batch(world.workplace, key).status == "screening"


async def test_a_batch_of_leads_that_failed_for_another_reason_ends_empty(world):
    world.vendor.names = ["p1", "p2"]
    key = world.create().key
    await world.run(key, Stage.DISCOVERED)
    world.vendor.errors = {"screened:p1": REFUSED}
    world.vendor.bugs = {"screened:p2": ValueError()}
    await world.run(key, Stage.SCREENED)
    assert find_batch(world.workplace, key).status == "completed_empty"


def test_a_vendor_is_out_of_reach_when_it_answered_nobody_and_explains_every_failure() -> None:
    reach = Reach()
    reach.failed(REFUSED, [ONE])
    reach.ended(ONE, failed(Stage.ANALYZED, "all_items_failed"))
    reach.ended(TWO, rejected(Stage.ANALYZED, "suppressed"))
    assert reach.out_of_reach == ("insightiq",)
    reach.ended(TWO, failed(Stage.ANALYZED, "evidence_incomplete"))
    assert reach.out_of_reach == ()


def test_a_call_without_leads_concerns_all_of_them() -> None:
    reach = Reach()
    reach.failed(REFUSED, [])
    reach.ended(ONE, failed(Stage.ENRICHED, "internal_error"))
    reach.ended(TWO, failed(Stage.ENRICHED, "internal_error"))
    assert reach.out_of_reach == ("insightiq",)


def test_a_vendor_that_answered_once_was_reached_and_a_failure_for_good_is_no_reason_to_wait() -> None:
    answering, for_good, passing = Reach(), Reach(), Reach()
    answering.failed(REFUSED, [ONE])
    answering.ended(ONE, failed(Stage.SCREENED, "internal_error"))
    answering.failed(VendorError("insightiq", ErrorClass.PERMANENT_ITEM, "not_found", status=404), [TWO])
    for_good.failed(REFUSED, [ONE])
    for_good.ended(ONE, failed(Stage.SCREENED, "outcome_unknown"))
    passing.failed(REFUSED, [ONE])
    passing.ended(ONE, passed(Stage.SCREENED))
    assert answering.out_of_reach == for_good.out_of_reach == passing.out_of_reach == ()
