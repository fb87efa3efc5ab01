"""Reading contacts back: owners, merges, edits, opt-outs and outcomes (spec 11.7)."""

from collections.abc import Mapping, Sequence

import pytest
from crm_world import CrmWorld, uid_of

from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.suppression import identifier_hash
from socialanalyzer_dagster.pipeline.batch_actions import Deed, retry
from socialanalyzer_dagster.pipeline.crm_reconcile import _Reconciliation
from socialanalyzer_dagster.pipeline.notices import notice_report, overdue
from socialanalyzer_dagster.pipeline.vendor_health import reset_breaker
from socialanalyzer_dagster.sandbox.faults import Fault
from socialanalyzer_dagster.sandbox.vendors.hubspot_owners import OWNER_IDS
from socialanalyzer_dagster.storage.crm_links import Link
from socialanalyzer_dagster.storage.crm_standings import Standing, standings_of
from socialanalyzer_dagster.storage.notices import Due
from socialanalyzer_dagster.storage.suppressions import hashes
from socialanalyzer_dagster.vendors.hubspot_batches import Contact


def standing(world: CrmWorld, name: str) -> Standing:
    with world.database.read() as connection:
        return standings_of(connection, [uid_of(name)])[uid_of(name)]


async def test_what_sales_made_of_our_contacts_is_read_back(world_on_each: CrmWorld) -> None:
    await world_on_each.synced("p1", "p2", "p3", "p4")
    found = [world_on_each.contact(f"p{n}") for n in range(1, 5)]
    one, two, three, four = [contact for contact in found if contact is not None]
    before = await world_on_each.reconcile()
    assert (before.contacts, before.outcomes, before.owners_changed, before.edited) == (4, {}, 0, 0)
    owner = min(OWNER_IDS)
    world_on_each.change(one, lifecyclestage="customer", hs_lead_status="OPEN_DEAL", hubspot_owner_id=owner)
    world_on_each.change(two, hs_lead_status="CONNECTED", lead_score="0.1")
    world_on_each.merge(world_on_each.person("x@example.org"), three)
    world_on_each.delete(four)
    report = await world_on_each.reconcile()
    assert report.outcomes == {"won": 1, "contacted": 1}
    assert (report.merged, report.deleted, report.owners_changed, report.edited) == (1, 1, 2, 2)
    assert (standing(world_on_each, "p1").outcome, standing(world_on_each, "p1").owner_id) == ("won", owner)
    assert standing(world_on_each, "p4").deleted
    assert world_on_each.link("p2").released == {"lead_score"}
    assert world_on_each.link("p3").aliases == {three.id}
    assert (await world_on_each.reconcile()).merged == 0


async def test_a_contact_that_sales_wrote_to_is_owed_its_notice_from_then_on(world_on_each: CrmWorld) -> None:
    await world_on_each.synced("p1", "p2", "p3")
    for name, status in (("p1", "CONNECTED"), ("p2", "UNQUALIFIED")):
        contact = world_on_each.contact(name)
        assert contact is not None
        world_on_each.change(contact, hs_lead_status=status)
    assert notice_report(world_on_each.database, world_on_each.clock.now())["overdue"] == 0
    assert (await world_on_each.reconcile()).first_contacts == 1, "who was given up may never have been written to"
    read_at = world_on_each.clock.now()
    world_on_each.clock.advance(days=1)
    assert (await world_on_each.reconcile()).first_contacts == 0
    assert overdue(world_on_each.database, world_on_each.clock.now()) == [Due(uid_of("p1"), read_at)]


async def test_an_opt_out_goes_onto_the_suppression_list_as_keyed_hash_once(world: CrmWorld) -> None:
    await world.synced("p1", "p2")
    contact = world.contact("p1")
    assert contact is not None
    world.change(contact, hs_email_optout="true", email="Other@Example.org")
    assert (await world.reconcile()).opted_out == 1
    with world.database.read() as connection:
        listed = hashes(connection)
    expected = {
        identifier_hash(Identifier(IdentifierKind.EMAIL, email), world.suppression_key)
        for email in ("other@example.org", "p1@example.org")
    }
    assert expected <= {keyed for _, keyed in listed}
    assert {kind for kind, _ in listed} == {"email", "handle", "profile_url"}
    assert (await world.reconcile()).opted_out == 0
    writes = world.writes
    again = await world.synced("p1", "p2")
    assert set(world.actions(again)) == {"p2"}, "stopped where the batch begins"
    assert world.writes == writes + 1


async def unanswered(world: CrmWorld, *names: str) -> str:
    """The key of a batch that was written, and neither an answer nor a look said so."""
    key = await world.approved(*names)
    lost = Fault("hubspot", "batch_upsert", "closed_after")
    world.faults(lost)
    world.when_asleep = lambda: world.faults(lost, Fault("hubspot", "batch_read", "error_200"))
    assert (await world.sync(key)).rows == {"failed": len(names)}
    world.faults()
    reset_breaker(world.workplace, "hubspot", by="Mara")
    return key


async def test_an_update_whose_answer_was_lost_is_nobodys_edit(world_on_each: CrmWorld) -> None:
    await world_on_each.synced("p1")
    key = await unanswered(world_on_each, "p1")
    contact = world_on_each.contact("p1")
    assert contact is not None
    assert contact.value("lead_batch_id") == key
    assert (await world_on_each.reconcile()).edited == 0
    assert world_on_each.link("p1").released == frozenset()
    assert world_on_each.link("p1").written["lead_batch_id"] == key
    world_on_each.change(contact, lead_score="0.1")
    assert (await world_on_each.reconcile()).edited == 1
    assert world_on_each.link("p1").released == {"lead_score"}


async def test_a_new_plan_after_a_lost_answer_releases_nothing(world: CrmWorld) -> None:
    await world.synced("p1")
    key = await unanswered(world, "p1")
    retry(world.workplace, key, Deed(by="Mara"))
    await world.run(key)
    await world.plan(key)
    assert world.actions(key) == {"p1": ("unchanged", None)}
    assert world.rows(key)["p1"].planned.notes == ()
    assert (await world.reconcile()).edited == 0
    assert world.link("p1").released == frozenset()


async def test_a_new_plan_after_a_lost_create_leaves_the_reps_edit(world_on_each: CrmWorld) -> None:
    key = await unanswered(world_on_each, "p1")
    contact = world_on_each.contact("p1")
    assert contact is not None
    world_on_each.change(contact, lead_score="0.1")
    retry(world_on_each.workplace, key, Deed(by="Mara"))
    await world_on_each.run(key)
    await world_on_each.plan(key)
    assert world_on_each.rows(key)["p1"].planned.released == {"lead_score"}
    assert world_on_each.links("p1") == {uid_of("p1"): contact.id}
    assert world_on_each.link("p1").written["lead_batch_id"] == key


async def test_a_sync_between_the_two_reads_of_reconcile_is_nobodys_edit(
    world_on_each: CrmWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world_on_each.synced("p1")
    key = await world_on_each.approved("p1")
    read = _Reconciliation.read

    async def late(work: _Reconciliation, page: Sequence[Link]) -> Mapping[str, Contact]:
        await world_on_each.sync(key)
        return await read(work, page)

    monkeypatch.setattr(_Reconciliation, "read", late)
    await world_on_each.reconcile()
    assert world_on_each.link("p1").released == frozenset()
    assert world_on_each.link("p1").written["lead_batch_id"] == key
