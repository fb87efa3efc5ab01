"""Gate 2: nobody on the suppression list is the subject of a call, in any spelling (spec 19.2, I-36)."""

import asyncio

import pytest
from gate_world import KEY, NOW, PLATFORM, Vendor, VirtualTime, handle, new_batch, policy_with, scopes, stage_gate, uid
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from socialanalyzer_dagster.domain.breaker import CallResult, Rules
from socialanalyzer_dagster.domain.calls import VendorCall
from socialanalyzer_dagster.domain.leads import AudienceKind, Identifier, IdentifierKind, LeadRecord
from socialanalyzer_dagster.domain.refusals import PersonSuppressed
from socialanalyzer_dagster.domain.suppression import identifier_hash
from socialanalyzer_dagster.pipeline.suppression import SuppressionList
from socialanalyzer_dagster.storage.breakers import change_breaker
from socialanalyzer_dagster.storage.leads import Collection, insert_leads
from socialanalyzer_dagster.storage.suppressions import Suppression, add_suppressions, list_suppressions


def suppress(database, identifier: Identifier) -> int:
    keyed = identifier_hash(identifier, KEY)
    assert keyed is not None
    entry = Suppression(kind=identifier.kind.value, keyed_hash=keyed, reason="asked", source="test", added_at=NOW)
    with database.write() as connection:
        return add_suppressions(connection, [entry])


async def test_a_listed_person_is_never_sent(database, policy, clock):
    batch, vendor = new_batch(database, policy), Vendor()
    suppress(database, Identifier(IdentifierKind.EMAIL, "ada.trail@gmail.com"))
    async with stage_gate(database, policy, clock, batch) as gate:
        with pytest.raises(PersonSuppressed):
            await gate.identify(uid(0), [Identifier(IdentifierKind.EMAIL, "AdaTrail+crm@googlemail.com")])
        with pytest.raises(PersonSuppressed) as refusal:
            await gate.call(vendor.call(), leads=[uid(1), uid(0)], step="fetch")
        assert refusal.value.lead == uid(0)
        await gate.call(vendor.call(), leads=[uid(1)], step="fetch")
    assert vendor.sent == 1


async def test_a_person_listed_while_the_list_in_memory_is_fresh_is_refused_at_the_reservation(database, policy, clock):
    time, batch, vendor = VirtualTime(), new_batch(database, policy), Vendor()
    async with stage_gate(database, policy, clock, batch, **time.options) as gate:
        await gate.call(vendor.call("a"), leads=[uid(0)], step="fetch")
        suppress(database, handle(1))
        with pytest.raises(PersonSuppressed):
            await gate.call(vendor.call("b"), leads=[uid(1)], step="fetch")
        await gate.call(vendor.call("c"), leads=[uid(2)], step="fetch")
    assert vendor.sent == 2
    assert scopes(database)["day"][1:] == (0, 0)


async def test_a_free_call_sees_a_new_entry_within_a_second(sqlite_database, policy, clock):
    time, batch, vendor = VirtualTime(), new_batch(sqlite_database, policy), Vendor("page")
    call = VendorCall(operation="page.fetch", request={}, max_units={}, send=vendor.send, decode=str)
    async with stage_gate(sqlite_database, policy, clock, batch, **time.options) as gate:
        await gate.call(call, leads=[uid(0)], step="crawl")
        suppress(sqlite_database, handle(0))
        time.seconds += 1
        with pytest.raises(PersonSuppressed):
            await gate.call(call, leads=[uid(0)], step="crawl")


async def test_a_person_listed_while_a_paid_call_waits_is_refused_though_others_have_read_the_list_since(
    database, policy, clock
):
    buckets = policy.document()["limits"]["buckets"]
    narrow = policy_with(policy, limits={"buckets": buckets | {"insightiq": {"concurrent": 1, "windows": []}}})
    time, batch, vendor = VirtualTime(), new_batch(database, narrow), Vendor()
    vendor.hold = asyncio.Event()
    async with stage_gate(database, narrow, clock, batch, **time.options) as gate:
        first = asyncio.create_task(gate.call(vendor.call("a"), leads=[uid(0)], step="fetch"))
        await vendor.arrived.wait()
        second = asyncio.create_task(gate.call(vendor.call("b"), leads=[uid(1)], step="fetch"))
        await asyncio.sleep(0.2)
        suppress(database, handle(1))
        time.seconds += 2
        await gate.identify(uid(2), [handle(2)])
        vendor.hold.set()
        await first
        with pytest.raises(PersonSuppressed):
            await second
    assert vendor.sent == 1
    assert scopes(database)["day"][1:] == (0, 0)


async def test_a_person_listed_while_a_write_waits_for_the_crm_is_not_written(database, policy, clock):
    hubspot = {"failures_in_a_row": 3, "reset_seconds": 180, "wait_in": ["screened"], "on_open": "skip"}
    patient = policy_with(policy, breakers={"services": {"hubspot": hubspot}})
    time, batch, vendor = VirtualTime(), new_batch(database, patient), Vendor()
    rules, down = Rules.of(patient.breakers, "hubspot"), [CallResult(trip=0, code="http_503")] * 3
    with database.write() as connection:
        change_breaker(connection, "hubspot", lambda state, now: state.after(down, rules, now), time.seconds)

    async def sleep(seconds: float) -> None:
        if not time.slept:
            suppress(database, handle(0))
        await time.sleep(seconds)

    write = VendorCall(operation="hubspot.write", request={}, max_units={}, send=vendor.send, decode=dict)
    async with stage_gate(database, patient, clock, batch, **time.options | {"sleep": sleep}) as gate:
        with pytest.raises(PersonSuppressed):
            await gate.call(write, leads=[uid(0)], step="write")
    assert (vendor.sent, time.seconds - 1000 >= 180) == (0, True)


async def test_a_lead_that_nobody_identified_is_looked_up_by_what_is_stored_of_it(database, policy, clock):
    batch, vendor = new_batch(database, policy), Vendor()
    record = LeadRecord(
        platform=PLATFORM, platform_id="creator5", handle="Creator.Five", profile_url="https://example.org/five",
        audience_kind=AudienceKind.FOLLOWERS,
    )  # fmt: skip
    with database.write() as connection:
        insert_leads(connection, [record], Collection(at=NOW, notice_due_at=NOW, lawful_basis=None))
    suppress(database, Identifier(IdentifierKind.HANDLE, f"{PLATFORM}:creator.five"))
    async with stage_gate(database, policy, clock, batch, leads=1) as gate:
        with pytest.raises(PersonSuppressed):
            await gate.call(vendor.call(), leads=[uid(0), record.uid], step="fetch")
        with pytest.raises(LookupError, match="no spelling"):
            await gate.call(vendor.call(), leads=[uid(6)], step="fetch")
    assert vendor.sent == 0


async def test_a_list_that_cannot_be_read_closes_the_gate(sqlite_database, policy, clock):
    time, batch, vendor = VirtualTime(), new_batch(sqlite_database, policy), Vendor()
    async with stage_gate(sqlite_database, policy, clock, batch, **time.options) as gate:
        with sqlite_database.write() as connection:
            connection.execute(text("ALTER TABLE suppressions RENAME TO lost"))
            connection.execute(text("INSERT INTO install_settings VALUES ('suppression_revision', '7')"))
        time.seconds += 1
        with pytest.raises(PersonSuppressed):
            await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
        time.seconds += 1
        with pytest.raises(SQLAlchemyError):
            await gate.call(vendor.call(), leads=[], step="fetch")
    assert vendor.sent == 0


async def test_a_weak_key_closes_the_gate(sqlite_database):
    people = SuppressionList(sqlite_database, b"short")
    with pytest.raises(PersonSuppressed):
        await people.identify(uid(0), [handle(0)])


def test_the_list_grows_by_new_entries_only_and_pages_newest_first(database):
    assert suppress(database, handle(1)) == 1
    assert suppress(database, handle(1)) == 0
    assert suppress(database, handle(2)) == 1
    with database.read() as connection:
        first = list_suppressions(connection, limit=1)
        second = list_suppressions(connection, limit=5, after=(first[0].added_at, first[0].keyed_hash))
    assert len(first + second) == 2
    assert first != second
