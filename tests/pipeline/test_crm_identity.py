"""Which contact a lead is: e-mail changes, merges and deletions make no duplicates (spec 11.3, 11.4)."""

from batch_world import book_policy
from crm_world import CrmWorld, uid_of

from socialanalyzer_dagster.domain.crm_properties import UNIQUE_PROPERTY
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.policies import Authorship, activate
from socialanalyzer_dagster.sandbox.vendors.hubspot_contacts import Contact


def the_contact(world: CrmWorld, name: str) -> Contact:
    contact = world.contact(name)
    assert contact is not None
    return contact


async def test_what_a_rep_edited_is_released_for_good(world_on_each: CrmWorld) -> None:
    await world_on_each.synced("p1")
    contact = the_contact(world_on_each, "p1")
    ours = contact.value("lead_score")
    world_on_each.change(contact, lead_score="0.1", score_reasoning="")
    await world_on_each.synced("p1")
    assert {"lead_score", "score_reasoning"} <= world_on_each.link("p1").released
    world_on_each.change(contact, lead_score=ours or "")
    world_on_each.change(contact, manual_score="0.2")
    key = await world_on_each.synced("p1")
    assert world_on_each.rows(key)["p1"].planned.released == {"manual_score", "score_reasoning"}
    assert {"lead_score", "manual_score", "score_reasoning"} <= world_on_each.link("p1").released
    assert contact.value("manual_score") == "0.2"
    assert contact.value("score_reasoning") is None
    assert contact.value("lead_batch_id") == key, "the rest is kept current"


async def test_a_contact_with_another_address_is_the_same_contact(world: CrmWorld) -> None:
    await world.synced("p1", "p2")
    world.change(the_contact(world, "p1"), email="new.address@example.org")
    world.vendor.addresses["p2"] = "moved@example.org"
    key = await world.synced("p1", "p2")
    assert world.states(key) == {"p1": "updated", "p2": "updated"}
    assert sorted(each.value("email") or "" for each in world.ours()) == ["new.address@example.org", "p2@example.org"]


async def test_a_contact_that_lost_mark_and_address_is_known_by_its_id(world: CrmWorld) -> None:
    await world.synced("p1")
    contact = the_contact(world, "p1")
    world.change(contact, **{UNIQUE_PROPERTY: "", "email": "other@example.org"})
    key = await world.synced("p1")
    assert world.states(key) == {"p1": "updated"}
    assert [each.id for each in world.ours()] == [contact.id]
    assert contact.value("email") == "other@example.org"


async def test_a_merged_contact_is_followed(world_on_each: CrmWorld) -> None:
    await world_on_each.synced("p1", "p2")
    first, second = (the_contact(world_on_each, name) for name in ("p1", "p2"))
    keeps_mark = world_on_each.person("somebody@example.org", firstname="Theirs")
    loses_mark = world_on_each.person("else@example.org", **{UNIQUE_PROPERTY: "imported"})
    world_on_each.merge(keeps_mark, first)
    world_on_each.merge(loses_mark, second)
    world_on_each.change(loses_mark, **{UNIQUE_PROPERTY: ""})
    key = await world_on_each.synced("p1", "p2")
    assert world_on_each.states(key) == {"p1": "updated", "p2": "updated"}
    assert world_on_each.links("p1", "p2") == {uid_of("p1"): keeps_mark.id, uid_of("p2"): loses_mark.id}
    assert world_on_each.link("p1").aliases == {first.id}
    assert world_on_each.link("p2").aliases == {second.id}
    assert the_contact(world_on_each, "p2") is loses_mark, "marked as ours again"
    assert len(world_on_each.ours()) == 2


async def test_two_leads_whose_contacts_were_merged_are_one_contact(world: CrmWorld) -> None:
    await world.synced("p1", "p2")
    first, second = (the_contact(world, name) for name in ("p1", "p2"))
    world.merge(second, first)
    key = await world.synced("p1", "p2")
    assert world.actions(key) == {"p1": ("rejected", "already_in_crm"), "p2": ("update", None)}
    assert world.rows(key)["p1"].planned.notes == ("contact_of_another_lead",)
    assert world.link("p2").aliases == {first.id}
    assert len(world.ours()) == 1


async def test_a_deleted_contact_is_left_deleted_unless_the_policy_makes_it_anew(world: CrmWorld, policy) -> None:
    await world.synced("p1")
    gone = the_contact(world, "p1")
    world.delete(gone)
    key = await world.synced("p1")
    assert world.actions(key) == {"p1": ("rejected", "crm_refused")}
    assert world.rows(key)["p1"].planned.notes == ("deleted_in_crm",)
    assert world.ours() == []
    changed = book_policy(policy, crm=policy.document()["crm"] | {"deleted_contact": "recreate"})
    activate(world.database, changed, Authorship(author="test", note="", at=world.clock.now()))
    key = await world.synced("p1")
    assert world.states(key) == {"p1": "created"}
    assert [each.id for each in world.ours()] == [world.link("p1").contact_id]
    assert world.link("p1").aliases == {gone.id}


async def test_a_contact_merged_between_plan_and_sync_is_planned_anew(world: CrmWorld) -> None:
    await world.synced("p1")
    key = await world.approved("p1")
    world.merge(world.person("somebody@example.org"), the_contact(world, "p1"))
    assert (await world.sync(key)).rows == {"failed": 1}
    assert world.codes(Stage.SYNCED)["plan_changed"] == 1
