"""Taking a sync back: values of before, never over anybody's edits, once, by a named person (spec 11.2)."""

import pytest
from crm_world import CrmWorld, uid_of
from sqlalchemy import select

from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.pipeline.crm_due import attend_plans
from socialanalyzer_dagster.pipeline.crm_undo import UndoRefused, UndoReport
from socialanalyzer_dagster.pipeline.gate_answers import ApprovalRefused
from socialanalyzer_dagster.pipeline.suppressions import SuppressionRequest, add
from socialanalyzer_dagster.sandbox.faults import Fault
from socialanalyzer_dagster.storage.models_control import AuditEntryRow


def restored(report: UndoReport) -> dict[str, dict[str, str]]:
    return {
        report.handles[each.row.planned.uid]: {name: change.new for name, change in each.fields.restored.items()}
        for each in report.rows
    }


async def test_an_undo_restores_what_nobody_edited_since(world_on_each: CrmWorld) -> None:
    first = await world_on_each.synced("p1", "p2")
    key = await world_on_each.synced("p1", "p2")
    contact, other = world_on_each.contact("p1"), world_on_each.contact("p2")
    assert contact is not None
    assert other is not None
    world_on_each.change(other, lead_batch_id="edited by a rep")
    shown = await world_on_each.undo(key)
    assert not shown.is_written
    assert restored(shown)["p1"]["lead_batch_id"] == first
    assert "lead_batch_id" not in restored(shown)["p2"]
    assert contact.value("lead_batch_id") == key, "nothing was written yet"
    done = await world_on_each.undo(key, yes=True)
    assert restored(done) == restored(shown)
    assert contact.value("lead_batch_id") == first
    assert other.value("lead_batch_id") == "edited by a rep"
    writes = world_on_each.writes
    again = await world_on_each.undo(key, yes=True)
    assert (again.rows, world_on_each.writes) == ((), writes)
    with world_on_each.database.read() as connection:
        query = select(AuditEntryRow.actor, AuditEntryRow.subject).where(AuditEntryRow.action == "plan.undo")
        assert connection.execute(query).first() == ("Mara", key)


async def test_a_contact_that_the_crm_refuses_stops_no_other_from_being_taken_back(
    world_on_each: CrmWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, names = world_on_each, ("p1", "p2", "p3")
    first = await world.synced(*names)
    key = await world.synced(*names)
    contacts = {name: contact for name in names if (contact := world.contact(name)) is not None}
    world.refuses(contacts["p2"], monkeypatch)
    report = await world.undo(key, yes=True)
    assert {name: each.value("lead_batch_id") for name, each in contacts.items()} == {
        "p1": first,
        "p2": key,
        "p3": first,
    }
    kept = {report.handles[each.row.planned.uid]: set(each.fields.kept.values()) for each in report.rows}
    assert "refused by the CRM" in kept["p2"]
    assert "refused by the CRM" not in kept["p1"] | kept["p3"]
    monkeypatch.undo()
    again = await world.undo(key, yes=True)
    assert [again.handles[each.row.planned.uid] for each in again.rows] == ["p2"], "a repaired cause can be made good"
    assert contacts["p2"].value("lead_batch_id") == first


async def test_a_contact_the_sync_made_is_emptied_and_never_deleted(world: CrmWorld) -> None:
    key = await world.synced("p1")
    contact = world.contact("p1")
    assert contact is not None
    owner = contact.value("bdr_")
    world.change(contact, firstname="Renamed")
    report = await world.undo(key, yes=True)
    kept = dict(report.rows[0].fields.kept)
    said_once = {"creator_uid", "bdr_", "hs_legal_basis", "notice_due_at", "email"}
    assert kept == {**dict.fromkeys(said_once, "stays with the contact"), "firstname": "edited since"}
    assert set(contact.properties) == {*said_once, "firstname"}
    assert contact.value("bdr_") == owner
    again = await world.synced("p1")
    assert world.states(again) == {"p1": "updated"}, "the same contact, not a second one"
    assert (contact.value("lead_score"), contact.value("firstname")) == ("0.8000", "Renamed")
    assert world.link("p1").released == {"firstname"}


async def test_an_undo_that_lost_its_answer_is_finished_by_the_next_one(world: CrmWorld) -> None:
    first = await world.synced("p1")
    key = await world.synced("p1")
    world.faults(Fault("hubspot", "batch_update", "missing_record"))
    lost = await world.undo(key, yes=True)
    assert "no answer; run the undo again" in lost.rows[0].fields.kept.values()
    world.faults()
    found = await world.undo(key, yes=True)
    assert "lead_batch_id" in found.rows[0].fields.back
    contact = world.contact("p1")
    assert contact is not None
    assert contact.value("lead_batch_id") == first


async def test_values_an_undo_restored_without_an_answer_are_nobodys_edit(world: CrmWorld) -> None:
    await world.synced("p1")
    key = await world.synced("p1")
    world.faults(Fault("hubspot", "batch_update", "closed_after"))
    with pytest.raises(CallFailed):
        await world.undo(key, yes=True)
    world.faults()
    assert (await world.reconcile()).edited == 0
    assert world.link("p1").released == frozenset()
    found = await world.undo(key, yes=True)
    assert "lead_batch_id" in found.rows[0].fields.back


async def test_what_a_later_plan_stands_on_stays_until_that_one_is_taken_back(world_on_each: CrmWorld) -> None:
    first = await world_on_each.synced("p1", "p2")
    later = await world_on_each.synced("p1")
    one, two = world_on_each.contact("p1"), world_on_each.contact("p2")
    assert one is not None
    assert two is not None
    before = dict(one.properties)
    report = await world_on_each.undo(first, yes=True)
    kept = {report.handles[each.row.planned.uid]: set(each.fields.kept.values()) for each in report.rows}
    assert kept["p1"] == {"written again since"}
    assert (one.properties, two.value("lead_score")) == (before, None)
    await world_on_each.undo(later, yes=True)
    rest = await world_on_each.undo(first, yes=True)
    assert {each.row.planned.uid for each in rest.rows} == {uid_of("p1")}
    assert one.value("lead_score") is None


async def test_a_plan_that_was_taken_back_writes_nothing_more(world_on_each: CrmWorld) -> None:
    key = await world_on_each.approved("p1", "p2")
    world_on_each.faults(Fault("hubspot", "batch_upsert", "partial"))
    assert (await world_on_each.sync(key)).rows == {"created": 1, "failed": 1}
    world_on_each.faults()
    await world_on_each.undo(key, yes=True)
    writes = world_on_each.writes
    world_on_each.clock.advance(minutes=15)
    assert attend_plans(world_on_each.workplace) == []
    await world_on_each.sync(key)
    assert world_on_each.writes == writes


async def test_gone_and_suppressed_people_are_left_alone(world: CrmWorld) -> None:
    key = await world.synced("p1", "p2")
    gone = world.contact("p1")
    assert gone is not None
    world.delete(gone)
    request = SuppressionRequest(
        identifier=Identifier(IdentifierKind.EMAIL, "p2@example.org"), reason="asked", source="test",
        now=world.clock.now(),
    )  # fmt: skip
    add(world.database, world.suppression_key, request)
    report = await world.undo(key)
    reasons = {report.handles[each.row.planned.uid]: set(each.fields.kept.values()) for each in report.rows}
    assert reasons == {"p1": {"the contact is gone"}, "p2": {"asked not to be contacted"}}


async def test_there_must_be_something_to_take_back_and_somebody_who_says_so(world: CrmWorld) -> None:
    key = await world.scored("p1")
    await world.plan(key)
    with pytest.raises(UndoRefused, match="nothing to take back"):
        await world.undo(key)
    with pytest.raises(UndoRefused, match="no plan of batch"):
        await world.undo(key, plan_hash="abc")
    assert world.hubspot is not None
    from socialanalyzer_dagster.pipeline.crm_undo import UndoRequest, undo

    with pytest.raises(ApprovalRefused, match="--by NAME"):
        await undo(world.workplace, world.hubspot, world.suppression_key, UndoRequest(key=key, by=" "))
