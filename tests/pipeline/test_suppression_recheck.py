"""The daily re-check: an objection takes effect within a day in open batches and in the CRM (spec 19.2, 19.4)."""

from collections.abc import Sequence
from typing import Any

import pytest
from crm_world import CrmWorld, uid_of
from privacy_world import email, erased, handle, places_of, privacy_parts
from sqlalchemy import select

from socialanalyzer_dagster.domain.calls import ErrorClass, Reply, VendorCall, VendorError
from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.types import LeadUid, Stage
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.crm_admission import SyncRefused
from socialanalyzer_dagster.pipeline.crm_contacts import CrmReader, Known, Wanted
from socialanalyzer_dagster.pipeline.crm_due import attend_plans
from socialanalyzer_dagster.pipeline.suppression_recheck import recheck
from socialanalyzer_dagster.pipeline.suppressions import SuppressionRequest, add
from socialanalyzer_dagster.pipeline.vendor_health import reset_breaker
from socialanalyzer_dagster.sandbox.faults import Fault
from socialanalyzer_dagster.storage import sync_plans
from socialanalyzer_dagster.storage.leads import Collection, insert_leads, load_records
from socialanalyzer_dagster.storage.models_leads import LeadRow
from socialanalyzer_dagster.vendors.hubspot import HubSpot


def suppress(world: CrmWorld, who: Identifier) -> None:
    request = SuppressionRequest(identifier=who, reason="objected", source="a rep", now=world.clock.now())
    add(world.database, world.suppression_key, request)


async def rechecked(world: CrmWorld) -> dict[str, int]:
    async with privacy_parts(world) as parts:
        return dict(+await recheck(parts))


async def test_a_synced_person_who_objects_is_marked_in_the_crm_and_nothing_is_deleted(world_on_each: CrmWorld) -> None:
    world = world_on_each
    await world.written("walker1", "walker2")
    suppress(world, email("Walker1@Example.org"))
    assert await rechecked(world) == {"leads_listed": 1}
    contact, other = world.contact("walker1"), world.contact("walker2")
    assert contact is not None
    assert other is not None
    assert (contact.value("email_outreach"), other.value("email_outreach")) == ("not_allowed", "allowed")
    assert contact.value("email") == "walker1@example.org"
    writes = world.writes
    assert await rechecked(world) == {}
    assert world.writes == writes


async def test_a_contact_that_the_crm_refuses_stops_no_other_objection(
    world: CrmWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("walker1", "walker2", "walker3")
    await world.written(*names)
    contacts = {name: contact for name in names if (contact := world.contact(name)) is not None}
    for name in names:
        suppress(world, email(f"{name}@example.org"))
    world.refuses(contacts["walker2"], monkeypatch)
    assert await rechecked(world) == {"leads_listed": 3, "crm_waiting": 1}
    assert {name: each.value("email_outreach") for name, each in contacts.items()} == {
        "walker1": "not_allowed", "walker2": "allowed", "walker3": "not_allowed",
    }  # fmt: skip
    monkeypatch.undo()
    world.faults()
    assert await rechecked(world) == {"leads_listed": 1}, "tried again the next day"
    assert contacts["walker2"].value("email_outreach") == "not_allowed"


async def test_a_crm_that_is_not_where_it_was_marks_nobody(world: CrmWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.written("walker1", "walker2")
    for name in ("walker1", "walker2"):
        suppress(world, email(f"{name}@example.org"))
    moved = VendorError("hubspot", ErrorClass.PERMANENT_ITEM, "http_404", status=404)

    def elsewhere(_client: object, inputs: object) -> VendorCall[Any]:
        async def send() -> Reply:
            raise moved

        return VendorCall(operation="hubspot.set", request={}, max_units={}, send=send, decode=lambda _: [])

    monkeypatch.setattr(HubSpot, "batch_set", elsewhere)
    assert await rechecked(world) == {"leads_listed": 2, "crm_waiting": 2}


async def test_a_person_in_an_open_batch_who_objects_leaves_it_and_its_plan(world: CrmWorld) -> None:
    key = await world.scored("walker1", "walker2")
    await world.plan(key)
    suppress(world, Identifier(IdentifierKind.PROFILE_URL, "https://testbook.example/walker1"))
    assert await rechecked(world) == {"leads_listed": 1, "ways_ended": 1}
    assert world.codes(Stage.SYNCED) == {"suppressed": 1}
    batch = find_batch(world.workplace, key)
    with world.database.read() as connection:
        plan = sync_plans.newest_plan(connection, batch.batch_id)
    assert plan is not None
    assert (batch.status, plan.state) == ("queued", "superseded")
    await world.plan(key)
    assert world.actions(key) == {"walker2": ("create", None)}


async def test_somebody_who_objects_while_their_plan_is_written_is_left_out_and_its_retries_go_on(
    world_on_each: CrmWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, find = world_on_each, CrmReader.find
    key = await world.approved("walker1", "walker2", "walker3")

    async def find_late(reader: CrmReader, wanted: Sequence[Wanted]) -> dict[LeadUid, Known]:
        monkeypatch.setattr(CrmReader, "find", find)
        suppress(world, handle("walker1"))
        assert (await rechecked(world))["leads_listed"] == 1
        return await find(reader, wanted)

    monkeypatch.setattr(CrmReader, "find", find_late)
    world.faults(Fault("hubspot", "batch_upsert", "partial"))
    assert (await world.sync(key)).rows == {"created": 1, "failed": 1, "rejected": 1}
    world.faults()
    assert world.dealt() == world.assigned()
    assert world.assigned().total() == 2
    world.clock.advance(minutes=15)
    assert attend_plans(world.workplace) == [f"Batch {key} is queued: its sync goes on."]
    assert (await world.sync(key)).rows == {"created": 2, "rejected": 1}
    assert world.contact("walker1") is None


async def test_an_objection_after_a_part_was_written_leaves_written_leads_with_their_bdr(world: CrmWorld) -> None:
    key = await world.approved("walker1", "walker2")
    world.faults(
        Fault("hubspot", "batch_upsert", "unauthorized", "nth", 3),
        Fault("hubspot", "batch_upsert", "conflict", "nth", 1),
    )
    assert (await world.sync(key)).rows == {"created": 1, "pending": 1}
    world.faults()
    for name in ("walker1", "walker2"):
        suppress(world, handle(name))
    await rechecked(world)
    assert world.assigned().total() == 1
    with pytest.raises(SyncRefused, match=f"asked not to be contacted.*batch run {key} --from plan"):
        await world.sync(key)


async def test_a_crm_that_does_not_answer_is_asked_again_the_next_day(world: CrmWorld) -> None:
    await world.written("walker1")
    suppress(world, handle("walker1"))
    world.faults(Fault("hubspot", "*", "error_500"))
    assert await rechecked(world) == {"leads_listed": 1, "crm_waiting": 1}
    world.faults()
    reset_breaker(world.workplace, "hubspot", by="Mara")  # the outage opened it, and the night is over
    assert await rechecked(world) == {"leads_listed": 1}
    contact = world.contact("walker1")
    assert contact is not None
    assert contact.value("email_outreach") == "not_allowed"


async def test_somebody_erased_who_is_stored_again_all_the_same_is_erased_again(world: CrmWorld) -> None:
    await world.written("walker1", "walker2")
    with world.database.read() as connection:
        record = load_records(connection, [uid_of("walker1")])[uid_of("walker1")]
    await erased(world, handle("walker1"))
    again = record.model_copy(update={"platform_id": "walker1-second", "bio": "back again"})
    with world.database.write() as connection:
        now = world.clock.now()
        insert_leads(connection, [again], Collection(at=now, notice_due_at=now, lawful_basis=None))
    assert (await rechecked(world))["erased_again"] == 1
    assert places_of(world.database, "walker1", "back again") == set()


async def test_nobody_listed_is_nothing_to_do(world: CrmWorld) -> None:
    await world.written("walker1")
    assert await rechecked(world) == {}
    with world.database.read() as connection:
        assert connection.execute(select(LeadRow.suppressed_at)).scalars().all() == [None]
