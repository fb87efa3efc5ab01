"""Writing plans: only approved ones, every row accounted for, and nothing twice (spec 11.6, I-23, I-34, I-50)."""

import asyncio
from dataclasses import replace

import pytest
from batch_world import book_policy
from crm_world import CrmWorld, uid_of
from sqlalchemy import delete, select, update

from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline import crm_admission
from socialanalyzer_dagster.pipeline.approvals import approve, reject
from socialanalyzer_dagster.pipeline.batch_actions import Deed, find_batch, release_canary, retry, stop
from socialanalyzer_dagster.pipeline.crm_admission import SyncRefused
from socialanalyzer_dagster.pipeline.crm_apply import apply_plan
from socialanalyzer_dagster.pipeline.crm_contacts import CrmReader
from socialanalyzer_dagster.pipeline.crm_verdicts import StoreSync
from socialanalyzer_dagster.pipeline.policies import Authorship, activate
from socialanalyzer_dagster.pipeline.session import PipelineSession
from socialanalyzer_dagster.pipeline.suppressions import SuppressionRequest, add
from socialanalyzer_dagster.pipeline.writer import GroupWriter
from socialanalyzer_dagster.sandbox.faults import Fault, FaultMode
from socialanalyzer_dagster.storage.models_crm import SyncPlanLeadRow
from socialanalyzer_dagster.storage.models_leads import LeadRow
from socialanalyzer_dagster.storage.models_results import StageOutcomeRow

BY = Deed(by="Mara")


async def approved(world: CrmWorld, *names: str) -> str:
    """A batch whose plan was approved."""
    return await world.ready(*names)


async def test_an_approved_plan_is_written_and_the_batch_completed(world_on_each: CrmWorld) -> None:
    key = await approved(world_on_each, "p1", "p2", "r3")
    report = await world_on_each.sync(key)
    assert report.rows == {"created": 2}
    assert world_on_each.codes(Stage.SYNCED) == {"created": 2, "upstream_rejected": 1}
    batch = find_batch(world_on_each.workplace, key)
    assert batch.status == report.stage.status == "completed"
    assert batch.summary
    contact = world_on_each.contact("p1")
    assert contact is not None
    assert contact.value("email") == "p1@example.org"
    assert contact.value("lead_score") == "0.8000"
    assert contact.value("bdr_") == f"owner-{world_on_each.rows(key)['p1'].planned.bdr}"
    assert world_on_each.links("p1") == {uid_of("p1"): contact.id}
    assert world_on_each.rows(key)["p1"].contact_id == contact.id


async def test_applying_twice_writes_nothing_the_second_time(world_on_each: CrmWorld) -> None:
    key = await approved(world_on_each, "p1", "p2")
    await world_on_each.sync(key)
    writes, outcomes = world_on_each.writes, world_on_each.outcomes(current=False)
    version = find_batch(world_on_each.workplace, key).version
    again = await world_on_each.sync(key)
    assert world_on_each.writes == writes == 1
    assert world_on_each.outcomes(current=False) == outcomes
    assert find_batch(world_on_each.workplace, key).version == version
    assert (again.rows, again.stage.worked) == ({"created": 2}, 0)


async def test_no_outcome_holds_a_persons_data(world: CrmWorld) -> None:
    key = await approved(world, "p1")
    await world.sync(key)
    with world.database.read() as connection:
        query = select(StageOutcomeRow.detail).where(StageOutcomeRow.stage == Stage.SYNCED)
        detail = connection.execute(query).scalar_one()
    assert "email" in detail["properties"]
    assert "example.org" not in str(detail)


async def test_a_plan_nobody_approved_is_refused_however_it_is_launched(world: CrmWorld) -> None:
    key = await world.scored("p1")
    with pytest.raises(SyncRefused, match="no CRM plan yet"):
        await world.sync(key)
    await world.plan(key)
    with pytest.raises(SyncRefused, match=f"batch approve {key} --by NAME"):
        await world.sync(key)
    assert find_batch(world.workplace, key).status == "awaiting_approval"
    reject(world.workplace, key, by="Mara", reason="no")
    with pytest.raises(SyncRefused, match="was rejected by Mara"):
        await world.sync(key)
    assert world.writes == 0


async def test_rows_that_were_changed_after_the_approval_are_refused(world_on_each: CrmWorld) -> None:
    key = await approved(world_on_each, "p1")
    with world_on_each.database.write() as connection:
        connection.execute(update(SyncPlanLeadRow).values(bdr="Somebody else"))
    with pytest.raises(SyncRefused, match="not the ones that were approved"):
        await world_on_each.sync(key)
    assert world_on_each.writes == 0


async def test_a_batch_with_a_missing_outcome_is_not_synced(world: CrmWorld) -> None:
    key = await approved(world, "p1", "p2")
    with world.database.write() as connection:
        connection.execute(
            delete(StageOutcomeRow).where(
                StageOutcomeRow.stage == Stage.ENRICHED, StageOutcomeRow.lead_uid == uid_of("p1")
            )
        )
    with pytest.raises(SyncRefused, match="does not add up"):
        await world.sync(key)
    assert world.writes == 0


async def test_a_second_batch_updates_what_changed_and_leaves_what_reps_own(world_on_each: CrmWorld) -> None:
    await world_on_each.sync(await approved(world_on_each, "p1"))
    contact = world_on_each.contact("p1")
    assert contact is not None
    world_on_each.change(contact, bdr_="somebody else", firstname="Renamed", lead_score="0.1")
    world_on_each.clock.advance(days=200)
    key = await approved(world_on_each, "p1")
    assert world_on_each.actions(key) == {"p1": ("update", None)}
    planned = world_on_each.rows(key)["p1"].planned
    assert "lead_batch_id" in planned.changes
    assert planned.notes == ("released:lead_score",)
    report = await world_on_each.sync(key)
    assert report.rows == {"updated": 1}
    contact = world_on_each.contact("p1")
    assert contact is not None
    assert (contact.value("lead_score"), contact.value("firstname")) == ("0.1", "Renamed")
    assert contact.value("bdr_") == "somebody else"
    assert contact.value("lead_batch_id") == key


async def test_a_contact_that_changed_since_the_plan_is_planned_anew(world_on_each: CrmWorld) -> None:
    await world_on_each.sync(await approved(world_on_each, "p1"))
    world_on_each.clock.advance(days=200)
    key = await approved(world_on_each, "p1", "p2")
    contact = world_on_each.contact("p1")
    assert contact is not None
    world_on_each.change(contact, lead_batch_id="edited by a rep")
    report = await world_on_each.sync(key)
    assert report.rows == {"created": 1, "failed": 1}
    assert world_on_each.codes(Stage.SYNCED)["plan_changed"] == 1
    assert contact.value("lead_batch_id") == "edited by a rep"
    assert find_batch(world_on_each.workplace, key).status == "queued", "for a new plan"
    await world_on_each.run(key)
    plan = await world_on_each.plan(key)
    assert (plan.status, plan.actions) == ("awaiting_approval", {"update": 1})
    assert world_on_each.rows(key)["p1"].planned.released == {"lead_batch_id"}
    approve(world_on_each.workplace, key, by="Mara")
    assert (await world_on_each.sync(key)).rows == {"updated": 1}
    assert contact.value("lead_batch_id") == "edited by a rep"


async def test_a_rep_who_was_faster_keeps_the_contact(world: CrmWorld) -> None:
    key = await approved(world, "p1", "p2")
    theirs = world.person("p1@example.org")
    report = await world.sync(key)
    assert report.rows == {"created": 1, "rejected": 1}
    assert world.codes(Stage.SYNCED) == {"already_in_crm": 1, "created": 1}
    assert world.rows(key)["p1"].contact_id == theirs.id
    assert world.dealt() == world.assigned()
    assert world.assigned().total() == 1


async def test_where_the_policy_updates_existing_contacts_a_reps_contact_becomes_ours(world: CrmWorld, policy) -> None:
    document = policy.document()
    changed = book_policy(policy, crm=document["crm"] | {"existing_contact": "update"})
    activate(world.database, changed, Authorship(author="test", note="", at=world.clock.now()))
    theirs = world.person("p1@example.org", firstname="Kept")
    key = await approved(world, "p1", "p2")
    report = await world.sync(key)
    assert report.rows == {"created": 1, "updated": 1}
    assert theirs.value("creator_uid") == uid_of("p1")
    assert (theirs.value("firstname"), theirs.value("lead_score")) == ("Kept", "0.8000")
    assert world.links("p1") == {uid_of("p1"): theirs.id}


async def test_a_cancelled_sync_pauses_the_batch_and_the_next_run_finishes_it(world: CrmWorld, monkeypatch) -> None:
    key = await approved(world, "p1")
    reading, find = asyncio.Event(), CrmReader.find

    async def wait(*_: object) -> object:
        reading.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(CrmReader, "find", wait)
    task = asyncio.create_task(world.sync(key))
    await reading.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert find_batch(world.workplace, key).status == "paused"
    monkeypatch.setattr(CrmReader, "find", find)
    assert (await world.sync(key)).rows == {"created": 1}


async def test_a_person_who_objected_since_the_plan_is_not_written(world: CrmWorld) -> None:
    key = await approved(world, "p1", "p2")
    request = SuppressionRequest(
        identifier=Identifier(IdentifierKind.EMAIL, "p1@example.org"), reason="asked", source="test",
        now=world.clock.now(),
    )  # fmt: skip
    add(world.database, world.parts.gate.suppression_key, request)
    await world.sync(key)
    assert world.codes(Stage.SYNCED) == {"suppressed": 1, "created": 1}
    assert world.contact("p1") is None


async def test_whoever_opted_out_in_the_crm_since_the_plan_is_not_written(world: CrmWorld) -> None:
    await world.synced("p1")
    contact = world.contact("p1")
    assert contact is not None
    key = await world.approved("p1", "p2")
    world.change(contact, hs_email_optout="true")
    before, writes = dict(contact.properties), world.writes
    world.person("p2@example.org", hs_email_optout="true")
    assert (await world.sync(key)).rows == {"rejected": 2}
    assert world.codes(Stage.SYNCED)["suppressed"] == 2
    assert (contact.properties, world.writes) == (before, writes)


async def test_an_address_found_invalid_since_the_plan_is_not_written(world: CrmWorld) -> None:
    key = await approved(world, "p1", "p2", "p3")
    with world.database.write() as connection:
        for name, status in (("p1", "invalid"), ("p2", "unverified")):
            connection.execute(update(LeadRow).where(LeadRow.handle == name).values(email_status=status))
    report = await world.sync(key)
    assert report.rows == {"created": 1, "held": 1, "rejected": 1}
    assert world.codes(Stage.SYNCED) == {"email_invalid": 1, "held_email_unverified": 1, "created": 1}


async def test_a_lead_whose_bdr_left_after_the_approval_is_planned_anew(world: CrmWorld) -> None:
    key = await approved(world, "p1", "p2")
    gone = world.rows(key)["p1"].planned.bdr
    world.bdrs(*((name, name != gone) for name in ("Ada", "Ben", "Cleo")))
    report = await world.sync(key)
    assert report.rows == {"created": 1, "failed": 1}
    assert world.codes(Stage.SYNCED)["plan_changed"] == 1


async def test_held_and_rejected_rows_get_their_outcomes_and_the_counts_add_up(world: CrmWorld) -> None:
    world.vendor.statuses = {"p2": "invalid", "p3": "unverified"}
    world.vendor.countries = {"p4": "Brazil"}
    key = await approved(world, "p1", "p2", "p3", "p4")
    report = await world.sync(key)
    assert report.rows == {"created": 1, "held": 1, "rejected": 2}
    counters = report.stage.counters
    assert (counters.entered, counters.passed, counters.rejected, counters.skipped) == (4, 1, 2, 1)
    assert counters.pending == 0


async def test_a_property_value_the_crm_refuses_is_named(world: CrmWorld) -> None:
    key = await approved(world, "p1", "p2")
    definition = world.crm.properties.definitions["email_outreach"]
    definition["options"] = [option for option in definition["options"] if option["value"] == "not_allowed"]
    report = await world.sync(key)
    assert report.rows == {"rejected": 2}
    with world.database.read() as connection:
        query = select(StageOutcomeRow.detail).where(StageOutcomeRow.code == "crm_refused").limit(1)
        assert connection.execute(query).scalar_one() == {"properties": ["email_outreach"]}
    assert world.rows(key)["p1"].error
    assert find_batch(world.workplace, key).status == "completed"


async def test_a_record_put_off_by_the_crm_is_tried_again_later(world: CrmWorld) -> None:
    key = await approved(world, "p1", "p2", "p3")
    world.faults(Fault("hubspot", "batch_upsert", "partial"))
    report = await world.sync(key)
    assert report.rows == {"created": 2, "failed": 1}
    assert world.codes(Stage.SYNCED) == {"created": 2, "crm_error": 1}
    world.faults()
    retry(world.workplace, key, BY)
    await world.run(key)
    await world.plan(key)
    approve(world.workplace, key, by="Mara")
    assert (await world.sync(key)).rows == {"created": 1}
    assert len(world.ours()) == 3


@pytest.mark.parametrize("kind", ["missing_record", "pending"])
async def test_a_row_the_answer_leaves_out_is_read_back_before_anything_is_said(world: CrmWorld, kind: str) -> None:
    key = await approved(world, "p1", "p2")
    world.faults(Fault("hubspot", "batch_upsert", kind))
    report = await world.sync(key)
    assert report.rows == {"created": 2}
    assert world.writes == 1


@pytest.mark.parametrize("mode", ["always", "nth"])
@pytest.mark.parametrize("kind", ["closed_after", "truncated", "malformed"])
async def test_after_a_lost_answer_the_contacts_are_ours_once_and_count_as_created(
    world: CrmWorld, kind: str, mode: FaultMode
) -> None:
    key = await approved(world, "p1", "p2")
    world.faults(Fault("hubspot", "batch_upsert", kind, mode))
    report = await world.sync(key)
    assert report.rows == {"created": 2}
    assert (world.writes, len(world.ours())) == (1, 2), "looked up before anything is sent again"


async def test_a_crm_that_is_down_fails_the_rows_retryably(world: CrmWorld) -> None:
    key = await approved(world, "p1", "p2")
    world.faults(Fault("hubspot", "batch_upsert", "error_500"))
    assert (await world.sync(key)).rows == {"failed": 2}
    assert world.codes(Stage.SYNCED) == {"crm_error": 2}
    world.faults()
    retry(world.workplace, key, BY)
    await world.run(key)
    await world.plan(key)
    approve(world.workplace, key, by="Mara")
    assert (await world.sync(key)).rows == {"created": 2}


async def test_a_refused_key_pauses_the_batch_and_the_same_approval_goes_on(world: CrmWorld) -> None:
    key = await approved(world, "p1", "p2")
    world.faults(Fault("hubspot", "*", "unauthorized"))
    report = await world.sync(key)
    assert (report.stage.status, report.rows) == ("paused", {"pending": 2})
    assert report.stage.halt is not None
    world.faults()
    retry(world.workplace, key, BY)
    assert (await world.sync(key)).rows == {"created": 2}


async def test_a_stopped_sync_writes_nothing_more_and_a_retry_finishes_it(world_on_each: CrmWorld) -> None:
    key = await approved(world_on_each, "p1", "p2")
    stop(world_on_each.workplace, key, BY)
    assert find_batch(world_on_each.workplace, key).status == "stopped"
    retry(world_on_each.workplace, key, BY)
    assert (await world_on_each.sync(key)).rows == {"created": 2}
    assert world_on_each.codes(Stage.SYNCED) == {"created": 2}


async def test_answers_in_hand_are_stored_when_the_look_at_the_others_is_refused(world_on_each: CrmWorld) -> None:
    def halt() -> None:
        world_on_each.sleeps.append(10.0)
        stop(world_on_each.workplace, key, BY)

    key = await approved(world_on_each, "p1", "p2", "p3")
    world_on_each.faults(Fault("hubspot", "batch_upsert", "missing_record"))
    world_on_each.when_asleep = halt
    report = await world_on_each.sync(key)
    assert report.rows == {"created": 2, "failed": 1}
    assert report.stage.status == "stopped"
    assert len(world_on_each.links("p1", "p2", "p3")) == 2
    assert world_on_each.codes(Stage.SYNCED) == {"created": 2, "crm_outcome_unknown": 1}
    world_on_each.faults()
    retry(world_on_each.workplace, key, BY)
    assert (await world_on_each.sync(key)).rows == {"created": 3}
    assert len(world_on_each.ours()) == 3


async def test_the_answered_half_of_a_refused_batch_stands_when_the_other_half_is_refused(world: CrmWorld) -> None:
    key = await approved(world, "p1", "p2")
    world.faults(
        Fault("hubspot", "batch_upsert", "unauthorized", "nth", 3),
        Fault("hubspot", "batch_upsert", "conflict", "nth", 1),
    )
    report = await world.sync(key)
    assert report.rows == {"created": 1, "pending": 1}
    assert len(world.ours()) == len(world.links("p1", "p2")) == 1


async def test_an_edit_after_a_create_whose_answer_was_lost_is_the_reps(world_on_each: CrmWorld) -> None:
    key = await approved(world_on_each, "p1")
    world_on_each.faults(Fault("hubspot", "batch_upsert", "closed_after"))
    contact = None

    def edit() -> None:
        nonlocal contact
        contact = world_on_each.contact("p1")
        assert contact is not None
        world_on_each.change(contact, lead_score="0.1")

    world_on_each.when_asleep = edit
    report = await world_on_each.sync(key)
    assert (report.rows, world_on_each.writes) == ({"created": 1}, 1)
    again = await world_on_each.approved("p1")
    assert world_on_each.rows(again)["p1"].planned.released == {"lead_score"}
    assert (await world_on_each.sync(again)).rows == {"updated": 1}
    assert contact is not None
    assert contact.value("lead_score") == "0.1"


class LostCommit(BaseException):
    """The process died between the write and the commit."""


async def test_a_kill_between_write_and_commit_makes_no_second_contact(world_on_each: CrmWorld, monkeypatch) -> None:
    key = await approved(world_on_each, "p1", "p2", "p3")
    submit = GroupWriter.submit

    def die(self: GroupWriter, write: object) -> object:
        if isinstance(write, StoreSync):
            raise LostCommit
        return submit(self, write)  # type: ignore[arg-type]

    monkeypatch.setattr(GroupWriter, "submit", die)
    with pytest.raises(LostCommit):
        await world_on_each.sync(key)
    monkeypatch.undo()
    assert len(world_on_each.ours()) == 3
    before = {each.id: dict(each.properties) for each in world_on_each.ours()}
    report = await world_on_each.sync(key)
    assert report.rows == {"created": 3}, "as without the kill"
    assert {each.id: dict(each.properties) for each in world_on_each.ours()} == before
    assert world_on_each.writes == 1
    assert len(world_on_each.links("p1", "p2", "p3")) == 3
    assert find_batch(world_on_each.workplace, key).status == "completed"


async def test_a_plan_larger_than_a_call_is_written_part_by_part(world: CrmWorld, policy) -> None:
    names = [f"p{number}" for number in range(130)]
    key = await world.scored(
        *names, filters={"keyword": "many", "max_results": 200}, fields={"max_leads": 200}, confirmed=True
    )
    await world.plan(key)
    approve(world.workplace, key, by="Mara")
    report = await world.sync(key)
    assert report.rows == {"created": 130}
    assert world.writes == 2
    dealt = world.dealt()
    assert max(dealt.values()) - min(dealt.values()) <= 1


async def test_a_canarys_plan_is_written_and_the_rest_waits_for_its_release(world: CrmWorld) -> None:
    world.vendor.names = ["p1", "p2", "p3"]
    key = world.create(canary=1).key
    await world.run(key)
    assert (await world.plan(key)).actions == {"create": 1}
    approve(world.workplace, key, by="Mara")
    report = await world.sync(key)
    assert (report.stage.status, report.rows) == ("paused", {"created": 1})
    release_canary(world.workplace, key, BY)
    await world.run(key)
    assert (await world.plan(key)).actions == {"create": 2}
    approve(world.workplace, key, by="Mara")
    assert (await world.sync(key)).stage.status == "completed"
    assert len(world.ours()) == 3


async def test_leads_dealt_by_batches_at_the_same_time_are_shared_evenly(world_on_each: CrmWorld) -> None:
    keys = [await world_on_each.scored(*(f"{letter}{n}" for n in range(5))) for letter in "abc"]
    await asyncio.gather(*(world_on_each.plan(key) for key in keys))
    dealt = world_on_each.dealt()
    assert dealt.total() == 15
    assert max(dealt.values()) - min(dealt.values()) <= 1
    assert dealt == world_on_each.assigned()


async def test_held_leads_are_planned_again_when_their_cause_has_ended(world_on_each: CrmWorld) -> None:
    world_on_each.bdrs(("Ada", False))
    key = await approved(world_on_each, "p1", "p2")
    assert (await world_on_each.sync(key)).rows == {"held": 2}
    version = find_batch(world_on_each.workplace, key).version
    assert not (await world_on_each.plan(key)).changed
    assert find_batch(world_on_each.workplace, key).version == version
    world_on_each.bdrs(("Ada", True))
    report = await world_on_each.plan(key)
    assert (report.status, report.actions) == ("awaiting_approval", {"create": 2})
    approve(world_on_each.workplace, key, by="Mara")
    assert (await world_on_each.sync(key)).rows == {"created": 2}
    assert world_on_each.codes(Stage.SYNCED) == {"created": 2}


def test_the_sync_asks_the_same_audits_as_the_checks() -> None:
    assert tuple(Stage)[:-1] == crm_admission.BEFORE


async def test_live_mode_writes_nothing_on_a_basis_that_only_the_package_names(world: CrmWorld) -> None:
    key = await approved(world, "p1")
    live = replace(world.parts, workplace=replace(world.workplace, mode="live"))
    async with PipelineSession(live) as session, session.open_batch(key, run_id="r") as batch:
        with pytest.raises(SyncRefused, match=r"nobody recorded privacy\.lawful_basis and privacy\.notice_plan"):
            await apply_plan(batch)
    assert world.writes == 0
