"""Addresses without a verdict, and those whose verdict is too old, are verified before a plan (spec 8.6, 11.2)."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from batch_world import PLATFORM
from crm_world import CrmWorld, uid_of
from sqlalchemy import delete, select, update

from socialanalyzer_dagster.domain.calls import ErrorClass, Reply, VendorCall, VendorError
from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.approvals import approve
from socialanalyzer_dagster.pipeline.audits import AuditedBatch, ledger_reconciles
from socialanalyzer_dagster.pipeline.batch_actions import Deed, find_batch, set_cap
from socialanalyzer_dagster.pipeline.batch_view import batch_view
from socialanalyzer_dagster.pipeline.corrections import Correction, correct
from socialanalyzer_dagster.pipeline.ledger_view import ledger_view
from socialanalyzer_dagster.pipeline.provider_recovery import recover_batches
from socialanalyzer_dagster.pipeline.session import SessionParts
from socialanalyzer_dagster.pipeline.suppressions import SuppressionRequest, add
from socialanalyzer_dagster.pipeline.vendor_health import reset_breaker
from socialanalyzer_dagster.pipeline.verification_round import is_due
from socialanalyzer_dagster.storage.email_verifications import AddressStanding
from socialanalyzer_dagster.storage.models_leads import LeadRow
from socialanalyzer_dagster.storage.models_results import ContactValueRow, EmailVerificationRow, StageOutcomeRow
from socialanalyzer_dagster.vendors.email_verifier import decode_verification

PRICE = 3_700
NO_CREDITS = VendorError("email_verifier", ErrorClass.PERMANENT_SERVICE, "insufficient_credits", status=402)
OPERATION = "email_verifier.single"
DOWN = VendorError("email_verifier", ErrorClass.TRANSIENT, "http_503", status=503, sent=False)


@dataclass
class Mailboxes:
    """A verifier that knows some addresses, says "ok" of all others, and counts what it was asked."""

    known: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    is_down: bool = False
    silent_about: set[str] = field(default_factory=set)
    says: VendorError | None = None

    def verify(self, email: str) -> VendorCall[Any]:
        async def send() -> Reply:
            if self.says is not None:
                raise self.says
            if self.is_down or email in self.silent_about:
                raise DOWN
            self.asked.append(email)
            return Reply(body={"result": self.known.get(email, "ok")}, units={OPERATION: 1})

        return VendorCall(
            operation=OPERATION, request={"email": email}, max_units={OPERATION: 1}, send=send,
            decode=decode_verification,
        )  # fmt: skip


@pytest.fixture
def mailboxes(monkeypatch: pytest.MonkeyPatch) -> Mailboxes:
    """Every session of the test has this verifier."""
    made = Mailboxes()
    plain: Callable[[CrmWorld], SessionParts] = CrmWorld.parts.fget  # type: ignore[attr-defined, assignment]

    def with_verifier(world: CrmWorld) -> SessionParts:
        parts = plain(world)
        return replace(parts, vendors=replace(parts.vendors, email_verifier=made))  # type: ignore[arg-type]

    monkeypatch.setattr(CrmWorld, "parts", property(with_verifier))
    return made


def assert_books_agree(world: CrmWorld, key: str, calls: int) -> None:
    batch = find_batch(world.workplace, key)
    audited = AuditedBatch(batch.batch_id, world.policy, may_wait=False, suppression_key=world.suppression_key)
    with world.database.read() as connection:
        verdict = ledger_reconciles(connection, audited, Stage.SCORED)
        booked = ledger_view(connection, batch.batch_id)["calls"]
    assert verdict.holds, verdict.sentence
    calls_of = {each["operation"]: each["micros"] for each in booked}
    assert calls_of.get(OPERATION, 0) == calls * PRICE


async def test_an_address_without_a_verdict_is_verified_when_the_plan_is_made(
    world: CrmWorld, mailboxes: Mailboxes
) -> None:
    world.vendor.statuses = {"p1": "unverified", "p2": "valid"}
    key = await world.scored("p1", "p2")
    await world.plan(key)
    assert mailboxes.asked == ["p1@example.org"]
    assert world.actions(key) == {"p1": ("create", None), "p2": ("create", None)}
    assert_books_agree(world, key, calls=1)
    await world.plan(key)
    assert mailboxes.asked == ["p1@example.org"], "a verdict that holds is not asked for again"


async def test_while_the_verifier_is_away_the_lead_is_held_and_verified_when_it_is_back(
    world: CrmWorld, mailboxes: Mailboxes
) -> None:
    world.vendor.statuses, mailboxes.is_down = {"p1": "unverified"}, True
    key = await world.scored("p1", "p2")
    report = await world.plan(key)
    assert world.actions(key) == {"p1": ("held", "held_email_unverified"), "p2": ("create", None)}
    assert report.status == "awaiting_approval"
    mailboxes.is_down = False
    waiting = find_batch(world.workplace, key)
    assert "email_verifier could not verify addresses" in (waiting.cause or "")
    assert recover_batches(world.workplace) == ["Waiting for email_verifier: 1 batch."]
    assert waiting.waits_until is not None
    world.clock.at = waiting.waits_until
    reset_breaker(world.workplace, "email_verifier", by="Mara")
    assert recover_batches(world.workplace) == [f"email_verifier can be called again: batch {key} is queued."]
    await world.plan(key)
    assert find_batch(world.workplace, key).waits_for is None
    assert world.actions(key) == {"p1": ("create", None), "p2": ("create", None)}


async def test_a_verifier_that_refuses_its_key_pauses_the_batch_until_a_person_acts(
    world: CrmWorld, mailboxes: Mailboxes
) -> None:
    world.vendor.statuses, mailboxes.says = {"p1": "unverified"}, NO_CREDITS
    key = await world.scored("p1", "p2")
    report = await world.plan(key)
    assert (report.status, report.plan_hash) == ("paused", None)
    assert "email_verifier cannot be used now: insufficient_credits" in (report.halt or "")
    mailboxes.says = None
    reset_breaker(world.workplace, "email_verifier", by="Mara")
    await world.plan(key)
    assert world.actions(key) == {"p1": ("create", None), "p2": ("create", None)}


async def test_a_refused_address_gives_way_to_the_next_best_or_keeps_the_lead_out(
    world: CrmWorld, mailboxes: Mailboxes
) -> None:
    world.vendor.emails = {"p1": "other@example.org"}
    world.vendor.statuses = {"p1": "unverified", "p2": "unverified"}
    mailboxes.known = {"p1@example.org": "invalid", "other@example.org": "ok", "p2@example.org": "disposable"}
    key = await world.scored("p1", "p2")
    await world.plan(key)
    assert world.actions(key) == {"p1": ("create", None), "p2": ("rejected", "email_disposable")}
    assert world.rows(key)["p1"].planned.changes["email"].new == "other@example.org"


async def test_nobody_asks_about_an_address_of_somebody_who_objected(world: CrmWorld, mailboxes: Mailboxes) -> None:
    world.vendor.statuses = {"p1": "unverified"}
    key = await world.scored("p1", "p2")
    person = Identifier(IdentifierKind.HANDLE, f"{PLATFORM}:p1")
    request = SuppressionRequest(identifier=person, reason="asked", source="test", now=world.clock.now())
    assert add(world.database, world.suppression_key, request)
    await world.plan(key)
    assert mailboxes.asked == []
    assert world.actions(key) == {"p1": ("rejected", "suppressed"), "p2": ("create", None)}


@pytest.mark.parametrize(("days", "asked"), [(29, []), (31, ["p1@example.org"])])
async def test_a_verdict_holds_for_thirty_days(
    world: CrmWorld, mailboxes: Mailboxes, days: int, asked: list[str]
) -> None:
    key = await world.scored("p1")
    world.clock.advance(days=days)
    await world.plan(key)
    assert mailboxes.asked == asked
    with world.database.read() as connection:
        at = connection.execute(select(EmailVerificationRow.verified_at)).scalars().all()
    assert len(at) == 1 + len(asked)
    assert_books_agree(world, key, calls=len(asked))


async def test_a_corrected_address_is_verified_before_it_is_written(world: CrmWorld, mailboxes: Mailboxes) -> None:
    key = await world.scored("p1")
    right = Correction(
        lead="p1", field="email", value="right@example.org", by="Mara", reason="they told us", at=world.clock.now()
    )
    assert correct(world.database, world.suppression_key, right) == uid_of("p1")
    await world.plan(key)
    assert mailboxes.asked == ["right@example.org"]
    assert world.rows(key)["p1"].planned.changes["email"].new == "right@example.org"


async def test_a_full_cap_leaves_the_address_held_and_the_others_planned(world: CrmWorld, mailboxes: Mailboxes) -> None:
    world.vendor.statuses = {"p1": "unverified"}
    key = await world.scored("p1", "p2")
    spent = batch_view(world.workplace, key)["spend_micros"]
    set_cap(world.workplace, key, Deed(by="Mara"), cap_micros=spent)
    await world.plan(key)
    assert mailboxes.asked == []
    assert world.actions(key) == {"p1": ("held", "held_email_unverified"), "p2": ("create", None)}


@pytest.mark.parametrize("room", [1, 2])
async def test_a_cap_reached_amid_the_round_keeps_and_books_the_verdicts_that_were_paid(
    world_on_each: CrmWorld, mailboxes: Mailboxes, room: int
) -> None:
    world = world_on_each
    names = [f"p{n}" for n in range(1, 5)]
    world.vendor.statuses = dict.fromkeys(names, "unverified")
    key = await world.scored(*names)
    spent = batch_view(world.workplace, key)["spend_micros"]
    set_cap(world.workplace, key, Deed(by="Mara"), cap_micros=spent + room * PRICE)
    await world.plan(key)
    assert len(mailboxes.asked) == room
    assert_books_agree(world, key, calls=room)
    assert Counter(action for action, _ in world.actions(key).values()) == {"create": room, "held": 4 - room}
    approve(world.workplace, key, by="Mara")
    await world.sync(key)
    assert len(world.ours()) == room


async def test_a_verdict_paid_for_before_the_verifier_fell_silent_is_booked(
    world: CrmWorld, mailboxes: Mailboxes
) -> None:
    world.vendor.emails = {"p1": "second@example.org"}
    world.vendor.statuses = {"p1": "unverified"}
    mailboxes.known, mailboxes.silent_about = {"p1@example.org": "invalid"}, {"second@example.org"}
    key = await world.scored("p1", "p2")
    await world.plan(key)
    assert mailboxes.asked == ["p1@example.org"]
    assert world.actions(key)["p1"] == ("held", "held_email_unverified")
    assert_books_agree(world, key, calls=1)


async def test_a_lead_whose_look_for_contacts_was_not_finished_gets_its_address_chosen_and_verified(
    world: CrmWorld, mailboxes: Mailboxes
) -> None:
    key = await world.scored("p1")
    with world.database.write() as connection:
        connection.execute(
            update(StageOutcomeRow)
            .where(StageOutcomeRow.stage == Stage.ENRICHED)
            .values(result="skipped", code="provider_unavailable", retryable=True)
        )
        connection.execute(delete(ContactValueRow))
        connection.execute(update(LeadRow).values(email_hash=None, email_status=None))
        connection.execute(delete(EmailVerificationRow))
    await world.plan(key)
    assert mailboxes.asked == ["p1@example.org"]
    assert world.actions(key) == {"p1": ("create", None)}
    assert world.rows(key)["p1"].planned.changes["email"].new == "p1@example.org"
    assert world.codes(Stage.ENRICHED) == {"passed": 1}
    assert_books_agree(world, key, calls=1)


def test_only_usable_addresses_with_an_old_verdict_and_those_without_one_are_due() -> None:
    old, new = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
    day = datetime(2026, 10, 15, tzinfo=UTC)
    due = {
        (status, at): is_due(AddressStanding(status, at), stale_before=day)
        for status in ("valid", "catch_all", "unknown", "invalid", "disposable", "unverified", None)
        for at in (old, new)
    }
    assert {key for key, is_asked in due.items() if is_asked} == {
        ("valid", old), ("catch_all", old), ("unknown", old), ("unverified", old), ("unverified", new),
    }  # fmt: skip
