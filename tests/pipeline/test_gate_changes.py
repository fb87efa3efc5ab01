"""A rejection with changes asks again and pays nothing; another search is another batch (spec 15.2)."""

import pytest
from batch_world import World, book_policy
from crm_world import CrmWorld

from socialanalyzer_dagster.domain.filters import FilterProblems
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.approvals import approve
from socialanalyzer_dagster.pipeline.batch_actions import Deed, find_batch, retry
from socialanalyzer_dagster.pipeline.batch_drafts import EstimateOverCap
from socialanalyzer_dagster.pipeline.gate_answers import ApprovalRefused
from socialanalyzer_dagster.pipeline.gate_changes import Changes, Objection, revise
from socialanalyzer_dagster.pipeline.launch_queue import launch_queue
from socialanalyzer_dagster.pipeline.question_view import question_view
from socialanalyzer_dagster.pipeline.run_outcomes import FailedRun, run_failed
from socialanalyzer_dagster.pipeline.search_changes import search_otherwise

OBJECTION = Objection(by="Mara", reason="not like this")


def changed(world: World, key: str, **changes: object):
    return revise(world.workplace, key, OBJECTION, Changes(**changes))  # type: ignore[arg-type]


def shown(world: World, key: str):
    with world.database.read() as connection:
        return question_view(connection, world.workplace, find_batch(world.workplace, key))


async def test_a_plan_is_made_again_without_the_leads_a_person_left_out(world_on_each: CrmWorld) -> None:
    world = world_on_each
    world.vendor.tiers = {"p1": "auto_enroll", "p2": "auto_enroll", "p3": "standard_review"}
    key = await world.scored("p1", "p2", "p3")
    first = await world.plan(key)
    sent = world.vendor.sent
    assert changed(world, key, excluded=("p2",), tier_floor="auto_enroll").status == "queued"
    (queued,) = launch_queue(world.workplace).queued
    assert (queued.steps, queued.needed_micros) == (("plan",), 0)
    with pytest.raises(ApprovalRefused, match="superseded"):
        approve(world.workplace, key, by="Ben")
    again = await world.plan(key)
    assert (again.status, again.contacts) == ("awaiting_approval", 1)
    assert again.plan_hash != first.plan_hash
    assert world.codes(Stage.SYNCED) == {"excluded_by_approver": 2}
    assert world.vendor.sent == sent
    approve(world.workplace, key, by="Mara", plan_hash=again.plan_hash)
    await world.sync(key)
    assert world.contact("p1") is not None
    assert world.contact("p2") is None
    assert world.contact("p3") is None


async def test_other_bdrs_get_the_leads(world: CrmWorld) -> None:
    key = await world.scored("p1", "p2")
    await world.plan(key)
    assert world.dealt() == {"Ada": 1, "Ben": 1}
    assert changed(world, key, bdr_names=("Cleo",)).bdr_names == ["Cleo"]
    again = await world.plan(key)
    assert again.bdrs == {"Cleo": 2}
    assert world.dealt() == world.assigned() == {"Cleo": 2}


async def test_a_plan_of_which_nothing_is_left_ends_its_batch(world: CrmWorld) -> None:
    key = await world.scored("p1")
    await world.plan(key)
    changed(world, key, excluded=("p1",))
    await world.plan(key)
    assert find_batch(world.workplace, key).status == "completed"
    assert world.dealt().total() == 0


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"excluded": ("p9",)}, "no lead 'p9'"),
        ({"bdr_names": ("Nobody",)}, "not active on the roster"),
        ({"tier_floor": "gold"}, "'gold' is no tier"),
        ({"cap_micros": 10**12}, "cap must be"),
    ],
)
async def test_a_change_that_cannot_be_made_changes_nothing(world: CrmWorld, changes, why) -> None:
    key = await world.scored("p1")
    await world.plan(key)
    with pytest.raises((ApprovalRefused, LookupError, ValueError), match=why):
        changed(world, key, **changes)
    assert find_batch(world.workplace, key).status == "awaiting_approval"
    assert approve(world.workplace, key, by="Mara").status == "queued"


async def test_a_stage_is_asked_about_again_with_the_new_cap_and_without_the_leads_left_out(
    sqlite_database, policy, clock, tmp_path
) -> None:
    gates = {"requires_approval": {"synced": True, "enriched": True}}
    world = World(sqlite_database, book_policy(policy, gates=gates), clock, tmp_path)
    key = world.create().key
    await world.run(key)
    before = shown(world, key)
    batch = changed(world, key, cap_micros=before["spent_micros"] + 10_000, excluded=("p1",))
    assert batch.status == "awaiting_approval"
    after = shown(world, key)
    assert (after["leads"], after["worst_case_micros"], after["number"]) == (5, 10_000, before["number"] + 1)
    assert "5 leads may be enriched" in str(batch.cause)
    assert world.codes(Stage.ENRICHED) == {"gate_rejected": 1}


async def test_another_search_is_a_child_that_takes_the_place_of_the_batch(world: CrmWorld) -> None:
    key = await world.scored("p1")
    await world.plan(key)
    for filters, changes, why in (
        ({"keywrod": "x"}, Changes(), "keywrod"),
        ({"keyword": "x"}, Changes(excluded=("p1",)), "other leads"),
        ({"keyword": "x"}, Changes(bdr_names=("Nobody",)), "not on the roster"),
        ({"keyword": "x"}, Changes(cap_micros=1), "exceeds the batch cap"),
    ):
        with pytest.raises((FilterProblems, ApprovalRefused, EstimateOverCap), match=why):
            search_otherwise(world.workplace, key, filters, OBJECTION, changes)
    before = find_batch(world.workplace, key)
    assert before.status == "awaiting_approval"
    changes = Changes(cap_micros=7_000_000, bdr_names=("Cleo",))
    created = search_otherwise(world.workplace, key, {"keyword": "it's new"}, OBJECTION, changes)
    child = find_batch(world.workplace, created.key)
    assert (child.status, child.parent_batch_id, child.cap_micros) == ("queued", before.batch_id, 7_000_000)
    assert (child.filters["keyword"], child.bdr_names) == ("it's new", ["Cleo"])
    assert find_batch(world.workplace, key).status == "completed"
    assert world.codes(Stage.SYNCED) == {"gate_rejected": 1}


async def test_the_size_alone_can_be_changed_too(world: CrmWorld) -> None:
    key = await world.scored("p1")
    await world.plan(key)
    created = search_otherwise(world.workplace, key, {"max_results": 20}, OBJECTION, Changes())
    assert find_batch(world.workplace, created.key).max_leads == 20
    with pytest.raises(ApprovalRefused, match="was rejected by Mara"):
        search_otherwise(world.workplace, key, {"keyword": "another"}, OBJECTION, Changes())


async def test_what_failed_is_not_tried_while_a_plan_is_made_again_and_is_when_somebody_asks(world: CrmWorld) -> None:
    world.vendor.bugs["scored:p2"] = ValueError("ours")
    key = await world.scored("p1", "p2", "p3")
    await world.plan(key)
    changed(world, key, excluded=("p3",))
    run_failed(world.workplace, key, FailedRun(run_id="r", attempt=find_batch(world.workplace, key).attempt))
    (queued,) = launch_queue(world.workplace).queued
    assert queued.steps == ("plan",), "a crash does not make it spend either"
    await world.plan(key)
    retry(world.workplace, key, Deed(by="Ben"))
    (queued,) = launch_queue(world.workplace).queued
    assert queued.steps == ()
