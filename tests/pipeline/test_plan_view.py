"""How plans are shown: in full to the person who decides, without people's data where others read along (I-68)."""

from crm_world import CrmWorld, uid_of

from socialanalyzer_dagster.pipeline.approvals import approve
from socialanalyzer_dagster.pipeline.plan_view import HIDDEN, plan_markdown, plan_view


async def test_a_batch_without_a_plan_says_so(world: CrmWorld) -> None:
    key = await world.scored("p1")
    assert plan_view(world.workplace, key)["plan"] is None
    assert plan_markdown(plan_view(world.workplace, key)) == "no rows"


async def test_the_person_who_decides_sees_every_field(world: CrmWorld) -> None:
    key = await world.scored("p1", "p2")
    report = await world.plan(key)
    approve(world.workplace, key, by="Mara", comment="looks right")
    view = plan_view(world.workplace, key)
    assert view["plan"]["hash"] == report.plan_hash
    assert view["plan"]["actions"] == {"create": 2}
    assert (view["plan"]["gate"]["state"], view["plan"]["gate"]["decided_by"]) == ("approved", "Mara")
    row = next(row for row in view["rows"] if row["lead_uid"] == uid_of("p1"))
    assert row["handle"] == "p1"
    assert row["changes"]["email"] == {"old": None, "new": "p1@example.org"}


async def test_where_others_read_along_no_persons_data_are_shown(world: CrmWorld) -> None:
    key = await world.scored("p1")
    await world.sync(await _approved(world, key))
    world.clock.advance(days=200)
    again = await world.scored("p1")
    await world.plan(again)
    view = plan_view(world.workplace, again, hide=True)
    text = f"{view}{plan_markdown(view)}"
    assert "example.org" not in text
    assert "'p1'" not in text
    changes = view["rows"][0]["changes"]
    assert changes["lead_batch_id"] == {"old": HIDDEN, "new": HIDDEN}
    assert set(changes) & {"analyzed_at", "lead_score"} <= {
        name for name, change in changes.items() if HIDDEN not in change.values()
    }
    assert "update" in plan_markdown(view)


async def test_a_long_plan_is_cut_with_a_hint(world: CrmWorld) -> None:
    key = await world.scored("p1", "p2", "p3")
    await world.plan(key)
    text = plan_markdown(plan_view(world.workplace, key, hide=True), most_rows=1)
    assert f"2 more rows: `socialanalyzer batch plan {key}`" in text


async def _approved(world: CrmWorld, key: str) -> str:
    await world.plan(key)
    approve(world.workplace, key, by="Mara")
    return key
