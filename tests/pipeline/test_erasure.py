"""Erasing people: from everywhere, whatever fails on the way, and for good (spec 19.4)."""

import asyncio
from collections.abc import Sequence

import pytest
from batch_world import KEY
from crm_world import CrmWorld, uid_of
from privacy_world import asked, email, erased, everything_in, handle, places_of, privacy_parts
from sqlalchemy import select, update

from socialanalyzer_dagster.domain.creator_lists import ListRow
from socialanalyzer_dagster.domain.filters import FilterProblems
from socialanalyzer_dagster.domain.leads import AudienceKind, Identifier, IdentifierKind, LeadRecord
from socialanalyzer_dagster.domain.types import LeadUid, PlatformKey, Stage
from socialanalyzer_dagster.pipeline import discovery, erasure_end
from socialanalyzer_dagster.pipeline.approvals import approve
from socialanalyzer_dagster.pipeline.batch_actions import Deed, find_batch, retry, stop
from socialanalyzer_dagster.pipeline.crm_contacts import CrmReader, Known, Wanted
from socialanalyzer_dagster.pipeline.discovery_store import DiscoveryStore
from socialanalyzer_dagster.pipeline.erasure import erase, erase_all, finish_requests
from socialanalyzer_dagster.pipeline.people_search import PeopleSearch
from socialanalyzer_dagster.pipeline.privacy_export import export, receipt_of
from socialanalyzer_dagster.pipeline.suppressions import SuppressionRequest, add
from socialanalyzer_dagster.pipeline.vendor_health import reset_breaker
from socialanalyzer_dagster.sandbox.faults import Fault
from socialanalyzer_dagster.storage import sync_plans
from socialanalyzer_dagster.storage.leads import Collection, insert_leads, load_records, update_records
from socialanalyzer_dagster.storage.models_control import (
    AuditEntryRow,
    LedgerEntryRow,
    ProviderAttemptRow,
    VendorJobRow,
)
from socialanalyzer_dagster.storage.models_leads import FilterHistoryRow, LeadBatchRow, LeadClaimRow, LeadRow
from socialanalyzer_dagster.storage.models_results import ContactValueRow
from socialanalyzer_dagster.storage.person_rows import reduce_identities
from socialanalyzer_dagster.storage.privacy_requests import unfinished
from socialanalyzer_dagster.vendors.media_store import FolderStore, MediaStoreError, keeper

CREATOR = "adatrailwalker"
OTHER = "beasummit"


async def synced(world: CrmWorld, *names: str) -> str:
    return await world.written(*(names or (CREATOR, OTHER)))


def rows(world: CrmWorld, model) -> list:
    with world.database.read() as connection:
        return connection.execute(select(model.__table__)).all()


async def test_an_erased_person_is_nowhere_and_the_others_are_untouched(world_on_each: CrmWorld) -> None:
    world = world_on_each
    key = await synced(world)
    await keeper(FolderStore(world.home / "media"), uid_of(CREATOR))(b"picture", "image/jpeg")
    kept = await keeper(FolderStore(world.home / "media"), uid_of(OTHER))(b"picture", "image/jpeg")
    before = everything_in(world.database)
    assert places_of(world.database, CREATOR) >= {"leads.record", "contact_values.value", "provider_answers.body"}
    ledger, attempts = rows(world, LedgerEntryRow), rows(world, ProviderAttemptRow)
    request = await erased(world, email(f"{CREATOR.upper()}@Example.org"))
    assert (request.state, request.leads) == ("done", (uid_of(CREATOR),))
    assert places_of(world.database, CREATOR) == set()
    assert world.contact(CREATOR) is None
    assert not [each for each in world.crm.contacts.everyone() if CREATOR in str(each.properties)]
    assert [path.name for path in (world.home / "media").rglob("*") if path.is_file()] == [kept.split("/")[-1]]
    assert (rows(world, LedgerEntryRow), rows(world, ProviderAttemptRow)) == (ledger, attempts)
    after = everything_in(world.database)
    assert all(text.lower().count(OTHER) == before[place].lower().count(OTHER) for place, text in after.items())
    assert world.contact(OTHER) is not None
    assert find_batch(world.workplace, key).status == "completed"
    assert world.costs_agree()


async def test_the_receipt_counts_every_store_and_names_nobody(world: CrmWorld) -> None:
    await synced(world)
    await keeper(FolderStore(world.home / "media"), uid_of(CREATOR))(b"picture", "image/jpeg")
    request = await erased(world, handle(f"@{CREATOR.title()}"))
    counts = request.receipt["counts"]
    for store in (
        "leads",
        "contact_values",
        "evidence",
        "scores",
        "provider_answers",
        "sync_plan_rows",
        "crm_contacts",
        "crm_addresses",
        "media_objects",
        "email_verifications",
        "suppressions",
        "vendor_job_items",
    ):
        assert counts[store] > 0, store
    audit = rows(world, AuditEntryRow)
    assert [each.action for each in audit if each.subject == request.keyed_hash] == ["privacy.erase"]
    assert CREATOR not in f"{receipt_of(request)}{audit}".lower()


async def test_somebody_unknown_gets_a_receipt_and_stays_out(world: CrmWorld) -> None:
    request = await erased(world, email(f"{CREATOR}@example.org"))
    assert (request.state, request.leads, request.receipt["crm"]["state"]) == ("done", (), "erased")
    world.vendor.emails[CREATOR] = f"{CREATOR}+new@example.org"
    key = await world.scored(CREATOR, OTHER)
    assert world.codes(Stage.DISCOVERED)["passed"] == 2, "an unknown host keeps its plus tags apart"
    world.vendor.emails["cas"] = f"{CREATOR.upper()}@EXAMPLE.org"
    await world.scored("cas")
    assert "cas" not in str(rows(world, LeadRow))
    assert key


async def test_an_erased_person_who_is_found_again_is_stopped_at_the_first_gate(world: CrmWorld) -> None:
    await synced(world)
    await erased(world, uid_of(CREATOR))
    world.clock.advance(days=400)
    sent = world.vendor.sent
    await world.scored(CREATOR)
    assert world.vendor.sent == sent + 1, "the search alone is bought"
    assert places_of(world.database, CREATOR) == set()
    found = [row for row in everything_in(world.database)["found_items.result"].splitlines() if row == "suppressed"]
    assert len(found) == 1


async def test_an_erased_person_on_a_list_leaves_nothing_but_the_count(world: CrmWorld) -> None:
    await synced(world)
    await erased(world, handle(CREATOR))
    people = (ListRow(line=2, handle=CREATOR, email=f"{CREATOR}@example.org"), ListRow(line=3, handle="cas"))
    key = world.create(creator_list=people).key
    await world.run(key, Stage.DISCOVERED)
    assert places_of(world.database, CREATOR) == set()
    assert {"suppressed", "lead"} <= set(everything_in(world.database)["found_items.result"].splitlines())


async def test_a_person_in_a_plan_that_waits_leaves_it_and_the_plan_is_made_again(world: CrmWorld) -> None:
    key = await world.ready(CREATOR, OTHER)
    await erased(world, handle(CREATOR))
    with world.database.read() as connection:
        plan = sync_plans.newest_plan(connection, find_batch(world.workplace, key).batch_id)
    assert plan is not None
    assert plan.state == "superseded"
    assert world.codes(Stage.SYNCED) == {"suppressed": 1}
    await world.plan(key)
    approve(world.workplace, key, by="Mara")
    report = await world.sync(key)
    assert report.rows == {"created": 1}
    assert find_batch(world.workplace, key).status == "completed"
    assert sum(world.dealt().values()) == 1
    assert places_of(world.database, CREATOR) == set()


async def test_a_person_erased_while_their_plan_is_written_leaves_the_rest_a_new_plan(
    world: CrmWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = CrmReader.find
    key = await world.approved(CREATOR, OTHER)

    async def find_late(reader: CrmReader, wanted: Sequence[Wanted]) -> dict[LeadUid, Known]:
        monkeypatch.setattr(CrmReader, "find", find)
        await erased(world, handle(CREATOR))
        return await find(reader, wanted)

    monkeypatch.setattr(CrmReader, "find", find_late)
    world.faults(Fault("hubspot", "batch_upsert", "unauthorized"))
    assert (await world.sync(key)).rows == {"pending": 1, "rejected": 1}
    world.faults()
    assert "holds somebody who was erased" in (await world.sync(key)).sentence
    assert (await world.plan(key)).actions == {"create": 1}
    approve(world.workplace, key, by="Mara")
    assert (await world.sync(key)).rows == {"created": 1}
    assert places_of(world.database, CREATOR) == set()


async def test_a_person_erased_while_a_stage_works_on_them_leaves_no_result(world: CrmWorld) -> None:
    world.vendor.names = [CREATOR, OTHER]
    key = world.create().key
    await world.run(key, Stage.DISCOVERED)
    world.vendor.hold = asyncio.Event()
    work = asyncio.create_task(world.run(key, Stage.SCREENED))
    await world.vendor.arrived.wait()
    request = await erased(world, handle(CREATOR))
    world.vendor.hold.set()
    await work
    world.vendor.hold = None
    await world.run(key, Stage.ENRICHED, Stage.ANALYZED, Stage.SCORED)
    assert request.state == "waiting_for_batch"
    assert world.codes(Stage.SCREENED) == {"passed": 1, "suppressed": 1}
    await world.plan(key)
    async with privacy_parts(world) as parts:
        states = await finish_requests(parts)
    assert set(states) <= {"done"}
    assert places_of(world.database, CREATOR) == set()
    assert world.vendor.asked[f"screened:{CREATOR}"] == 1
    assert world.vendor.asked[f"analyzed:{CREATOR}"] == 0


async def test_an_erasure_that_breaks_is_finished_by_asking_again(world: CrmWorld, monkeypatch) -> None:
    await synced(world)

    async def broken(*_: object) -> int:
        raise MediaStoreError("the bucket is away")

    with monkeypatch.context() as patch:
        patch.setattr(erasure_end, "erase_media", broken)
        with pytest.raises(MediaStoreError):
            await erased(world, email(f"{CREATOR}@example.org"))
    with world.database.read() as connection:
        (open_request,) = unfinished(connection)
    assert open_request.state == "open"
    again = await erased(world, email(f"{CREATOR}@example.org"))
    assert (again.request_id, again.state) == (open_request.request_id, "done")
    assert places_of(world.database, CREATOR) == set()
    assert world.contact(CREATOR) is None


async def test_an_interrupted_erasure_is_finished_by_the_purge_as_well(world: CrmWorld, monkeypatch) -> None:
    await synced(world)

    def broken(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(erasure_end.ErasureEnd, "_forget_identities", broken)
        with pytest.raises(RuntimeError):
            await erased(world, handle(CREATOR))
    async with privacy_parts(world) as parts:
        assert await finish_requests(parts) == {"done": 1}
    assert places_of(world.database, CREATOR) == set()


async def test_a_crm_that_does_not_answer_leaves_the_request_open_until_it_does(world: CrmWorld) -> None:
    await synced(world)
    world.faults(Fault("hubspot", "*", "error_500"))
    request = await erased(world, handle(CREATOR))
    assert (request.state, request.receipt["crm"]["state"]) == ("waiting_for_crm", "unreachable")
    assert "did not answer" in request.receipt["sentence"]
    assert places_of(world.database, CREATOR) == {"contact_values.value"}, "the CRM must be asked with the address"
    world.faults()
    reset_breaker(world.workplace, "hubspot", by="Mara")
    async with privacy_parts(world) as parts:
        assert await finish_requests(parts) == {"done": 1}
    assert places_of(world.database, CREATOR) == set()
    assert world.contact(CREATOR) is None
    assert len(rows(world, LeadRow)) == 2


async def test_an_address_the_crm_was_not_asked_about_must_be_given_again(world: CrmWorld) -> None:
    world.person("someone@else.example")
    world.faults(Fault("hubspot", "*", "error_500"))
    request = await erased(world, email("someone@else.example"))
    assert (request.state, request.receipt["crm"]["needs_address"]) == ("waiting_for_crm", True)
    assert "with the address" in request.receipt["sentence"]
    world.faults()
    reset_breaker(world.workplace, "hubspot", by="Mara")
    async with privacy_parts(world) as parts:
        assert await finish_requests(parts) == {"waiting_for_crm": 1}
    again = await erased(world, email("Someone@Else.example"))
    assert (again.request_id, again.state) == (request.request_id, "done")
    assert "someone@else" not in str([each.properties for each in world.crm.contacts.everyone()])


async def test_the_crm_takes_an_erased_address_from_nobody_any_more(world: CrmWorld) -> None:
    await synced(world)
    await erased(world, handle(CREATOR))
    with pytest.raises(Exception, match="cannot be used"):
        world.person(f"{CREATOR}@example.org")


def link(world: CrmWorld, name: str, to: str) -> None:
    with world.database.write() as connection:
        record = load_records(connection, [uid_of(name)])[uid_of(name)]
        linked = record.model_copy(update={"links": {"personal_website": f"https://testbook.example/{to}"}})
        update_records(connection, {uid_of(name): linked}, world.clock.now())


@pytest.mark.parametrize("named", [CREATOR, OTHER])
async def test_a_link_without_an_answer_makes_nobody_the_same_person(world: CrmWorld, named: str) -> None:
    await synced(world)
    link(world, CREATOR, OTHER)
    other = OTHER if named == CREATOR else CREATOR
    request = await erased(world, handle(named))
    assert (request.leads, request.receipt["possibly_theirs"]) == ((uid_of(named),), [uid_of(other)])
    assert world.contact(other) is not None
    async with privacy_parts(world) as parts:
        assert (await export(parts, asked(uid_of(other))))["leads"] == [uid_of(other)]


async def test_a_link_and_the_same_address_make_the_same_person(world: CrmWorld) -> None:
    world.vendor.addresses = {CREATOR: "ada@trail.example", OTHER: "ada@trail.example"}
    await synced(world)
    link(world, CREATOR, OTHER)
    assert set((await erased(world, handle(CREATOR))).leads) == {uid_of(CREATOR), uid_of(OTHER)}


async def test_accounts_that_link_to_each_other_are_the_same_person(world: CrmWorld) -> None:
    await synced(world, CREATOR, OTHER, "caspeak")
    link(world, CREATOR, OTHER)
    link(world, OTHER, CREATOR)
    request = await erased(world, handle(CREATOR))
    assert set(request.leads) == {uid_of(CREATOR), uid_of(OTHER)}
    assert places_of(world.database, CREATOR, OTHER) == set()
    assert world.contact("caspeak") is not None


async def test_an_address_that_two_creators_share_does_not_shut_the_other_out(world: CrmWorld) -> None:
    world.vendor.addresses = {CREATOR: "office@agency.example", OTHER: "office@agency.example"}
    await synced(world)
    request = await erased(world, handle(CREATOR))
    assert request.leads == (uid_of(CREATOR),)
    assert request.receipt["shared_identifiers"] == 1
    assert "office@agency.example" in everything_in(world.database)["contact_values.value"]
    world.clock.advance(days=400)
    await world.scored(OTHER)
    assert world.outcomes()["screened", OTHER] == [("passed", None)] * 2


async def test_people_who_are_erased_together_leave_no_more_than_one_after_the_other(world: CrmWorld) -> None:
    world.vendor.addresses = {CREATOR: "office@agency.example", OTHER: "office@agency.example"}
    await synced(world, CREATOR, OTHER, "caspeak", "dorahill")
    link(world, "caspeak", "dorahill")
    link(world, "dorahill", "caspeak")
    leads = [uid_of(name) for name in (CREATOR, OTHER, "caspeak", "dorahill")]
    async with privacy_parts(world) as parts:
        requests = await erase_all(parts, [asked(uid) for uid in leads])
    assert [(request.state, len(request.leads)) for request in requests] == [
        ("done", 1), ("done", 1), ("done", 2), ("done", 1),
    ]  # fmt: skip
    assert [request.receipt["shared_identifiers"] for request in requests] == [1, 0, 0, 0], "the last has it alone"
    assert [request.receipt["counts"].get("leads", 0) for request in requests] == [1, 1, 2, 0]
    assert places_of(world.database, CREATOR, OTHER, "caspeak", "dorahill", "office@agency") == set()
    audit = sorted(rows(world, AuditEntryRow), key=lambda row: row.id)
    erased = [row.subject for row in audit if row.action == "privacy.erase"]
    assert erased == [request.keyed_hash for request in requests]
    assert world.costs_agree()


async def test_media_that_cannot_be_deleted_keep_nobody_else(world: CrmWorld, monkeypatch) -> None:
    await synced(world)
    store = FolderStore(world.home / "media")
    stuck, *gone = [await keeper(store, uid_of(name))(picture, "image/jpeg") for name, picture in (
        (CREATOR, b"stuck"), (CREATOR, b"other"), (OTHER, b"picture"),
    )]  # fmt: skip
    delete = FolderStore.delete

    async def delete_most(self: FolderStore, key: str) -> None:
        if key == stuck:
            raise MediaStoreError("the media folder cannot be written")
        await delete(self, key)

    async with privacy_parts(world) as parts:
        with monkeypatch.context() as patch:
            patch.setattr(FolderStore, "delete", delete_most)
            with pytest.raises(MediaStoreError):
                await erase_all(parts, [asked(uid_of(CREATOR)), asked(uid_of(OTHER))])
        assert [await store.exists(key) for key in (stuck, *gone)] == [True, False, False]
        assert places_of(world.database, OTHER) == set()
        assert await finish_requests(parts) == {"done": 1}
    assert not await store.exists(stuck)
    assert places_of(world.database, CREATOR) == set()


async def test_an_export_holds_what_is_stored_and_its_receipt_does_not(world: CrmWorld) -> None:
    await synced(world)
    await keeper(FolderStore(world.home / "media"), uid_of(CREATOR))(b"picture", "image/jpeg")
    async with privacy_parts(world) as parts:
        document = await export(parts, asked(handle(CREATOR)))
        nobody = await export(parts, asked(handle("nobodyknown")))
    assert {row["lead_uid"] for rows in document["tables"].values() for row in rows if "lead_uid" in row} == {
        uid_of(CREATOR)
    }
    values = {row["field"]: row for row in document["tables"]["contact_values"]}
    assert values["email"]["value"] == f"{CREATOR}@example.org"
    assert values["email"]["provider"] == "book"
    assert [each["body"] for each in document["stored_answers"] if "of" in each["body"]]
    assert document["vendor_items"][0]["item"] == {"name": CREATOR}
    assert (len(document["media"]), len(document["crm"]["contacts"])) == (1, 1)
    assert f"{CREATOR}@example.org" in document["origin"]
    assert OTHER not in str(document)
    assert CREATOR not in str(document["receipt"])
    assert (nobody["leads"], nobody["tables"], nobody["crm"]["contacts"]) == ([], {}, [])
    assert "no data" in nobody["origin"]


async def test_history_and_fingerprints_survive_an_erasure(world: CrmWorld) -> None:
    key = await synced(world)
    history = rows(world, FilterHistoryRow)
    summary = find_batch(world.workplace, key).summary
    counts = world.codes(Stage.SYNCED)
    await erased(world, handle(CREATOR))
    assert rows(world, FilterHistoryRow) == history
    assert find_batch(world.workplace, key).summary == summary
    assert world.codes(Stage.SYNCED) == counts


async def test_a_reason_that_names_somebody_is_refused_before_anything_is_done(world: CrmWorld) -> None:
    await synced(world)
    async with privacy_parts(world) as parts:
        with pytest.raises(FilterProblems, match="no address"):
            await erase(parts, asked(handle(CREATOR), reason=f"{CREATOR}@example.org wrote"))
    assert world.contact(CREATOR) is not None


async def test_erasing_twice_changes_nothing_the_second_time(world: CrmWorld) -> None:
    await synced(world)
    await erased(world, handle(CREATOR))
    before = everything_in(world.database)
    again = await erased(world, handle(CREATOR))
    assert again.state == "done"
    assert again.receipt["counts"].get("leads", 0) == 0
    changed = {place for place, text in everything_in(world.database).items() if text != before[place]}
    assert {place.split(".")[0] for place in changed} <= {
        "privacy_requests",
        "audit_entries",
        "leads",
        "service_health",
        "outbox",
    }
    assert LeadUid(again.leads[0]) == uid_of(CREATOR)


async def test_a_person_erased_half_way_through_a_search_stays_out_and_the_receipt_waits(
    world_on_each: CrmWorld,
) -> None:
    world = world_on_each
    world.vendor.names = [OTHER, CREATOR, "caspeak"]
    world.vendor.emails = {name: f"{name}@example.org" for name in world.vendor.names}
    key = world.create().key
    world.faults(Fault("hubspot", "*", "error_500"))
    await world.run(key, Stage.DISCOVERED)
    assert (find_batch(world.workplace, key).status, world.codes(Stage.DISCOVERED)) == ("paused", {})
    world.faults()
    request = await erased(world, handle(CREATOR))
    assert (request.state, request.leads) == ("waiting_for_batch", (uid_of(CREATOR),))
    assert places_of(world.database, CREATOR) == {"vendor_job_pages.body"}, "the search reads its pages again"
    retry(world.workplace, key, Deed(by="Kai"))
    await world.run(key)
    assert places_of(world.database, CREATOR) == set()
    assert world.codes(Stage.SCREENED) == {"passed": 2, "suppressed": 1}
    assert [row.erased_at is not None for row in rows(world, LeadRow) if row.lead_uid == uid_of(CREATOR)] == [True]
    await world.plan(key)
    assert (await erased(world, handle(CREATOR))).state == "done"


async def test_the_person_is_shut_out_before_anybody_is_looked_for(world: CrmWorld, monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("killed")

    monkeypatch.setattr(PeopleSearch, "of", broken)
    with pytest.raises(RuntimeError):
        await erased(world, handle(CREATOR))
    await world.scored(CREATOR, OTHER)
    assert places_of(world.database, CREATOR) == set()


async def test_a_search_that_was_given_up_half_way_is_emptied_of_the_person_by_the_purge(world: CrmWorld) -> None:
    world.vendor.names = [OTHER, CREATOR, "caspeak"]
    world.vendor.emails = {name: f"{name}@example.org" for name in world.vendor.names}
    key = world.create().key
    world.faults(Fault("hubspot", "*", "error_500"))
    await world.run(key, Stage.DISCOVERED)
    world.faults()
    assert (await erased(world, email(f"{CREATOR}@example.org"))).state == "waiting_for_batch"
    stop(world.workplace, key, Deed(by="Kai"))
    async with privacy_parts(world) as parts:
        assert await finish_requests(parts) == {"done": 1}
    assert places_of(world.database, CREATOR) == set()
    assert places_of(world.database, OTHER) >= {"vendor_job_pages.body"}
    retry(world.workplace, key, Deed(by="Kai"))
    await world.run(key)
    assert world.codes(Stage.SCORED)["passed"] == 2


async def test_a_person_erased_while_their_search_is_sorted_is_not_stored(world: CrmWorld, monkeypatch) -> None:
    world.vendor.names = [OTHER, CREATOR]
    key = world.create().key
    sort = discovery.sort_items

    def sorted_before(found, rules):
        result = sort(found, rules)
        monkeypatch.setattr(discovery, "sort_items", sort)
        request = SuppressionRequest(identifier=handle(CREATOR), reason="asked", source="Kai", now=world.clock.now())
        add(world.database, KEY, request)
        return result

    monkeypatch.setattr(discovery, "sort_items", sorted_before)
    await world.run(key, Stage.DISCOVERED)
    assert world.codes(Stage.DISCOVERED) == {"passed": 1}
    assert places_of(world.database, CREATOR) == set()


async def test_a_suppressed_person_in_a_creator_list_is_never_stored_in_clear(world: CrmWorld) -> None:
    request = SuppressionRequest(identifier=handle(CREATOR), reason="asked", source="Kai", now=world.clock.now())
    add(world.database, KEY, request)
    key = world.create(creator_list=(ListRow(line=2, handle=CREATOR), ListRow(line=3, handle=OTHER))).key
    assert places_of(world.database, CREATOR) == set()
    report = (await world.run(key, Stage.DISCOVERED))[Stage.DISCOVERED]
    assert report.items == {"lead": 1, "suppressed": 1}


async def test_searches_that_started_from_the_person_forget_their_handle(world: CrmWorld) -> None:
    await synced(world)
    with world.database.write() as connection:
        filters = {"lookalike_username": CREATOR, "lookalike_type": "creator", "keyword": "hiking"}
        connection.execute(update(LeadBatchRow).values(filters=filters))
        connection.execute(update(VendorJobRow).values(request={"creator_lookalikes": CREATOR, "most": 10}))
    await erased(world, handle(CREATOR))
    assert places_of(world.database, CREATOR) == set()
    assert rows(world, LeadBatchRow)[0].filters == {**filters, "lookalike_username": "[erased]"}
    assert rows(world, VendorJobRow)[0].request["most"] == 10


async def test_words_about_the_person_leave_the_audit_as_well(world: CrmWorld) -> None:
    key = await world.scored(CREATOR, OTHER)
    await world.plan(key)
    approve(world.workplace, key, by="Mara", comment=f"without @{CREATOR} please")
    assert "audit_entries.detail" in places_of(world.database, CREATOR)
    await erased(world, handle(CREATOR))
    assert places_of(world.database, CREATOR) == set()
    assert [row.actor for row in rows(world, AuditEntryRow) if row.action == "plan.approve"] == ["Mara"]


async def test_an_export_gives_no_contact_of_somebody_with_the_same_address(world: CrmWorld) -> None:
    await synced(world)
    office = ContactValueRow.__table__.c.field == "email"
    with world.database.write() as connection:
        connection.execute(update(ContactValueRow).where(office).values(value=f"{OTHER}@example.org"))
    async with privacy_parts(world) as parts:
        document = await export(parts, asked(handle(CREATOR)))
    assert [each["properties"]["email"] for each in document["crm"]["contacts"]] == [f"{CREATOR}@example.org"]


async def test_an_export_holds_the_items_that_a_batch_still_reads(world: CrmWorld) -> None:
    world.vendor.names = [CREATOR, OTHER]
    world.vendor.emails = {name: f"{name}@example.org" for name in world.vendor.names}
    key = world.create().key
    world.faults(Fault("hubspot", "*", "error_500"))
    await world.run(key, Stage.DISCOVERED)
    world.faults()
    async with privacy_parts(world) as parts:
        document = await export(parts, asked(handle(CREATOR)))
    assert [each["item"] for each in document["vendor_items"]] == [{"name": CREATOR}]


@pytest.mark.parametrize(
    ("platform", "name", "address"),
    [
        ("instagram", CREATOR, f"https://www.instagram.com/{CREATOR}/?igshid=1"),
        ("facebook", "hikinggroup", "m.facebook.com/groups/HikingGroup/"),
    ],
)
def test_a_reduced_lead_is_found_by_the_address_of_its_profile(sqlite_database, clock, platform, name, address) -> None:
    now = clock.now()
    record = LeadRecord(
        platform=PlatformKey(platform),
        platform_id=name,
        handle=name,
        profile_url=address,
        audience_kind=AudienceKind.FOLLOWERS,
    )
    with sqlite_database.write() as connection:
        insert_leads(connection, [record], Collection(at=now, notice_due_at=now, lawful_basis=None))
        reduce_identities(connection, [record.uid], KEY, now)
    found = PeopleSearch(sqlite_database, KEY).of(Identifier(IdentifierKind.PROFILE_URL, address))
    assert found.uids == [record.uid]


async def test_a_person_listed_after_the_sorting_is_not_claimed(world_on_each: CrmWorld, monkeypatch) -> None:
    world = world_on_each
    world.vendor.names = [OTHER, CREATOR]
    world.vendor.emails = {name: f"{name}@example.org" for name in world.vendor.names}
    key = world.create().key
    reject_known = DiscoveryStore.reject_known

    def listed_meanwhile(store, open_leads, *, before):
        request = SuppressionRequest(identifier=handle(CREATOR), reason="asked", source="Kai", now=world.clock.now())
        add(world.database, KEY, request)
        return reject_known(store, open_leads, before=before)

    monkeypatch.setattr(DiscoveryStore, "reject_known", listed_meanwhile)
    await world.run(key, Stage.DISCOVERED)
    assert world.codes(Stage.SCREENED) == {"suppressed": 1}
    places = places_of(world.database, CREATOR)
    assert not places & {"contact_candidates.value", "vendor_job_pages.body"}
    assert [row.lead_uid for row in rows(world, LeadClaimRow)] == [uid_of(OTHER)]


async def test_a_search_killed_at_its_very_end_leaves_no_suppressed_person(world: CrmWorld, monkeypatch) -> None:
    world.vendor.names = [CREATOR, OTHER]
    request = SuppressionRequest(identifier=handle(CREATOR), reason="asked", source="Kai", now=world.clock.now())
    add(world.database, KEY, request)
    key = world.create().key

    def killed(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(discovery, "end_stage", killed)
        with pytest.raises(RuntimeError):
            await world.run(key, Stage.DISCOVERED)
    assert places_of(world.database, CREATOR) == set()
    report = (await world.run(key, Stage.DISCOVERED))[Stage.DISCOVERED]
    assert report.items == {"lead": 1, "suppressed": 1}
    assert world.codes(Stage.DISCOVERED) == {"passed": 1}
