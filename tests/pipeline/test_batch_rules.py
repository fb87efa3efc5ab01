"""Rules between stages over real batches: written before they act, done once, held or retried as they say (15.1)."""

import asyncio
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
from batch_world import LEAD_STAGES, World, book_policy, materialize
from sqlalchemy import select

from socialanalyzer_dagster.definitions import build_definitions
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline import rule_deeds
from socialanalyzer_dagster.pipeline.batch_actions import Deed, find_batch, retry, stop
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.rule_points import KIND
from socialanalyzer_dagster.pipeline.rule_replay import replay
from socialanalyzer_dagster.pipeline.rule_run import apply_rules
from socialanalyzer_dagster.pipeline.rule_watch import RuleCursor, attend_rules
from socialanalyzer_dagster.pipeline.summaries import summarize
from socialanalyzer_dagster.sensors.rules import rules_sensor
from socialanalyzer_dagster.storage import decisions
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.decisions import StoredDecision
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow

pytestmark = pytest.mark.usefixtures("every_core")

CHANGES: dict[str, dict[str, Any]] = {
    "R-1": {"when": {"kind": "low_yield", "below": "0.5", "judged_from": 4}},
    "R-2": {"when": {"kind": "many_failures", "above": "0.3", "attempted_from": 4}},
    "R-3": {"when": {"kind": "niche_cluster", "min_score": "0.65", "leads_from": 3, "share": "0.25"}},
    "R-8": {"when": {"kind": "vendor_away", "above": "0.5", "reached_from": 4}},
}
REJECTED = ["r1", "r2", "r3", "r4", "p1"]


def world_with(database: Database, policy: Any, clock: Any, home: Any, **budgets: Any) -> World:
    """Rules that small batches meet, and a ladder whose step sets another keyword."""
    rules = policy.document()["rules"]
    table = {name: rule | CHANGES.get(name, {}) for name, rule in rules["table"].items()}
    ladders = rules["ladders"] | {"testbook": [{"put": {"keyword": "novels"}}]}
    changed = book_policy(policy, rules={"table": table, "ladders": ladders}, budgets=budgets)
    return World(database, changed, clock, home)


@pytest.fixture
def world(sqlite_database: Database, policy: Any, clock: Any, tmp_path: Any) -> World:
    return world_with(sqlite_database, policy, clock, tmp_path)


async def through(world: World, key: str, *stages: Stage) -> str | None:
    """As the assets do: each stage with the rules behind it; the sentence when one held the batch."""
    held = None
    async with world.opened(key) as batch:
        for stage in stages or (Stage.DISCOVERED, *LEAD_STAGES):
            await materialize(batch, stage)
            world.clock.advance(seconds=1)
            held = held or apply_rules(batch, stage).held
    return held


def decided(world: World, rule: str = "R-", *, deeds: bool = True) -> list[StoredDecision]:
    with world.database.read() as connection:
        found = decisions.of_kind(connection, KIND, since=world.clock.now() - timedelta(days=30))
    return [each for each in found if each.actor.startswith(rule) and not (deeds and each.action == "nothing")]


def batch_keys(world: World) -> list[str]:
    with world.database.read() as connection:
        return list(connection.execute(select(LeadBatchRow.partition_key).order_by(LeadBatchRow.created_at)).scalars())


async def test_a_poor_search_runs_again_with_looser_filters_and_its_child_asks_a_person(world: World) -> None:
    world.vendor.names = REJECTED
    key = world.create(filters={"keyword": "travel"}).key
    await through(world, key, Stage.DISCOVERED, Stage.SCREENED)
    (made,) = decided(world, "R-1")
    assert (made.action, made.result, made.stage) == ("loosen", "batch created", "screened")
    assert made.condition == {"part": 1, "whole": 5}
    assert made.parameters["changes"] == "keyword set to novels"
    child = find_batch(world.workplace, str((made.result_detail or {})["batch"]))
    parent = find_batch(world.workplace, key)
    assert (child.status, child.filters["keyword"]) == ("queued", "novels")
    assert (child.parent_batch_id, child.stop_at_cap) == (parent.batch_id, True)
    assert child.cap_micros < parent.cap_micros

    await through(world, key, Stage.SCREENED)
    world.vendor.names = [f"{name}b" for name in REJECTED]
    await through(world, child.partition_key, Stage.DISCOVERED, Stage.SCREENED)
    assert [each.action for each in decided(world, "R-1")] == ["loosen", "ask"]
    assert "A person is asked, because it acted 1 time already." in decided(world, "R-1")[1].reason
    assert len(batch_keys(world)) == 2
    world.clock.advance(hours=25)
    attended = attend_rules(world.workplace, None)
    assert "nobody answered, so nothing is done" in attended.reason
    assert decided(world, "R-1")[1].result == "expired"


@pytest.mark.parametrize("moment", ["before the deed", "after the deed"])
async def test_a_crash_between_a_choice_and_its_deed_leaves_it_to_be_done_once(
    database: Database, policy: Any, clock: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    world = world_with(database, policy, clock, tmp_path)
    world.vendor.names = REJECTED
    key = world.create(filters={"keyword": "travel"}).key
    dies = "create_batch" if moment == "before the deed" else "_finished"

    def killed(*_args: object) -> None:
        raise RuntimeError("killed here")

    with monkeypatch.context() as broken:
        broken.setattr(rule_deeds, dies, killed)
        with pytest.raises(RuntimeError, match="killed here"):
            await through(world, key, Stage.DISCOVERED, Stage.SCREENED)
    (made,) = decided(world, "R-1")
    assert made.result is None, "the choice was written before it acted"
    assert len(batch_keys(world)) == (1 if moment == "before the deed" else 2)
    ticks = await asyncio.gather(*(asyncio.to_thread(attend_rules, world.workplace, None) for _ in range(3)))
    first = ticks[0]
    assert any("searches with looser filters" in each.reason for each in ticks)
    assert len(batch_keys(world)) == 2, "three looks at once make one batch"
    assert decided(world, "R-1")[0].result == "batch created"
    again = attend_rules(world.workplace, first.cursor.model_dump_json())
    assert (again.sentences, len(batch_keys(world))) == ((), 2)
    await through(world, key, Stage.SCREENED)
    assert (len(batch_keys(world)), len(decided(world, "R-1"))) == (2, 1)


async def test_a_point_that_a_crash_left_out_is_decided_by_the_sensor_once(world: World) -> None:
    world.vendor.names = REJECTED
    key = world.create(filters={"keyword": "travel"}).key
    await world.run(key, Stage.DISCOVERED, Stage.SCREENED)
    world.clock.advance(minutes=1)
    assert decided(world, deeds=False) == []
    async with world.opened(key):
        assert attend_rules(world.workplace, None).sentences == (), "a run that is at work decides by itself"
    first = attend_rules(world.workplace, None)
    assert "searches with looser filters" in first.reason
    looked = len(decided(world, deeds=False))
    assert attend_rules(world.workplace, "not a cursor").sentences == ()
    assert len(decided(world, deeds=False)) == looked
    assert RuleCursor.model_validate_json(first.cursor.model_dump_json()).looked_until == world.clock.now()


async def test_failed_leads_are_tried_again_after_growing_waits_and_then_a_person_is_asked(world: World) -> None:
    world.vendor.bugs = {f"enriched:p{n}": RuntimeError("broken") for n in (1, 2, 3)}
    key = world.create().key
    held = await through(world, key, Stage.DISCOVERED, Stage.SCREENED, Stage.ENRICHED, Stage.ANALYZED)
    assert held is not None
    assert "3 of 6 (50 %) attempted leads failed and may be tried again" in held
    assert "They are tried again at 2026-11-20 12:05 UTC." in held
    assert find_batch(world.workplace, key).status == "paused"
    assert not world.outcomes().get(("analyzed", "p4")), "the run does nothing more"
    for minutes in (5, 15, 45):
        assert attend_rules(world.workplace, None).sentences == ()
        world.clock.advance(minutes=minutes)
        attended = attend_rules(world.workplace, None)
        assert "its failed leads are tried again" in attended.reason
        assert find_batch(world.workplace, key).status == "queued"
        await through(world, key, Stage.ENRICHED)
    assert [each.action for each in decided(world, "R-2")] == ["retry_failed"] * 3 + ["ask"]
    said = summarize(world.workplace, find_batch(world.workplace, key)).text()
    assert "\nR-2 had failed leads tried again after 5, 15 and 45 minutes.\nR-2 asks whether to try the failed" in said
    assert find_batch(world.workplace, key).status != "paused", "the fourth time it goes on with what it has"
    world.vendor.bugs = {}


async def test_a_person_who_retries_first_or_stops_the_batch_is_not_overruled(world: World) -> None:
    world.vendor.bugs = {f"enriched:p{n}": RuntimeError("broken") for n in (1, 2, 3)}
    key = world.create().key
    await through(world, key, Stage.DISCOVERED, Stage.SCREENED, Stage.ENRICHED)
    world.vendor.bugs = {}
    attempt = retry(world.workplace, key, Deed(by="Mara")).attempt
    await through(world, key, Stage.ENRICHED)
    world.clock.advance(minutes=6)
    attend_rules(world.workplace, None)
    assert find_batch(world.workplace, key).attempt == attempt
    assert [each.result for each in decided(world, "R-2")] == ["retried"]


async def test_a_batch_of_which_every_lead_failed_has_ended_and_is_tried_again_all_the_same(world: World) -> None:
    world.vendor.bugs = {f"enriched:{name}": RuntimeError("broken") for name in world.vendor.names}
    key = world.create().key
    assert await through(world, key, Stage.DISCOVERED, Stage.SCREENED, Stage.ENRICHED) is None
    assert find_batch(world.workplace, key).status == "completed_empty"
    world.vendor.bugs = {}
    world.clock.advance(minutes=6)
    assert "its failed leads are tried again" in attend_rules(world.workplace, None).reason
    await through(world, key, Stage.ENRICHED)
    assert world.codes(Stage.ENRICHED) == {"passed": 6}


async def test_a_batch_that_a_person_stopped_meanwhile_stays_stopped(world: World) -> None:
    world.vendor.bugs = {f"enriched:p{n}": RuntimeError("broken") for n in (1, 2, 3)}
    key = world.create().key
    await through(world, key, Stage.DISCOVERED, Stage.SCREENED, Stage.ENRICHED)
    stop(world.workplace, key, Deed(by="Mara"))
    world.clock.advance(minutes=6)
    assert attend_rules(world.workplace, None).reason == (f"R-2, batch {key}: not done: the batch is stopped.")
    assert find_batch(world.workplace, key).status == "stopped"


async def test_a_looser_search_looks_again_at_those_whom_only_the_filters_rejected(
    database: Database, policy: Any, clock: Any, tmp_path: Any
) -> None:
    world = world_with(database, policy, clock, tmp_path)
    world.vendor.names = ["r1", "f1", "f2", "f3", "p1"]
    world.vendor.out_of_range = {"f1", "f2", "f3"}
    key = world.create(filters={"keyword": "travel"}).key
    await through(world, key, Stage.DISCOVERED, Stage.SCREENED)
    child = next(each for each in batch_keys(world) if each != key)
    stranger = world.create(filters={"keyword": "cooking"}).key
    world.vendor.out_of_range = set()
    await through(world, stranger, Stage.DISCOVERED)
    await through(world, child, Stage.DISCOVERED, Stage.SCREENED)
    last = {handle: each[-1][1] for (stage, handle), each in world.outcomes().items() if stage == "discovered"}
    assert last == {"f1": None, "f2": None, "f3": None, "p1": "claimed_by_other_batch", "r1": "known_recent"}
    assert world.outcomes()["screened", "f1"][-1] == ("passed", None)
    assert ("rejected", "known_recent") in world.outcomes()["discovered", "f1"], "for a search of another chain"


async def test_a_vendor_that_is_away_for_most_leads_pauses_the_batch_until_it_is_back(world: World) -> None:
    world.vendor.unseen = {"p1", "p2", "p3", "p4"}
    key = world.create().key
    held = await through(world, key, Stage.DISCOVERED, Stage.SCREENED, Stage.ENRICHED)
    assert held == (
        "R-8 (vendor away): 4 of 6 (67 %) leads wait for insightiq. So: hold the batch. "
        "Retry the batch to let it go on, which it does by itself when the vendor is back."
    )
    batch = find_batch(world.workplace, key)
    assert (batch.status, batch.waits_for, batch.cause) == ("paused", "insightiq", held)
    assert [each.result for each in decided(world, "R-8")] == ["paused"]


async def test_a_dense_niche_is_proposed_and_not_launched_and_every_check_is_a_row(world: World) -> None:
    key = world.create(filters={"keyword": "travel"}).key
    assert await through(world, key) is None
    (made,) = decided(world, "R-3")
    assert (made.action, made.result) == ("propose_search", None), "it waits for a person"
    assert "6 of 6 scored leads have 0.65 or more in one niche, unknown" in made.reason
    filters: Any = made.parameters["filters"]
    assert filters["keyword"] != "travel"
    assert len(batch_keys(world)) == 1
    table = active_policy(world.database).rules.table.values()
    due = sum(stage in rule.after for rule in table for stage in (Stage.DISCOVERED, *LEAD_STAGES))
    checks = decided(world, deeds=False)
    assert len(checks) == due
    assert all(each.reason and (each.result or each == made) for each in checks)


async def test_caps_that_batches_share_warn_once_with_what_happens_and_what_to_do(
    sqlite_database: Database, policy: Any, clock: Any, tmp_path: Any
) -> None:
    world = world_with(sqlite_database, policy, clock, tmp_path, month_usd="0.45")
    await through(world, world.create().key, Stage.DISCOVERED, Stage.SCREENED, Stage.ENRICHED)
    cursor = None
    told: list[str] = []
    for _ in range(2):
        attended = attend_rules(world.workplace, cursor)
        cursor = attended.cursor.model_dump_json()
        told += attended.sentences
    (sentence,) = told
    assert sentence.startswith("R-6 (spending cap nearly used): $0.")
    assert "of the spending cap of $0.45" in sentence
    assert (
        "per month. At the cap nothing more is bought: batches at work end with what they have, queued ones wait; "
        in (sentence)
    )
    assert "it starts anew on 2026-12-01 at 00:00 UTC, or raise budgets.month_usd in the policy" in sentence
    assert attended.reason.startswith("No rule has anything to do after the stages that ended since 2026-11-20 11:5")


async def test_a_replay_shows_what_rules_would_have_done_and_writes_nothing(world: World) -> None:
    world.vendor.names = REJECTED
    key = world.create(filters={"keyword": "travel"}).key
    await through(world, key)
    before = (decided(world, deeds=False), batch_keys(world))
    strict = world.policy.document()["rules"]["table"]
    strict["R-1"] |= {"when": {"kind": "low_yield", "below": "0.1", "judged_from": 4}}
    now = world.clock.now() + timedelta(seconds=1)
    for policy, deeds in ((world.policy, ["loosen"]), (book_policy(world.policy, rules={"table": strict}), [])):
        found = replay(world.workplace, policy, since=now - timedelta(days=1), until=now)
        assert [each.action for each in found if each.verdict.is_deed and each.rule == "R-1"] == deeds
        assert len(found) == len(before[0])
    first = next(each for each in replay(world.workplace, world.policy, since=now - timedelta(days=1), until=now)
                 if each.rule == "R-1")  # fmt: skip
    assert (first.changes, first.really) == ("keyword set to novels", "loosen: batch created")
    assert (decided(world, deeds=False), batch_keys(world)) == before


def test_the_sensor_is_on_and_runs_every_minute() -> None:
    assert rules_sensor in list(build_definitions({}).sensors or ())
    found = rules_sensor
    assert (found.minimum_interval_seconds, found.default_status) == (60, dg.DefaultSensorStatus.RUNNING)
