"""A person's tier stands beside the score: it decides the CRM and the queue, and no score moves (spec 10.5)."""

import pytest
from crm_world import CrmWorld, uid_of
from sqlalchemy import select

from socialanalyzer_dagster.pipeline.lead_view import NoSuchLead, lead_view
from socialanalyzer_dagster.pipeline.plan_view import plan_view
from socialanalyzer_dagster.pipeline.rescore import rescore
from socialanalyzer_dagster.pipeline.tier_overrides import OverrideRefused, OverrideRequest, override_tier
from socialanalyzer_dagster.storage.models_control import AuditEntryRow
from socialanalyzer_dagster.storage.models_results import ScoreRow


def override(world: CrmWorld, tier: str | None, **changes: str) -> str:
    facts = {"lead": "p1", "reason": "known from a fair", "by": "Mara", **changes}
    return override_tier(world.database, OverrideRequest(tier=tier, at=world.clock.now(), **facts))


def scores(world: CrmWorld) -> list[tuple[str, str | None]]:
    with world.database.read() as connection:
        query = select(ScoreRow.lead_score, ScoreRow.tier).where(ScoreRow.kind == "live")
        return [tuple(row) for row in connection.execute(query.order_by(ScoreRow.lead_uid))]


async def test_an_override_decides_the_tier_and_the_queue_and_no_score(world: CrmWorld) -> None:
    key = await world.scored("p1", "p2")
    before = scores(world)
    assert override(world, "auto_enroll") == uid_of("p1")
    await world.plan(key)
    row = world.rows(key)["p1"].planned
    assert (row.tier, row.bdr, row.notes) == ("auto_enroll", None, ("tier_overridden",))
    assert row.changes["priority_tier"].new == "auto_enroll"
    assert row.changes["manual_score"].new == "0.8000"
    assert world.rows(key)["p2"].planned.tier == "standard_review"
    shown = next(each for each in plan_view(world.workplace, key)["rows"] if each["handle"] == "p1")
    assert shown["override"] == {"tier": "auto_enroll", "reason": "known from a fair", "by": "Mara"}
    rescore(world.database, world.policy, batch_id=None, now=world.clock.now())
    assert scores(world) == before
    with world.database.read() as connection:
        assert lead_view(connection, "p1")["override"]["by"] == "Mara"
        audit = connection.execute(select(AuditEntryRow.actor).where(AuditEntryRow.action == "lead.override_tier"))
        assert audit.scalars().all() == ["Mara"]


async def test_an_override_changes_an_open_plan_and_can_be_taken_back(world: CrmWorld) -> None:
    key = await world.scored("p1")
    first = await world.plan(key)
    override(world, "auto_enroll")
    second = await world.plan(key)
    assert second.changed
    assert world.dealt() == {}
    override(world, None)
    third = await world.plan(key)
    assert len({first.plan_hash, second.plan_hash, third.plan_hash}) == 3
    assert world.rows(key)["p1"].planned.bdr is not None


async def test_a_lead_below_the_minimum_is_not_written_whatever_anybody_says(world: CrmWorld) -> None:
    key = await world.scored("p1", "r2")
    override(world, "auto_enroll", lead="r2")
    await world.plan(key)
    assert set(world.actions(key)) == {"p1"}


async def test_an_override_that_cannot_be_is_refused(world: CrmWorld) -> None:
    await world.scored("p1")
    for tier, changes, problem in (
        ("gold", {}, "'gold' is no tier; the policy has: auto_enroll, standard_review"),
        ("auto_enroll", {"reason": " "}, "--reason"),
        ("auto_enroll", {"by": ""}, "--by"),
        (None, {}, "no override to take back"),
    ):
        with pytest.raises(OverrideRefused, match=problem):
            override(world, tier, **changes)
    with pytest.raises(NoSuchLead):
        override(world, "auto_enroll", lead="nobody")
