"""A stage that the policy wants a yes for waits outside any run, with its figures, and goes on from there (15.2)."""

import pytest
from batch_world import FETCH_MICROS, FOUND_MICROS, World, book_policy

from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.approvals import approve, reject
from socialanalyzer_dagster.pipeline.batch_actions import Deed, find_batch, release_canary, retry, stop
from socialanalyzer_dagster.pipeline.gate_answers import ApprovalRefused
from socialanalyzer_dagster.pipeline.launch_queue import launch_queue
from socialanalyzer_dagster.pipeline.stage_gates import open_question
from socialanalyzer_dagster.storage import decisions

LATER = (Stage.SCREENED, Stage.ENRICHED, Stage.ANALYZED, Stage.SCORED)


def world_of(database, policy, clock, tmp_path, *stages: Stage, **gates) -> World:
    asked = {"requires_approval": {"synced": True, **{str(stage): True for stage in stages}}} | gates
    return World(database, book_policy(policy, gates=asked), clock, tmp_path)


@pytest.fixture
def gated(sqlite_database, policy, clock, tmp_path) -> World:
    """A policy that asks before contacts are looked for."""
    return world_of(sqlite_database, policy, clock, tmp_path, Stage.ENRICHED)


def question(world: World, key: str):
    with world.database.read() as connection:
        gate = open_question(connection, find_batch(world.workplace, key))
    return None if gate is None else gate.question


async def test_a_batch_stops_before_the_stage_and_goes_on_from_there(database, policy, clock, tmp_path) -> None:
    gated = world_of(database, policy, clock, tmp_path, Stage.ENRICHED)
    key = gated.create().key
    (queued,) = launch_queue(gated.workplace).queued
    assert queued.steps == ("discovered", "screened")
    reports = await gated.run(key)
    batch = find_batch(gated.workplace, key)
    assert batch.status == "awaiting_approval"
    assert "6 leads may be enriched" in str(batch.cause)
    assert reports[Stage.SCREENED].halt == batch.cause, "the stage before says in the UI what is waited for"
    assert [reports[stage].worked for stage in LATER[1:]] == [0, 0, 0]
    asked = question(gated, key)
    assert (asked.leads, asked.spent_micros) == (6, 6 * (FOUND_MICROS + FETCH_MICROS))
    assert 0 < asked.expected_micros <= asked.worst_case_micros
    sent = gated.vendor.sent
    assert approve(gated.workplace, key, by="Mara").status == "queued"
    (queued,) = launch_queue(gated.workplace).queued
    assert queued.steps == ("enriched", "analyzed", "scored", "plan")
    await gated.run(key)
    assert gated.codes(Stage.SCORED) == {"passed": 6}
    assert gated.vendor.sent > sent


async def test_nothing_is_paid_before_a_yes_to_the_search(sqlite_database, policy, clock, tmp_path) -> None:
    world = world_of(sqlite_database, policy, clock, tmp_path, Stage.DISCOVERED)
    key = world.create().key
    queue = launch_queue(world.workplace)
    assert queue.queued == ()
    assert "waits for a person to say whether 10 leads may be discovered" in queue.asked[0].sentence
    assert find_batch(world.workplace, key).status == "awaiting_approval"
    await world.run(key)
    assert world.vendor.sent == 0, "a run by hand does not get past it either"
    approve(world.workplace, key, by="Mara")
    await world.run(key)
    assert world.codes(Stage.SCORED) == {"passed": 6}


async def test_a_question_is_asked_once_whoever_comes_by(gated: World) -> None:
    key = gated.create().key
    await gated.run(key)
    retry(gated.workplace, key, Deed(by="Ben"))
    assert launch_queue(gated.workplace).queued == ()
    await gated.run(key, Stage.ENRICHED)
    with gated.database.read() as connection:
        asked = decisions.of_batch(connection, find_batch(gated.workplace, key).batch_id)
    assert [(each.kind, each.action) for each in asked] == [("approval", "ask")]
    assert "without an answer until" in asked[0].reason


async def test_a_yes_outlasts_a_retry_but_not_more_leads(gated: World) -> None:
    gated.vendor.bugs["enriched:p2"] = ValueError("ours")
    key = gated.create(canary=3).key
    await gated.run(key)
    assert question(gated, key).leads == 3
    approve(gated.workplace, key, by="Mara")
    await gated.run(key)
    gated.vendor.bugs.clear()
    await gated.run(key)
    assert gated.codes(Stage.SCORED) == {"passed": 3}, "the lead that failed was tried again without a new question"
    release_canary(gated.workplace, key, Deed(by="Mara"))
    await gated.run(key)
    assert question(gated, key).leads == 6


async def test_a_no_ends_the_batch_without_another_call(gated: World) -> None:
    key = gated.create().key
    await gated.run(key)
    sent = gated.vendor.sent
    batch = reject(gated.workplace, key, by="Mara", reason="too dear")
    assert (batch.status, batch.cause) == ("completed", "Mara said no before enriched: too dear")
    assert gated.codes(Stage.ENRICHED) == {"gate_rejected": 6}
    assert gated.vendor.sent == sent
    assert question(gated, key) is None


async def test_figures_that_changed_since_are_not_approved(gated: World) -> None:
    key = gated.create().key
    await gated.run(key)
    with pytest.raises(ApprovalRefused, match="other figures"):
        approve(gated.workplace, key, by="Mara", plan_hash="0" * 12)


async def test_a_stopped_batch_asks_nobody(gated: World) -> None:
    key = gated.create().key
    await gated.run(key)
    stop(gated.workplace, key, Deed(by="Ben"))
    assert question(gated, key) is None
    with pytest.raises(ApprovalRefused):
        approve(gated.workplace, key, by="Mara")


async def test_a_batch_that_will_cost_much_asks_although_the_gates_are_off(
    sqlite_database, policy, clock, tmp_path
) -> None:
    world = world_of(sqlite_database, policy, clock, tmp_path, person_above_usd="0.30")
    key = world.create(confirmed=True).key
    (asked,) = launch_queue(world.workplace).asked
    assert "will probably cost more than $0.30" in asked.sentence
    assert question(world, key).is_escalated
    approve(world.workplace, key, by="Mara")
    await world.run(key)
    assert world.codes(Stage.SCORED) == {"passed": 6}, "one yes is enough for the money it named"
