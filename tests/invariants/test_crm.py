"""The CRM write: accounted, isolated, decided once, dealt evenly, written once (spec 21.3, 21.4)."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from batch_world import PLATFORM, book_policy
from crm_world import CrmWorld, crm_world, uid_of
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.approvals import approve, reject
from socialanalyzer_dagster.pipeline.audited_batch import audited_batch
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.crm_due import attend_plans
from socialanalyzer_dagster.pipeline.gate_answers import ApprovalRefused
from socialanalyzer_dagster.pipeline.policies import Authorship, activate
from socialanalyzer_dagster.pipeline.suppressions import SuppressionRequest, add
from socialanalyzer_dagster.pipeline.sync_audits import never_suppressed, plan_matches_approval, plan_rows_accounted
from socialanalyzer_dagster.sandbox.faults import Fault
from socialanalyzer_dagster.sandbox.serve import SandboxServer
from socialanalyzer_dagster.storage import crm_links, roster, sync_plans
from socialanalyzer_dagster.storage.approval_gates import GateState, decide_gate, gate_of
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.models_control import AuditEntryRow
from socialanalyzer_dagster.storage.models_crm import SyncPlanLeadRow
from socialanalyzer_dagster.storage.sync_plans import PlanState
from tests.conftest import MovableClock
from tests.invariants.conftest import Town

pytestmark = pytest.mark.usefixtures("every_core")


@pytest.fixture
async def crm_on_each(
    town: Town, server: SandboxServer, database: Database, policy: Policy, clock: MovableClock, tmp_path: Path
) -> AsyncIterator[CrmWorld]:
    """An empty CRM before a workplace on each engine; made after the town has written down what it left there."""
    async with crm_world(database, policy, clock, tmp_path, server) as made:
        yield made


def verdicts(world: CrmWorld, key: str) -> list[bool]:
    audits = (plan_matches_approval, plan_rows_accounted, never_suppressed)
    with world.database.read() as connection:
        batch = audited_batch(connection, key, suppression_key=world.suppression_key)
        return [audit(connection, batch, Stage.SYNCED).holds for audit in audits]


@pytest.mark.parametrize(
    "kind",
    ["partial", "missing_record", "pending", "closed_after", "truncated", "whole_refusal", "conflict", "error_502",
     "upsert_blanks_omitted"],
)  # fmt: skip
async def test_i_34_every_crm_row_is_accounted_whatever_the_crm_answers(crm: CrmWorld, kind: str):
    crm.vendor.statuses = {"p2": "invalid", "p3": "unverified"}
    crm.vendor.addresses = {"p4": "bad@x.y"}
    key = await crm.approved("p1", "p2", "p3", "p4", "p5")
    crm.faults(Fault("hubspot", "batch_upsert", kind))
    report = await crm.sync(key)
    assert sum(report.rows.values()) == 5
    assert "pending" not in report.rows
    counters = report.stage.counters
    assert counters.passed + counters.rejected + counters.failed + counters.skipped == counters.entered == 5
    written = {name for name in ("p1", "p4", "p5") if crm.contact(name) is not None}
    said = {name for name, state in crm.states(key).items() if state in ("created", "updated")}
    assert said == written, "synced is said of those who are there, and of nobody else"
    assert verdicts(crm, key) == [True, True, True]


async def test_i_34_the_checks_of_the_sync_see_what_must_never_be(crm: CrmWorld):
    key = await crm.synced("p1", "p2")
    assert verdicts(crm, key) == [True, True, True]
    person = Identifier(IdentifierKind.HANDLE, f"{PLATFORM}:p1")
    listed = SuppressionRequest(identifier=person, reason="asked", source="test", now=crm.clock.now())
    add(crm.database, crm.suppression_key, listed)
    with crm.database.write() as connection:
        connection.execute(update(SyncPlanLeadRow).where(SyncPlanLeadRow.lead_uid == uid_of("p2")).values(bdr="Nobody"))
        connection.execute(
            update(SyncPlanLeadRow).where(SyncPlanLeadRow.lead_uid == uid_of("p1")).values(state="pending")
        )
    assert verdicts(crm, key) == [False, False, False]


async def test_i_34_a_row_whose_answer_is_lost_is_read_back_before_it_is_sent_again(crm: CrmWorld):
    key = await crm.approved("p1")
    crm.faults(Fault("hubspot", "batch_upsert", "missing_record"))
    find, calls = type(crm.crm.contacts).find, crm.writes
    upserted: list[str] = []

    def hidden(book: Any, value: str, id_property: str | None = None) -> Any:
        """Readers see nothing yet of what was written a moment ago; the write itself does."""
        is_write = not upserted and id_property == "creator_uid" and crm.writes > calls
        upserted.extend([value] if is_write else [])
        return find(book, value, id_property) if is_write else None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(crm.crm.contacts), "find", hidden)
        assert (await crm.sync(key)).rows == {"failed": 1}
    assert crm.codes(Stage.SYNCED) == {"crm_outcome_unknown": 1}
    crm.faults()
    crm.clock.advance(minutes=15)
    attend_plans(crm.workplace)
    assert (await crm.sync(key)).rows == {"created": 1}
    assert crm.writes == calls + 1, "found, and not sent again"


async def test_i_35_one_bad_row_takes_no_other_with_it(crm: CrmWorld, monkeypatch: pytest.MonkeyPatch):
    save, bad = crm_links.save_links, uid_of("p2")

    def refuse(connection: Any, links: Any, now: Any) -> None:
        if any(link.lead == bad for link in links):
            raise ValueError("this row cannot be stored")
        save(connection, links, now)

    key = await crm.approved("p1", "p2", "p3")
    monkeypatch.setattr(crm_links, "save_links", refuse)
    report = await crm.sync(key)
    assert report.rows == {"created": 2, "failed": 1}
    assert crm.codes(Stage.SYNCED) == {"created": 2, "internal_error": 1}
    assert set(crm.links("p1", "p2", "p3")) == {uid_of("p1"), uid_of("p3")}


async def test_i_35_a_fault_of_the_database_ends_the_sync_visibly(crm: CrmWorld, monkeypatch: pytest.MonkeyPatch):
    def gone(*_: Any) -> None:
        raise OperationalError("x", {}, Exception("the disk is full"))

    key = await crm.approved("p1", "p2")
    monkeypatch.setattr(crm_links, "save_links", gone)
    with pytest.raises(OperationalError):
        await crm.sync(key)
    monkeypatch.undo()
    assert crm.states(key) == {"p1": "pending", "p2": "pending"}
    assert (await crm.sync(key)).rows == {"created": 2}
    assert len(crm.ours()) == 2


def at_once(*deeds: Callable[[], Any]) -> list[Any]:
    """What each deed came to, all of them begun at the same time."""
    start, results = threading.Barrier(len(deeds)), [None] * len(deeds)

    def run(place: int, deed: Callable[[], Any]) -> None:
        start.wait()
        try:
            results[place] = deed()
        except Exception as error:  # noqa: BLE001 - looked at by the test
            results[place] = error

    threads = [threading.Thread(target=run, args=(place, deed)) for place, deed in enumerate(deeds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


async def test_i_44_a_plan_is_decided_about_once_however_many_decide(crm_on_each: CrmWorld):
    world = crm_on_each
    key = await world.scored("p1")
    report = await world.plan(key)
    results = at_once(
        lambda: approve(world.workplace, key, by="Ada"),
        lambda: approve(world.workplace, key, by="Ben"),
        lambda: reject(world.workplace, key, by="Cleo", reason="no"),
    )
    won = [result for result in results if not isinstance(result, Exception)]
    assert len(won) == 1, results
    assert all(isinstance(result, ApprovalRefused) for result in results if result is not won[0])
    with world.database.read() as connection:
        batch = find_batch(world.workplace, key)
        gate = gate_of(connection, batch.batch_id, Stage.SYNCED, report.plan_hash or "")
        audits = connection.execute(select(AuditEntryRow.actor).where(AuditEntryRow.action.startswith("plan.")))
        assert audits.scalars().all() == [gate.decided_by if gate else None]
    assert gate is not None
    with world.database.write() as connection:
        assert not decide_gate(connection, gate), "a late worker changes nothing"
        plan = sync_plans.newest_plan(connection, batch.batch_id)
        assert plan is not None
        changed = [sync_plans.change_plan_state(connection, plan.plan_id, to=PlanState.EXPIRED) for _ in range(2)]
    assert changed == [gate.state == GateState.APPROVED, False]


async def test_i_44_a_decision_about_a_plan_that_was_made_anew_is_refused(crm: CrmWorld):
    key = await crm.scored("p1", "p2")
    first = await crm.plan(key)
    crm.person("p2@example.org")
    await crm.plan(key)
    with pytest.raises(ApprovalRefused, match="has changed since"):
        approve(crm.workplace, key, by="Ada", plan_hash=first.plan_hash)
    assert crm.writes == 0


@pytest.mark.parametrize("active", [("Ada", "Ben", "Cleo"), ("Ada", "Cleo")])
async def test_i_47_leads_are_dealt_evenly_per_tier_under_concurrency_and_keep_their_owner(
    crm_on_each: CrmWorld, active: tuple[str, ...]
):
    world = crm_on_each
    world.bdrs(*((name, name in active) for name in ("Ada", "Ben", "Cleo")))
    names = {letter: [f"{letter}{number}" for number in range(5)] for letter in "abc"}
    world.vendor.tiers = {name: "auto_enroll" for group in names.values() for name in group[3:]}
    world.vendor.statuses = {name: "catch_all" for group in names.values() for name in group[3:]}
    keys = [await world.scored(*group) for group in names.values()]
    await asyncio.gather(*(world.plan(key) for key in keys))
    with world.database.write() as connection:
        counts = roster.counts(connection, roster.current_epoch(connection, world.clock.now()))
    for tier, leads in (("standard_review", 9), ("auto_enroll", 6)):
        dealt = [counts.get((tier, name), 0) for name in active]
        assert sum(dealt) == leads
        assert max(dealt) - min(dealt) <= 1
    assert sum(counts.values()) == world.assigned().total() == 15
    owners = {name: row.planned.bdr for key in keys for name, row in world.rows(key).items()}
    approve(world.workplace, keys[0], by="Ada")
    await world.sync(keys[0])
    again = await world.synced(*names["a"])
    assert set(world.states(again).values()) == {"updated"}
    for name in names["a"]:
        contact = world.contact(name)
        assert contact is not None
        assert contact.value("bdr_") == f"owner-{owners[name]}", "kept when the lead is written again"
        assert "bdr_" not in world.rows(again)[name].planned.changes


async def test_i_50_the_same_plan_twice_and_at_once_writes_each_change_once(crm: CrmWorld):
    key = await crm.approved("p1", "p2")
    results = await asyncio.gather(*(crm.sync(key) for _ in range(3)), return_exceptions=True)
    assert [result for result in results if not isinstance(result, BaseException)]
    await crm.sync(key)
    assert crm.writes == 1
    assert len(crm.ours()) == 2


async def test_i_50_two_plans_for_one_contact_write_each_change_once(crm: CrmWorld, policy: Policy):
    lasting = book_policy(policy, crm=policy.document()["crm"] | {"plan_hours": 10_000})
    activate(crm.database, lasting, Authorship(author="test", note="", at=crm.clock.now()))
    await crm.synced("p1")
    contact = crm.contact("p1")
    assert contact is not None
    edits: Counter[str] = Counter()
    update = type(crm.crm.contacts).update

    def counted(book: Any, one: Any, values: Any, **options: Any) -> Any:
        edits.update(name for name in values if name != "creator_uid")
        return update(book, one, values, **options)

    first, second = await crm.approved("p1"), await crm.approved("p1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(crm.crm.contacts), "update", counted)
        assert (await crm.sync(first)).rows == {"updated": 1}
        later = await crm.sync(second)
    assert later.rows == {"failed": 1}, "the contact is not what the second plan saw"
    assert crm.codes(Stage.SYNCED)["plan_changed"] == 1
    assert set(edits.values()) == {1}
    assert contact.value("lead_batch_id") == first
