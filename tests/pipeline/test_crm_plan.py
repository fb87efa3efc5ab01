"""CRM plans: what each lead becomes, who gets it, and that the same state makes the same plan (spec 11.2 to 11.5)."""

from typing import Any

import pytest
from batch_world import book_policy
from crm_world import CrmWorld, uid_of

from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.approvals import approve
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.crm_plan import PlanRefused
from socialanalyzer_dagster.pipeline.crm_setup import CrmNotReady
from socialanalyzer_dagster.pipeline.crm_sync import next_stretch
from socialanalyzer_dagster.pipeline.gate_answers import ApprovalRefused
from socialanalyzer_dagster.pipeline.launching import Stretch
from socialanalyzer_dagster.pipeline.policies import Authorship, activate
from socialanalyzer_dagster.pipeline.suppressions import SuppressionRequest, add
from socialanalyzer_dagster.sandbox.faults import Fault


async def test_every_scored_lead_becomes_one_row_and_the_batch_waits_for_a_person(world: CrmWorld) -> None:
    key = await world.scored("p1", "p2", "r3")
    report = await world.plan(key)
    assert world.actions(key) == {"p1": ("create", None), "p2": ("create", None)}
    assert (report.status, report.contacts, report.changed) == ("awaiting_approval", 2, True)
    assert world.writes == 0
    changes = world.rows(key)["p1"].planned.changes
    assert (changes["email"].old, changes["email"].new) == (None, "p1@example.org")
    assert changes["firstname"].new == "P1"
    assert changes["lead_batch_id"].new == key


async def test_a_contact_links_to_its_batch_only_where_somebody_said_where_that_is(world: CrmWorld) -> None:
    key = await world.scored("p1")
    await world.plan(key)
    assert "evidence_link" not in world.rows(key)["p1"].planned.changes


async def test_the_same_state_makes_the_same_plan_and_deals_nobody_twice(world_on_each: CrmWorld) -> None:
    key = await world_on_each.scored("p1", "p2", "p3", "p4")
    first = await world_on_each.plan(key)
    rows, version = world_on_each.rows(key), find_batch(world_on_each.workplace, key).version
    again = await world_on_each.plan(key)
    assert (again.plan_hash, again.changed) == (first.plan_hash, False)
    assert world_on_each.rows(key) == rows
    assert find_batch(world_on_each.workplace, key).version == version
    assert world_on_each.dealt() == world_on_each.assigned() == {"Ada": 2, "Ben": 1, "Cleo": 1}


async def test_a_changed_plan_supersedes_the_old_one_and_gives_its_deals_back(world_on_each: CrmWorld) -> None:
    key = await world_on_each.scored("p1", "p2", "p3")
    first = await world_on_each.plan(key)
    kept, version = world_on_each.rows(key)["p1"].planned.bdr, find_batch(world_on_each.workplace, key).version
    world_on_each.person("p2@example.org")
    second = await world_on_each.plan(key)
    assert second.changed
    assert second.plan_hash != first.plan_hash
    assert find_batch(world_on_each.workplace, key).version > version
    assert world_on_each.actions(key)["p2"] == ("rejected", "already_in_crm")
    assert world_on_each.rows(key)["p1"].planned.bdr == kept
    assert world_on_each.dealt() == world_on_each.assigned()
    assert world_on_each.dealt().total() == 2


async def test_contacts_of_reps_are_left_alone(world: CrmWorld) -> None:
    key = await world.scored("p1", "p2")
    world.person("p1@example.org", firstname="Somebody")
    await world.plan(key)
    assert world.actions(key) == {"p1": ("rejected", "already_in_crm"), "p2": ("create", None)}
    assert world.rows(key)["p1"].contact_id is not None
    assert world.dealt().total() == 1


async def test_where_the_policy_updates_existing_contacts_blank_fields_are_filled(world: CrmWorld, policy) -> None:
    document = policy.document()
    changed = book_policy(policy, crm=document["crm"] | {"existing_contact": "update"})
    activate(world.database, changed, Authorship(author="test", note="", at=world.clock.now()))
    world.person("p1@example.org", firstname="Somebody")
    key = await world.scored("p1")
    await world.plan(key)
    row = world.rows(key)["p1"].planned
    assert row.action == "update"
    assert "firstname" not in row.changes
    assert row.changes["creator_uid"].new == uid_of("p1")
    assert row.changes["lead_score"].old is None


async def test_two_leads_with_one_address_make_one_contact(world: CrmWorld) -> None:
    world.vendor.addresses = {"p1": "team@example.org", "p2": "Team@Example.org"}
    key = await world.scored("p1", "p2")
    await world.plan(key)
    assert world.actions(key) == {"p1": ("create", None), "p2": ("rejected", "already_in_crm")}
    assert world.rows(key)["p2"].planned.notes == ("same_email_as_an_earlier_lead",)


async def test_the_status_of_the_address_decides_about_the_row(world: CrmWorld) -> None:
    world.vendor.statuses = {
        "p1": "valid", "p2": "catch_all", "p3": "unknown", "p4": "invalid", "p5": "disposable", "p6": "unverified",
    }  # fmt: skip
    world.vendor.addresses = {"p7": None}
    key = await world.scored(*(f"p{n}" for n in range(1, 8)))
    await world.plan(key)
    assert world.actions(key) == {
        "p1": ("create", None),
        "p2": ("create", None),
        "p3": ("create", None),
        "p4": ("rejected", "email_invalid"),
        "p5": ("rejected", "email_disposable"),
        "p6": ("held", "held_email_unverified"),
        "p7": ("held", "held_no_email"),
    }
    statuses = {
        name: row.planned.changes["email_verification_status"].new
        for name, row in world.rows(key).items()
        if row.planned.changes
    }
    assert statuses == {"p1": "valid", "p2": "catch_all", "p3": "unknown"}


async def test_a_country_without_a_rule_is_not_synced_and_europe_is_marked(world: CrmWorld) -> None:
    world.vendor.countries = {"p1": "Brazil", "p2": "Germany", "p3": "US"}
    key = await world.scored("p1", "p2", "p3")
    await world.plan(key)
    assert world.actions(key)["p1"] == ("rejected", "outreach_not_allowed")
    assert world.rows(key)["p2"].planned.changes["email_outreach"].new == "not_allowed"
    assert world.rows(key)["p2"].planned.notes == ("no_email_outreach",)
    assert world.rows(key)["p3"].planned.changes["email_outreach"].new == "allowed"


async def test_a_suppressed_person_is_in_no_request_and_no_contact(world: CrmWorld) -> None:
    key = await world.scored("p1", "p2")
    _suppress(world, "P1@Example.org")
    await world.plan(key)
    assert world.actions(key) == {"p1": ("rejected", "suppressed"), "p2": ("create", None)}
    assert world.rows(key)["p1"].planned.changes == {}


def _suppress(world: CrmWorld, email: str) -> None:
    request = SuppressionRequest(
        identifier=Identifier(IdentifierKind.EMAIL, email), reason="asked", source="test", now=world.clock.now()
    )
    assert add(world.database, world.parts.gate.suppression_key, request)


async def test_enrolled_leads_with_a_valid_address_stay_out_of_the_queue(world: CrmWorld) -> None:
    world.vendor.tiers = {"p1": "auto_enroll", "p2": "auto_enroll", "p3": "auto_enroll"}
    world.vendor.statuses = {"p2": "catch_all"}
    world.vendor.countries = {"p3": "France"}
    key = await world.scored("p1", "p2", "p3")
    await world.plan(key)
    rows = {name: row.planned for name, row in world.rows(key).items()}
    assert rows["p1"].bdr is None
    assert "bdr_" not in rows["p1"].changes
    assert rows["p2"].notes == ("dealt_because_email_not_valid",)
    assert "dealt_because_email_not_allowed" in rows["p3"].notes
    assert world.dealt().total() == 2


async def test_leads_are_held_while_nobody_is_active_and_dealt_when_somebody_is(world: CrmWorld) -> None:
    world.bdrs(("Ada", False))
    key = await world.scored("p1", "p2")
    await world.plan(key)
    assert set(world.actions(key).values()) == {("held", "held_no_bdr")}
    world.bdrs(("Ada", True))
    report = await world.plan(key)
    assert report.changed
    assert report.bdrs == {"Ada": 2}
    assert world.rows(key)["p1"].planned.changes["bdr_"].new == "owner-Ada"


async def test_a_lead_of_a_bdr_who_left_is_dealt_again(world_on_each: CrmWorld) -> None:
    key = await world_on_each.scored("p1", "p2", "p3")
    await world_on_each.plan(key)
    world_on_each.bdrs(("Ada", False), ("Ben", True), ("Cleo", True))
    await world_on_each.plan(key)
    assert sorted(row.planned.bdr or "" for row in world_on_each.rows(key).values()) in (
        ["Ben", "Ben", "Cleo"], ["Ben", "Cleo", "Cleo"],
    )  # fmt: skip
    assert world_on_each.assigned().total() == 3


async def test_a_batch_deals_to_the_bdrs_it_names(world: CrmWorld) -> None:
    key = await world.scored("p1", "p2", fields={"bdr_names": ["Ben"]})
    assert (await world.plan(key)).bdrs == {"Ben": 2}


async def test_missing_properties_stop_the_plan_and_say_what_to_do(world: CrmWorld) -> None:
    key = await world.scored("p1")
    world.crm.properties.definitions.pop("lead_score")
    with pytest.raises(CrmNotReady, match="lead_score: run `socialanalyzer crm setup`"):
        await world.plan(key)
    assert find_batch(world.workplace, key).status == "paused"


async def test_whoever_opted_out_in_the_crm_is_not_planned(world_on_each: CrmWorld) -> None:
    await world_on_each.synced("p1")
    contact = world_on_each.contact("p1")
    assert contact is not None
    world_on_each.change(contact, hs_email_optout="true")
    world_on_each.clock.advance(days=200)
    key = await world_on_each.scored("p1", "p2", "p3")
    world_on_each.person("p2@example.org", hs_email_optout="true")
    await world_on_each.plan(key)
    assert world_on_each.actions(key) == {
        "p1": ("rejected", "suppressed"),
        "p2": ("rejected", "suppressed"),
        "p3": ("create", None),
    }


async def test_a_plan_waits_for_leads_that_are_on_their_way(world: CrmWorld) -> None:
    world.vendor.names = ["p1", "p2"]
    key = world.create().key
    with pytest.raises(PlanRefused, match="discovery"):
        await world.plan(key)


async def test_a_crm_that_refuses_the_key_pauses_the_batch_and_nothing_is_planned(world: CrmWorld) -> None:
    key = await world.scored("p1")
    world.faults(Fault("hubspot", "*", "unauthorized"))
    report = await world.plan(key)
    assert report.halt is not None
    assert (report.status, report.plan_hash) == ("paused", None)
    world.faults()
    assert (await world.plan(key)).status == "awaiting_approval"


async def test_an_answer_that_leaves_contacts_out_is_no_proof_that_they_are_absent(world: CrmWorld) -> None:
    key = await world.scored("p1", "p2")
    world.person("p2@example.org")
    world.faults(Fault("hubspot", "batch_read", "missing_record"))
    report = await world.plan(key)
    assert report.plan_hash is None or world.actions(key)["p2"] == ("rejected", "already_in_crm")


async def test_a_list_that_cannot_be_asked_closes_the_gate_and_rejects_nobody(world: CrmWorld) -> None:
    key = await world.scored("p1")
    world.suppression_key = b"too short"
    report = await world.plan(key)
    assert (report.status, report.plan_hash) == ("paused", None)
    assert "suppression list" in (report.halt or "")


async def test_an_ended_batch_with_held_leads_stays_ended_while_the_crm_is_down(world: CrmWorld) -> None:
    world.bdrs(("Ada", False))
    key = await world.scored("p1")
    await world.plan(key)
    approve(world.workplace, key, by="Mara")
    await world.sync(key)
    world.faults(Fault("hubspot", "*", "unauthorized"))
    report = await world.plan(key)
    assert report.halt is not None
    assert report.status == "completed"


async def test_small_plans_go_straight_on_where_the_policy_asks_nobody(world: CrmWorld, policy) -> None:
    key = await _batch_without_gate(world, policy, names=("p1", "p2"), most=2)
    report = await world.plan(key)
    batch = find_batch(world.workplace, key)
    with world.database.read() as connection:
        assert (report.status, next_stretch(connection, batch)) == ("queued", Stretch.SYNC)
    with pytest.raises(ApprovalRefused, match="needs no approval"):
        approve(world.workplace, key, by="Mara")
    assert (await world.sync(key)).rows == {"created": 2}


async def test_large_plans_need_a_person_even_where_the_gate_is_off(world: CrmWorld, policy) -> None:
    key = await _batch_without_gate(world, policy, names=("p1", "p2"), most=1)
    assert (await world.plan(key)).status == "awaiting_approval"


async def _batch_without_gate(world: CrmWorld, policy, *, names: tuple[str, ...], most: int) -> str:
    gates = policy.document()["gates"] | {"requires_approval": {"synced": False}, "person_above_contacts": most}
    changed = book_policy(policy, gates=gates)
    activate(world.database, changed, Authorship(author="test", note="", at=world.clock.now()))
    return await world.scored(*names)


def record(world: CrmWorld, **changes: dict[str, Any]) -> None:
    """Activate the world's policy with some values of some sections changed."""
    document = world.policy.document()
    changed = book_policy(world.policy, **{name: document[name] | values for name, values in changes.items()})
    activate(world.database, changed, Authorship(author="Ada", note="recorded", at=world.clock.now()))


async def test_what_is_recorded_in_the_policy_frees_the_leads_that_were_held_for_it(world: CrmWorld) -> None:
    record(world, privacy={"lawful_basis": None, "notice_plan": None})
    world.vendor.addresses = {"p3": None}
    world.vendor.countries = {"p2": "DE"}
    key = await world.scored("p1", "p2", "p3")
    assert (await world.plan(key)).contacts == 0
    assert world.actions(key)["p1"] == ("held", "held_lawful_basis")
    record(world, privacy={"notice_plan": None})
    await world.plan(key)
    expected = {"p1": ("create", None), "p2": ("held", "held_notice_plan"), "p3": ("held", "held_no_email")}
    assert world.actions(key) == expected
    spent = world.vendor.sent
    record(world, crm={"sync_without_email": True})
    report = await world.plan(key)
    assert set(world.actions(key).values()) == {("create", None)}
    assert (report.status, report.contacts, world.vendor.sent) == ("awaiting_approval", 3, spent)


async def test_leads_of_an_ended_batch_are_planned_again_when_what_they_lacked_is_recorded(world: CrmWorld) -> None:
    record(world, privacy={"lawful_basis": None})
    key = await world.synced("p1")
    assert world.codes(Stage.SYNCED) == {"held_lawful_basis": 1}
    assert find_batch(world.workplace, key).status == "completed"
    record(world)
    await world.plan(key)
    approve(world.workplace, key, by="Mara")
    assert (await world.sync(key)).rows == {"created": 1}


async def test_a_plan_made_under_other_rules_is_not_written_but_made_again(world: CrmWorld) -> None:
    key = await world.approved("p1")
    record(world, privacy={"lawful_basis": None})
    report = await world.sync(key)
    assert "what the policy says about contacts changed after the plan; nothing was written" in report.sentence
    assert (world.writes, find_batch(world.workplace, key).status) == (0, "queued")
    await world.plan(key)
    assert world.actions(key) == {"p1": ("held", "held_lawful_basis")}


async def test_the_bdrs_of_a_plan_that_other_rules_ended_get_their_counts_back(world: CrmWorld) -> None:
    key = await world.approved("p1", "p2")
    assert world.dealt().total() == 2
    record(world, privacy={"lawful_basis": None})
    await world.sync(key)
    await world.plan(key)
    assert world.dealt() == world.assigned() == {}


async def test_a_policy_that_changes_nothing_about_contacts_leaves_an_approved_plan_valid(world: CrmWorld) -> None:
    key = await world.approved("p1")
    record(world, novelty={"stale_below": "0.5"})
    assert (await world.sync(key)).rows == {"created": 1}


async def test_the_same_rows_under_other_rules_are_another_plan(world: CrmWorld) -> None:
    key = await world.scored("p1")
    first = await world.plan(key)
    record(world, privacy={"notice_plan": "another plan"})
    second = await world.plan(key)
    assert second.changed
    assert second.plan_hash != first.plan_hash
    approve(world.workplace, key, by="Mara")
    assert (await world.sync(key)).rows == {"created": 1}
