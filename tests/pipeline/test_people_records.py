"""Corrections, notices, and where every contact value was found (spec 19.1, 19.4)."""

from datetime import timedelta

import pytest
from crm_world import CrmWorld, uid_of
from privacy_world import asked, handle, privacy_parts
from sqlalchemy import select

from socialanalyzer_dagster.domain.filters import FilterProblems
from socialanalyzer_dagster.pipeline import notices
from socialanalyzer_dagster.pipeline.corrections import FIELDS, Correction, correct
from socialanalyzer_dagster.pipeline.lead_view import NoSuchLead, lead_view
from socialanalyzer_dagster.pipeline.privacy_export import origin
from socialanalyzer_dagster.storage.models_control import AuditEntryRow
from socialanalyzer_dagster.storage.notices import NoticeEvent


def view(world: CrmWorld, name: str) -> dict:
    with world.database.read() as connection:
        return lead_view(connection, name)


def corrected(world: CrmWorld, field: str, value: str, **more: str) -> None:
    entry = {"lead": "walker1", "by": "Kai", "reason": "asked by letter", **more}
    correct(world.database, world.suppression_key, Correction(field=field, value=value, at=world.clock.now(), **entry))


async def test_a_correction_carries_the_provenance_person_and_is_verified_again(world: CrmWorld) -> None:
    await world.scored("walker1")
    corrected(world, "email", " New.Address@Example.org ")
    shown = view(world, "walker1")
    (address,) = [each for each in shown["contacts"] if each["field"] == "email"]
    assert (address["value"], address["kind"], address["provider"]) == ("new.address@example.org", "person", "person")
    assert address["fetched_at"] == world.clock.now()
    assert shown["email_status"] == "unverified", "it is verified before it can be synced"
    with world.database.read() as connection:
        audit = connection.execute(select(AuditEntryRow.__table__).where(AuditEntryRow.action == "lead.correct")).one()
    assert (audit.subject, audit.actor) == (uid_of("walker1"), "Kai")
    assert audit.detail == {"field": "email", "reason": "asked by letter"}


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("display_name", "Walker One", "Walker One"), ("city", "Bern", "Bern"), ("country", "CH", "CH"),
        ("bio", "I walk", "I walk"), ("subscriber_kind", "company", "company"),
    ],
)  # fmt: skip
async def test_facts_are_corrected_too(world: CrmWorld, field: str, value: str, shown: str) -> None:
    await world.scored("walker1")
    corrected(world, field, value)
    assert view(world, "walker1")[field] == shown


async def test_a_country_says_how_it_was_learned(world: CrmWorld) -> None:
    await world.scored("walker1")
    assert view(world, "walker1")["country_known_from"] == "US (from book, step B)"
    corrected(world, "country", "CH")
    assert view(world, "walker1")["country_known_from"] == "CH (from person, step person)"


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("shoe_size", "40", "asked"), ("email", "nonsense", "asked"), ("phone", "call me", "asked"),
        ("subscriber_kind", "robot", "asked"), ("city", " ", "asked"), ("city", "Bern", " "),
        ("city", "Bern", "walker1@example.org asked"),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_refused(world: CrmWorld, field: str, value: str, reason: str) -> None:
    await world.scored("walker1")
    before = view(world, "walker1")
    with pytest.raises(FilterProblems):
        corrected(world, field, value, reason=reason)
    assert view(world, "walker1") == before
    with pytest.raises(NoSuchLead):
        corrected(world, "city", "Bern", lead="nobody")


def test_every_contact_field_can_be_corrected() -> None:
    assert {"email", "phone", "first_name", "country", "personal_website", "bio", "subscriber_kind"} <= set(FIELDS)


async def test_every_contact_field_says_source_place_and_time(world: CrmWorld) -> None:
    world.vendor.emails = {"rambler1": "rambler1@example.org"}
    await world.scored("walker1", "rambler1")
    for name in ("walker1", "rambler1"):
        contacts = view(world, name)["contacts"]
        assert contacts
        for each in contacts:
            assert each["provider"], each
            assert each["step"], each
            assert each["fetched_at"], each
    (unchosen,) = [each for each in view(world, "rambler1")["contacts"] if each["field"] == "email"]
    assert unchosen["chosen"] is False


async def test_one_question_answers_where_an_address_was_found(world: CrmWorld) -> None:
    await world.scored("walker1")
    async with privacy_parts(world) as parts:
        text = origin(parts, asked(handle("walker1")))
        assert "no data" in origin(parts, asked(handle("nobodyknown")))
    assert "walker1@example.org" in text
    assert "source book, step B" in text
    assert "2026-11-20 12:00 UTC" in text
    assert "balancing-test-1" in text


async def test_a_notice_is_due_after_thirty_days_or_with_the_first_contact(world_on_each: CrmWorld) -> None:
    world = world_on_each
    await world.scored("walker1", "walker2")
    database, start = world.database, world.clock.now()
    assert notices.notice_report(database, start) == {"overdue": 0, "not_due_yet": 2, "sent": 0}
    contact = NoticeEvent(lead=uid_of("walker1"), contacted_at=start, sent_at=None, by="Kai", at=start)
    notices.record(database, "walker1", contact)
    (due,) = notices.overdue(database, start)
    assert (due.lead, due.since) == (uid_of("walker1"), start)
    later = start + timedelta(days=31)
    assert [each.lead for each in notices.overdue(database, later)] == sorted([uid_of("walker1"), uid_of("walker2")])
    sent = NoticeEvent(lead=uid_of("walker1"), contacted_at=None, sent_at=later, by="Kai", at=later)
    notices.record(database, "walker1", sent)
    assert notices.notice_report(database, later) == {"overdue": 1, "not_due_yet": 0, "sent": 1}
