"""Reading contacts back: owners, merges, edits, opt-outs and outcomes (spec 11.7)."""

from crm_world import CrmWorld, uid_of

from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.suppression import identifier_hash
from socialanalyzer_dagster.sandbox.vendors.hubspot_owners import OWNER_IDS
from socialanalyzer_dagster.storage.crm_standings import Standing, standings_of
from socialanalyzer_dagster.storage.suppressions import hashes


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
