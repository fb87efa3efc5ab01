"""Nobody is left waiting for ever: a reminder, then a no; and vendors that refused are a question too (15.2, 15.4)."""

from datetime import timedelta

import pytest
from batch_world import World, book_policy
from crm_world import CrmWorld

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline import gate_watch
from socialanalyzer_dagster.pipeline.approvals import approve, reject
from socialanalyzer_dagster.pipeline.batch_actions import Deed, find_batch, retry, stop
from socialanalyzer_dagster.pipeline.batch_finish import finish_batch
from socialanalyzer_dagster.pipeline.gate_answers import ApprovalRefused
from socialanalyzer_dagster.pipeline.gate_watch import attend_gates
from socialanalyzer_dagster.pipeline.provider_recovery import recover_batches
from socialanalyzer_dagster.pipeline.question_view import question_of_batch
from socialanalyzer_dagster.storage import decisions


@pytest.fixture
def gated(sqlite_database, policy, clock, tmp_path) -> World:
    gates = {"requires_approval": {"synced": True, "enriched": True}}
    return World(sqlite_database, book_policy(policy, gates=gates), clock, tmp_path)


def logged(world: World, key: str) -> list[tuple[str, str | None]]:
    with world.database.read() as connection:
        found = decisions.of_batch(connection, find_batch(world.workplace, key).batch_id)
    return [(each.action, each.result) for each in found if each.kind == "approval"]


async def test_a_quiet_look_says_how_many_wait(gated: World) -> None:
    assert attend_gates(gated.workplace) == ["No batch waits for a person."]
    await gated.run(gated.create().key)
    assert attend_gates(gated.workplace) == ["1 batch waits for a person; nobody has to be reminded now."]


async def test_people_are_reminded_once_and_the_third_day_without_an_answer_is_a_no(
    sqlite_database, policy, clock, tmp_path
) -> None:
    gates = {"requires_approval": {"synced": True, "enriched": True}}
    world = World(sqlite_database, book_policy(policy, gates=gates), clock, tmp_path)
    key = world.create().key
    await world.run(key)
    clock.advance(hours=24)
    assert "a reminder is due" in attend_gates(world.workplace)[0]
    assert "nobody has to be reminded" in attend_gates(world.workplace)[0]
    clock.advance(hours=48)
    with pytest.raises(ApprovalRefused, match="no answer is a no"):
        approve(world.workplace, key, by="Mara")
    (sentence,) = attend_gates(world.workplace)
    assert "nobody answered in time whether it may go on at enriched" in sentence
    batch = find_batch(world.workplace, key)
    assert batch.status == "completed"
    assert world.codes(Stage.ENRICHED) == {"gate_timeout": 6}
    assert logged(world, key) == [("ask", "expired"), ("remind", None), ("expire", None)]
    assert attend_gates(world.workplace) == ["No batch waits for a person."]
    assert retry(world.workplace, key, Deed(by="Mara")).status == "queued", "its leads can be attempted later"


async def test_a_no_that_died_before_the_end_of_the_batch_is_completed(gated: World, monkeypatch) -> None:
    key = gated.create().key
    await gated.run(key)
    gated.clock.advance(hours=72)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(gate_watch, "finish_batch", die)
    with pytest.raises(KeyboardInterrupt):
        attend_gates(gated.workplace)
    assert find_batch(gated.workplace, key).status == "awaiting_approval"
    monkeypatch.setattr(gate_watch, "finish_batch", finish_batch)
    attend_gates(gated.workplace)
    assert find_batch(gated.workplace, key).status == "completed"
    assert gated.codes(Stage.ENRICHED) == {"gate_timeout": 6}


async def test_a_plan_is_reminded_of_and_ends_like_any_question(world: CrmWorld) -> None:
    key = await world.scored("p1")
    await world.plan(key)
    asked = question_of_batch(world.workplace, key)
    assert asked is not None
    assert (asked["kind"], asked["leads"], asked["hash"]) == ("plan", 1, (await world.plan(key)).plan_hash)
    world.clock.advance(hours=24)
    assert "a reminder is due" in attend_gates(world.workplace)[0]
    world.clock.advance(hours=48)
    attend_gates(world.workplace)
    assert find_batch(world.workplace, key).status == "completed"
    assert world.codes(Stage.SYNCED) == {"gate_timeout": 1}
    assert logged(world, key) == [("ask", "expired"), ("remind", None), ("expire", None)]


async def test_every_answer_is_in_the_log_and_so_is_what_needed_none_any_more(gated: World) -> None:
    yes, no, moot = (gated.create().key for _ in range(3))
    for number, key in enumerate((yes, no, moot)):
        gated.vendor.names = [f"p{number}"]
        await gated.run(key)
    approve(gated.workplace, yes, by="Mara")
    reject(gated.workplace, no, by="Mara", reason="no")
    stop(gated.workplace, moot, Deed(by="Mara"))
    assert [logged(gated, key) for key in (yes, no, moot)] == [
        [("ask", "approved")], [("ask", "rejected")], [("ask", "withdrawn")],
    ]  # fmt: skip


def refuse(world: World) -> None:
    error = VendorError("insightiq", ErrorClass.PERMANENT_SERVICE, "no_credit", status=402)
    world.vendor.errors = {f"screened:{name}": error for name in world.vendor.names}


async def test_going_on_after_a_vendor_refused_its_service_is_a_question_of_one_day(
    sqlite_database, policy, clock: object, tmp_path
) -> None:
    world = World(sqlite_database, book_policy(policy), clock, tmp_path)
    key = world.create().key
    refuse(world)
    await world.run(key)
    batch = find_batch(world.workplace, key)
    asked = question_of_batch(world.workplace, key)
    assert batch.status == "paused"
    assert asked is not None
    assert (asked["kind"], asked["stage"], asked["leads"]) == ("resume", "screened", 6)
    recover_batches(world.workplace)
    assert find_batch(world.workplace, key).status == "paused", "only a person lets it go on"
    world.vendor.errors = {}
    assert approve(world.workplace, key, by="Mara").status == "queued"
    await world.run(key)
    assert world.codes(Stage.SCORED) == {"passed": 6}


async def test_a_no_to_going_on_ends_the_batch_too(sqlite_database, policy, clock, tmp_path) -> None:
    world = World(sqlite_database, book_policy(policy), clock, tmp_path)
    key = world.create().key
    refuse(world)
    await world.run(key)
    batch = reject(world.workplace, key, by="Mara", reason="too dear")
    assert (batch.status, batch.cause) == ("completed", "Mara said no before screened: too dear")
    assert world.codes(Stage.SCREENED) == {"gate_rejected": 6}


async def test_nobody_saying_so_ends_a_batch_whose_vendor_refused(sqlite_database, policy, clock, tmp_path) -> None:
    world = World(sqlite_database, book_policy(policy), clock, tmp_path)
    key = world.create().key
    refuse(world)
    await world.run(key)
    world.clock.at += timedelta(hours=24)
    attend_gates(world.workplace)
    assert find_batch(world.workplace, key).status == "completed"
    assert "nobody answered in time" in str(find_batch(world.workplace, key).cause)
