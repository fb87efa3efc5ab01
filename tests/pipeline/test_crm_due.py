"""Plans end in time, unanswered rows are tried again, and a CRM that may not be asked is waited for (11.2, 11.6)."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from batch_world import book_policy
from crm_world import CrmWorld

from socialanalyzer_dagster.domain.crm_waits import next_day
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.approvals import approve
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.crm_due import attend_plans
from socialanalyzer_dagster.pipeline.crm_sync import next_stretch
from socialanalyzer_dagster.pipeline.crm_writing import PartWriter
from socialanalyzer_dagster.pipeline.gate_answers import ApprovalRefused
from socialanalyzer_dagster.pipeline.launching import Stretch
from socialanalyzer_dagster.pipeline.policies import Authorship, activate
from socialanalyzer_dagster.pipeline.provider_recovery import recover_batches
from socialanalyzer_dagster.sandbox.faults import Fault


def stretch(world: CrmWorld, key: str) -> Stretch:
    with world.database.read() as connection:
        return next_stretch(connection, find_batch(world.workplace, key))


async def test_a_plan_nobody_decides_about_ends_and_gives_its_leads_back(world_on_each: CrmWorld) -> None:
    key = await world_on_each.scored("p1", "p2")
    report = await world_on_each.plan(key)
    assert report.expires_at == world_on_each.clock.now() + timedelta(hours=72)
    assert attend_plans(world_on_each.workplace) == []
    world_on_each.clock.advance(hours=72)
    with pytest.raises(ApprovalRefused, match=f"expired .* batch run {key} --from plan"):
        approve(world_on_each.workplace, key, by="Mara")
    assert attend_plans(world_on_each.workplace) == [
        f"Batch {key} ended: the plan expired, because nobody decided about it in time."
    ]
    batch = find_batch(world_on_each.workplace, key)
    assert (batch.status, world_on_each.codes(Stage.SYNCED)) == ("completed", {"gate_timeout": 2})
    assert world_on_each.dealt() == world_on_each.assigned() == {}
    assert world_on_each.states(key) == {"p1": "held", "p2": "held"}
    assert attend_plans(world_on_each.workplace) == []
    again = await world_on_each.plan(key)
    assert (again.status, again.actions) == ("awaiting_approval", {"create": 2})


async def test_an_approval_does_not_outlast_its_plan(world_on_each: CrmWorld) -> None:
    key = await world_on_each.approved("p1")
    world_on_each.clock.advance(hours=72)
    report = await world_on_each.sync(key)
    assert "expired" in report.sentence
    assert (world_on_each.writes, world_on_each.assigned()) == (0, {})
    assert find_batch(world_on_each.workplace, key).status == "queued"
    assert stretch(world_on_each, key) is Stretch.TO_PLAN
    assert (await world_on_each.plan(key)).status == "awaiting_approval"
    approve(world_on_each.workplace, key, by="Mara")
    assert (await world_on_each.sync(key)).rows == {"created": 1}


async def test_a_plan_made_anew_leaves_written_leads_with_their_bdr(world_on_each: CrmWorld) -> None:
    key = await world_on_each.approved("p1", "p2")
    world_on_each.faults(
        Fault("hubspot", "batch_upsert", "unauthorized", "nth", 3),
        Fault("hubspot", "batch_upsert", "conflict", "nth", 1),
    )
    assert (await world_on_each.sync(key)).rows == {"created": 1, "pending": 1}
    world_on_each.faults()
    world_on_each.clock.advance(hours=72)
    assert (await world_on_each.plan(key)).actions == {"create": 1}
    assert world_on_each.assigned().total() == 2
    assert world_on_each.dealt() == world_on_each.assigned()


async def test_an_open_plan_past_its_time_is_made_anew_although_nothing_changed(world: CrmWorld) -> None:
    key = await world.scored("p1")
    first = await world.plan(key)
    world.clock.advance(hours=72)
    second = await world.plan(key)
    assert second.changed
    assert second.plan_hash != first.plan_hash
    assert second.expires_at == world.clock.now() + timedelta(hours=72)


async def test_rows_without_an_answer_are_tried_again_and_then_dead(world_on_each: CrmWorld) -> None:
    key = await world_on_each.approved("p1", "p2")
    world_on_each.faults(Fault("hubspot", "batch_upsert", "error_500"))
    assert (await world_on_each.sync(key)).rows == {"failed": 2}
    assert find_batch(world_on_each.workplace, key).status == "completed"
    for minutes, state in ((15, "failed"), (60, "failed"), (360, "failed"), (1440, "dead")):
        world_on_each.clock.advance(minutes=minutes - 1)
        assert attend_plans(world_on_each.workplace) == []
        world_on_each.clock.advance(minutes=1)
        assert attend_plans(world_on_each.workplace) == [f"Batch {key} is queued: its sync goes on."]
        assert stretch(world_on_each, key) is Stretch.SYNC
        assert (await world_on_each.sync(key)).rows == {state: 2}
    world_on_each.clock.advance(days=2)
    assert attend_plans(world_on_each.workplace) == []
    assert world_on_each.codes(Stage.SYNCED) == {"crm_error": 2}
    assert world_on_each.rows(key)["p1"].tries == 5


async def test_a_row_that_is_answered_the_second_time_is_written_under_the_same_approval(world: CrmWorld) -> None:
    key = await world.approved("p1", "p2")
    world.faults(Fault("hubspot", "batch_upsert", "partial"))
    assert (await world.sync(key)).rows == {"created": 1, "failed": 1}
    world.faults()
    world.clock.advance(minutes=15)
    attend_plans(world.workplace)
    assert (await world.sync(key)).rows == {"created": 2}
    assert find_batch(world.workplace, key).status == "completed"
    assert world.codes(Stage.SYNCED) == {"created": 2}
    assert len(world.ours()) == 2


async def test_tries_of_a_plan_past_its_time_wait_for_a_new_decision(world: CrmWorld) -> None:
    key = await world.approved("p1")
    world.faults(Fault("hubspot", "batch_upsert", "error_500"))
    await world.sync(key)
    world.faults()
    world.clock.advance(hours=73)
    attend_plans(world.workplace)
    assert "expired" in (await world.sync(key)).sentence
    assert world.ours() == []
    assert stretch(world, key) is Stretch.TO_PLAN


async def test_somebody_who_queues_the_batch_gets_a_new_plan(world: CrmWorld) -> None:
    from socialanalyzer_dagster.pipeline.batch_actions import Deed, retry

    key = await world.approved("p1")
    world.faults(Fault("hubspot", "batch_upsert", "error_500"))
    await world.sync(key)
    retry(world.workplace, key, Deed(by="Mara"))
    assert stretch(world, key) is Stretch.TO_PLAN


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [("locked", 2), ("ten_secondly_limit", 10), ("secondly_limit", 1), ("migrating", 30), ("error_503", 0)],
)
async def test_a_crm_that_asks_for_a_break_gets_it(world: CrmWorld, kind: str, seconds: int) -> None:
    key = await world.approved("p1")
    world.sleeps.clear()
    world.faults(Fault("hubspot", "batch_upsert", kind, "nth", 1))
    assert (await world.sync(key)).rows == {"created": 1}
    assert max(world.sleeps) >= seconds * 0.99
    assert world.rows(key)["p1"].tries == 0


async def test_a_used_up_day_is_waited_out_without_counting_as_a_try(world_on_each: CrmWorld, policy) -> None:
    crm = policy.document()["crm"] | {"portal_time_zone": "America/New_York"}
    changed = book_policy(policy, crm=crm)
    activate(world_on_each.database, changed, Authorship(author="test", note="", at=world_on_each.clock.now()))
    key = await world_on_each.approved("p1")
    world_on_each.faults(Fault("hubspot", "batch_upsert", "daily_limit"))
    report = await world_on_each.sync(key)
    tomorrow = next_day(world_on_each.clock.now(), ZoneInfo("America/New_York"))
    assert (report.rows, report.stage.status) == ({"pending": 1}, "paused")
    assert f"goes on by itself at {tomorrow:%Y-%m-%d %H:%M} UTC" in report.sentence
    world_on_each.faults()
    assert attend_plans(world_on_each.workplace) == []
    world_on_each.clock.at = tomorrow
    assert attend_plans(world_on_each.workplace) == [f"Batch {key} is queued: its sync goes on."]
    assert (await world_on_each.sync(key)).rows == {"created": 1}
    assert world_on_each.rows(key)["p1"].tries == 0


async def test_a_day_used_up_while_a_plan_is_made_is_waited_out_and_the_batch_planned_by_itself(
    world_on_each: CrmWorld,
) -> None:
    key = await world_on_each.scored("p1", "p2", canary=1)
    world_on_each.faults(Fault("hubspot", "*", "daily_limit"))
    report = await world_on_each.plan(key)
    tomorrow = next_day(world_on_each.clock.now(), ZoneInfo("UTC"))
    assert (report.status, report.plan_hash) == ("paused", None)
    assert report.halt == (
        "the rate limit of hubspot is used up; the batch goes on by itself when it is back, "
        f"not before {tomorrow:%Y-%m-%d %H:%M} UTC"
    )
    assert world_on_each.codes(Stage.SCORED) == {"passed": 1}, "the lead that the canary holds back is not skipped"
    world_on_each.faults()
    assert recover_batches(world_on_each.workplace) == ["Waiting for hubspot: 1 batch."]
    world_on_each.clock.at = tomorrow
    assert recover_batches(world_on_each.workplace) == [f"hubspot can be called again: batch {key} is queued."]
    assert (await world_on_each.plan(key)).actions == {"create": 1}
    assert recover_batches(world_on_each.workplace) == ["No batch waits for a vendor that was away."]


async def test_tries_put_off_by_a_vendor_that_is_away_go_on_under_the_same_approval(
    world: CrmWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await world.approved("p1")
    world.faults(Fault("hubspot", "batch_upsert", "partial"))
    assert (await world.sync(key)).rows == {"failed": 1}
    world.faults()
    world.clock.advance(minutes=15)
    attend_plans(world.workplace)
    back = world.clock.now() + timedelta(minutes=5)

    async def away(*_: object) -> None:
        raise ProviderUnavailable("hubspot", "rate_limit_reached", retry_at=back)

    with monkeypatch.context() as patch:
        patch.setattr(PartWriter, "write", away)
        assert (await world.sync(key)).stage.status == "paused"
    assert stretch(world, key) is Stretch.SYNC
    assert attend_plans(world.workplace) == []
    world.clock.at = back
    assert attend_plans(world.workplace) == [f"Batch {key} is queued: its sync goes on."]
    assert (await world.sync(key)).rows == {"created": 1}
    assert find_batch(world.workplace, key).waits_for is None


async def test_a_migration_is_waited_for_as_long_as_the_crm_says(world: CrmWorld) -> None:
    key = await world.approved("p1")
    world.faults(Fault("hubspot", "batch_upsert", "migrating"))
    assert (await world.sync(key)).stage.status == "paused"
    world.faults()
    world.clock.advance(seconds=30)
    assert attend_plans(world.workplace)
    assert (await world.sync(key)).rows == {"created": 1}


def test_the_day_of_an_account_ends_in_its_own_zone() -> None:
    at = datetime(2026, 3, 7, 23, 30, tzinfo=UTC)
    assert next_day(at, ZoneInfo("UTC")) == datetime(2026, 3, 8, tzinfo=UTC)
    assert next_day(at, ZoneInfo("America/New_York")) == datetime(2026, 3, 8, 5, tzinfo=UTC)
    assert next_day(at + timedelta(days=1), ZoneInfo("America/New_York")) == datetime(2026, 3, 9, 4, tzinfo=UTC)


async def test_one_bad_record_of_a_refused_batch_is_found_and_the_others_are_written(world: CrmWorld) -> None:
    names = [f"p{number}" for number in range(9)]
    world.vendor.addresses["p4"] = "bad@x.y"  # an address to us, none to the CRM
    key = await world.approved(*names)
    world.faults(Fault("hubspot", "batch_upsert", "whole_refusal"))
    report = await world.sync(key)
    assert report.rows == {"created": 8, "rejected": 1}
    assert world.codes(Stage.SYNCED) == {"created": 8, "crm_refused": 1}
    assert world.rows(key)["p4"].error == "refused by the CRM (validation_error)"
    assert len(world.ours()) == 8


async def test_a_conflict_of_a_refused_batch_is_the_contact_that_is_there(world: CrmWorld) -> None:
    key = await world.approved("p1", "p2", "p3")
    theirs = world.person("elsewhere@example.org")
    find, world.server = world.crm.contacts.find, world.server

    def blind(value: str, id_property: str | None = None):
        return None if id_property == "email" else find(value, id_property)

    world.crm.contacts.find = blind
    world.change(theirs, email="p2@example.org")
    world.faults(Fault("hubspot", "batch_upsert", "whole_refusal"))
    report = await world.sync(key)
    del world.crm.contacts.find
    assert report.rows == {"created": 2, "rejected": 1}
    assert world.rows(key)["p2"].contact_id == theirs.id
    assert world.codes(Stage.SYNCED) == {"created": 2, "already_in_crm": 1}
