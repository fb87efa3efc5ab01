"""Decisions about plans: by a person's name, once, about exactly the plan that was looked at (spec 15.2)."""

from dataclasses import replace

import pytest
from crm_world import CrmWorld
from sqlalchemy import select

from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline import approvals
from socialanalyzer_dagster.pipeline.approvals import approve, reject
from socialanalyzer_dagster.pipeline.batch_actions import NoSuchBatch, find_batch
from socialanalyzer_dagster.pipeline.batch_finish import finish_batch
from socialanalyzer_dagster.pipeline.crm_sync import next_stretch
from socialanalyzer_dagster.pipeline.gate_answers import DEMO_APPROVER, ApprovalRefused
from socialanalyzer_dagster.pipeline.launching import Stretch
from socialanalyzer_dagster.storage.models_control import AuditEntryRow


def _stretch(world: CrmWorld, key: str) -> Stretch:
    with world.database.read() as connection:
        return next_stretch(connection, find_batch(world.workplace, key))


async def test_an_approval_queues_the_batch_for_its_sync(world: CrmWorld) -> None:
    key = await world.scored("p1")
    report = await world.plan(key)
    before = find_batch(world.workplace, key)
    assert _stretch(world, key) is Stretch.TO_PLAN
    batch = approve(world.workplace, key, by="Mara", comment="fine", plan_hash=(report.plan_hash or "")[:12])
    assert (batch.status, batch.attempt) == ("queued", before.attempt + 1)
    assert _stretch(world, key) is Stretch.SYNC
    with world.database.read() as connection:
        entry = connection.execute(select(AuditEntryRow.__table__).order_by(AuditEntryRow.id.desc()).limit(1)).one()
    assert (entry.actor, entry.action, entry.subject) == ("Mara", "plan.approve", key)
    assert entry.detail["plan_hash"] == report.plan_hash


async def test_a_plan_is_decided_once(world_on_each: CrmWorld) -> None:
    key = await world_on_each.scored("p1")
    await world_on_each.plan(key)
    approve(world_on_each.workplace, key, by="Mara")
    with pytest.raises(ApprovalRefused, match="was approved by Mara"):
        approve(world_on_each.workplace, key, by="Ben")
    with pytest.raises(ApprovalRefused, match="was approved by Mara"):
        reject(world_on_each.workplace, key, by="Ben", reason="too many")


async def test_an_approval_of_a_plan_that_has_changed_since_is_refused(world: CrmWorld) -> None:
    key = await world.scored("p1", "p2")
    first = await world.plan(key)
    world.person("p2@example.org")
    await world.plan(key)
    with pytest.raises(ApprovalRefused, match="has changed since"):
        approve(world.workplace, key, by="Mara", plan_hash=first.plan_hash)


async def test_there_is_nothing_to_approve_before_a_plan(world: CrmWorld) -> None:
    key = await world.scored("p1")
    with pytest.raises(ApprovalRefused, match="has no plan yet"):
        approve(world.workplace, key, by="Mara")
    with pytest.raises(NoSuchBatch):
        approve(world.workplace, "2026-11-20.testbook.nothing", by="Mara")


@pytest.mark.parametrize("name", ["", "   ", "x" * 300])
async def test_a_decision_carries_a_name(world: CrmWorld, name: str) -> None:
    key = await world.scored("p1")
    await world.plan(key)
    with pytest.raises(ApprovalRefused, match="name of the person"):
        approve(world.workplace, key, by=name)


async def test_the_demonstrations_name_is_refused_where_data_are_real(world: CrmWorld) -> None:
    key = await world.scored("p1")
    await world.plan(key)
    here = world.workplace
    live = replace(here, mode="live")
    with pytest.raises(ApprovalRefused, match="sandbox alone"):
        approve(live, key, by="Demo-Approver ")
    assert approve(here, key, by=DEMO_APPROVER).status == "queued"


async def test_a_rejection_ends_the_batch_and_gives_the_leads_back(world: CrmWorld) -> None:
    world.vendor.statuses = {"p3": "invalid"}
    key = await world.scored("p1", "p2", "p3", "r4")
    await world.plan(key)
    assert world.dealt().total() == 2
    batch = reject(world.workplace, key, by="Mara", reason="wrong niche")
    assert (batch.status, batch.cause) == ("completed", "the plan was rejected by Mara: wrong niche")
    assert world.codes(Stage.SYNCED) == {"gate_rejected": 3, "upstream_rejected": 1}
    assert batch.summary
    assert world.dealt().total() == world.assigned().total() == 0
    assert set(world.states(key).values()) == {"rejected"}
    assert world.ours() == []
    with pytest.raises(ApprovalRefused, match="was rejected by Mara"):
        approve(world.workplace, key, by="Ben")


async def test_a_rejection_needs_a_reason(world: CrmWorld) -> None:
    key = await world.scored("p1")
    await world.plan(key)
    with pytest.raises(ApprovalRefused, match="reason"):
        reject(world.workplace, key, by="Mara", reason=" ")


async def test_a_rejection_waits_for_the_run_that_works_on_the_batch(world: CrmWorld) -> None:
    key = await world.scored("p1")
    await world.plan(key)
    async with world.opened(key):
        with pytest.raises(ApprovalRefused, match="works on batch"):
            reject(world.workplace, key, by="Mara", reason="no")
    assert reject(world.workplace, key, by="Mara", reason="no").status == "completed"


async def test_a_rejection_that_died_half_way_is_completed_by_the_next(world: CrmWorld, monkeypatch) -> None:
    key = await world.scored("p1")
    await world.plan(key)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(approvals, "finish_batch", die)
    with pytest.raises(KeyboardInterrupt):
        reject(world.workplace, key, by="Mara", reason="no")
    assert find_batch(world.workplace, key).status == "awaiting_approval"
    monkeypatch.setattr(approvals, "finish_batch", finish_batch)
    assert reject(world.workplace, key, by="Mara", reason="no").status == "completed"
