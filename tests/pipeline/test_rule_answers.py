"""A question of a rule is answered once, by a person, and a yes is done on the one launching path (spec 15.3, 15.4)."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from batch_world import LEAD_STAGES, World, book_policy, materialize
from sqlalchemy import select

from socialanalyzer_dagster.domain.filters import FilterProblems
from socialanalyzer_dagster.domain.rule_questions import Otherwise, Reply, RuleAnswer, RuleQuestion
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline import rule_answers
from socialanalyzer_dagster.pipeline.batch_actions import Deed, find_batch, retry, stop
from socialanalyzer_dagster.pipeline.batch_status import StatusRefused
from socialanalyzer_dagster.pipeline.gate_answers import ApprovalRefused
from socialanalyzer_dagster.pipeline.rule_answers import NoSuchQuestion, answer
from socialanalyzer_dagster.pipeline.rule_points import KIND
from socialanalyzer_dagster.pipeline.rule_questions import ANSWER, open_questions
from socialanalyzer_dagster.pipeline.rule_run import apply_rules
from socialanalyzer_dagster.pipeline.rule_watch import attend_rules
from socialanalyzer_dagster.pipeline.summaries import summarize
from socialanalyzer_dagster.simulation.people import Team
from socialanalyzer_dagster.storage import decisions
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.decisions import StoredDecision
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow

pytestmark = pytest.mark.usefixtures("every_core")

CHANGES: dict[str, dict[str, Any]] = {
    "R-1": {"when": {"kind": "low_yield", "below": "0.5", "judged_from": 4}},
    "R-2": {
        "when": {"kind": "many_failures", "above": "0.3", "attempted_from": 4},
        "then": {"kind": "retry_failed", "wait_minutes": [5]},
        "limit": 1,
    },
    "R-3": {"when": {"kind": "niche_cluster", "min_score": "0.65", "leads_from": 3, "share": "0.25"}},
}
YES = RuleAnswer(reply=Reply.APPROVE, by="Mara")
NO = RuleAnswer(reply=Reply.REJECT, by="Noa", reason="the niche is done")


def world_with(database: Database, policy: Any, clock: Any, home: Any, **sections: Any) -> World:
    """A search that brings almost nobody asks a person at once, with the next looser search drafted."""
    rules = policy.document()["rules"]
    table = {name: rule | CHANGES.get(name, {}) for name, rule in rules["table"].items()}
    ladders = rules["ladders"] | {"testbook": [{"put": {"keyword": "novels"}}]}
    changed = {"table": table, "ladders": ladders, "ask_above_depth": 0, **sections.pop("rules", {})}
    return World(database, book_policy(policy, rules=changed, **sections), clock, home)


@pytest.fixture
def world(sqlite_database: Database, policy: Any, clock: Any, tmp_path: Any) -> World:
    return world_with(sqlite_database, policy, clock, tmp_path)


async def through(world: World, key: str, *stages: Stage) -> None:
    async with world.opened(key) as batch:
        for stage in stages:
            await materialize(batch, stage)
            world.clock.advance(seconds=1)
            apply_rules(batch, stage)


async def poor(world: World, names: Sequence[str] = ("r1", "r2", "r3", "r4", "p1")) -> str:
    """A batch whose search brought one of five."""
    world.vendor.names = list(names)
    key = world.create(filters={"keyword": "travel"}, confirmed=True).key
    await through(world, key, Stage.DISCOVERED, Stage.SCREENED)
    return key


def asked(world: World) -> list[RuleQuestion]:
    with world.database.read() as connection:
        return open_questions(connection, KIND, 24)


def rows(world: World, kind: str = ANSWER) -> list[StoredDecision]:
    with world.database.read() as connection:
        made = decisions.since(connection, world.clock.now().replace(year=2000))
    return [each for each in made if each.kind == kind and each.action != "nothing"]


def others(world: World, key: str) -> list[Batch]:
    with world.database.read() as connection:
        keys = list(connection.execute(select(LeadBatchRow.partition_key)).scalars())
    return [find_batch(world.workplace, each) for each in keys if each != key]


async def test_a_yes_launches_exactly_what_was_asked_about_and_is_written_down(world: World) -> None:
    key = await poor(world)
    (question,) = asked(world)
    parent = find_batch(world.workplace, key)
    assert question.what == f"whether to run the search of {key} again with looser filters (keyword set to novels)"
    assert question.worst_case_micros is not None
    assert 0 < (question.expected_micros or 0) <= question.worst_case_micros < parent.cap_micros
    answered = answer(world.workplace, question.number, YES)
    (child,) = others(world, key)
    assert (answered.batch, answered.result, child.status) == (child.partition_key, "batch created", "queued")
    assert (child.filters["keyword"], child.parent_batch_id, child.stop_at_cap) == ("novels", parent.batch_id, True)
    assert child.cap_micros == question.worst_case_micros, "never more than what was said"
    (taken,) = rows(world)
    assert (taken.actor, taken.action, taken.result) == ("Mara", "approve", "batch created")
    (told,) = summarize(world.workplace, find_batch(world.workplace, key)).rules
    assert told == f"R-1 asked {question.what}: a person said yes, as batch {child.partition_key}."
    with pytest.raises(ApprovalRefused, match=f"question {question.number} is over: approved by Mara at 2026-11-20"):
        answer(world.workplace, question.number, NO)
    await through(world, key, Stage.SCREENED)
    assert (asked(world), len(others(world, key))) == ([], 1), "nobody is asked twice about one batch"


@pytest.mark.parametrize(("target", "children"), [(100, ["novels"]), (0, [])])
async def test_a_simulated_team_says_yes_once_while_the_day_is_short_of_its_target(
    sqlite_database: Database, policy: Any, clock: Any, tmp_path: Any, target: int, children: list[str]
) -> None:
    targets = {"scored_leads": {"testbook": {clock.now().strftime("%A").lower(): target}}}
    world = world_with(sqlite_database, policy, clock, tmp_path, targets=targets)
    key, team = await poor(world), Team()
    assert [team.work(world.workplace), team.work(world.workplace)] == [True, False]
    assert [child.filters["keyword"] for child in others(world, key)] == children
    assert (team.answered, asked(world)) == (1, [])


async def test_a_no_is_kept_with_its_reason_and_nobody_asks_again_in_that_chain(world: World) -> None:
    key = await poor(world, ["r1", "r2", "r3", "r4"])
    (question,) = asked(world)
    with pytest.raises(ApprovalRefused, match="to reject needs a reason"):
        answer(world.workplace, question.number, replace(NO, reason=" "))
    answer(world.workplace, question.number, NO)
    (first,) = [each for each in rows(world, KIND) if each.actor.startswith("R-1")]
    assert (first.result, first.result_detail) == ("rejected", {"by": "Noa", "reason": "the niche is done"})
    assert [(each.action, each.reason, each.result) for each in rows(world)] == [
        ("reject", "the niche is done", "nothing")
    ]
    ended = find_batch(world.workplace, key)
    assert (ended.status, "found" in (ended.summary or "")) == ("completed_empty", True)
    assert f"\nR-1 asked {question.what}: a person said no.\n" in (ended.summary or ""), "the stored one says so too"
    await through(world, key, Stage.SCREENED)
    assert (asked(world), others(world, key)) == ([], [])


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (replace(YES, by=" "), "carries the name of the person"),
        (replace(YES, reply=Reply.MODIFY, reason="r"), "say what is to be otherwise"),
        (replace(YES, reply=Reply.MODIFY, otherwise=Otherwise(max_leads=2)), "needs a reason"),
    ],
)
async def test_an_answer_that_makes_no_sense_leaves_the_question_open(
    world: World, given: RuleAnswer, why: str
) -> None:
    await poor(world)
    (question,) = asked(world)
    with pytest.raises(ApprovalRefused, match=why):
        answer(world.workplace, question.number, given)
    assert asked(world) == [question]
    with pytest.raises(NoSuchQuestion):
        answer(world.workplace, question.number + 100, YES)


async def test_what_stands_against_the_batch_is_told_before_the_answer_is_taken(world: World) -> None:
    key = await poor(world)
    (question,) = asked(world)
    rival = world.create(filters={"keyword": "novels"}).key
    with pytest.raises(ValueError, match=f"batch {rival} runs the same search"):
        answer(world.workplace, question.number, YES)
    wide = Otherwise(cap_micros=10**12, filters={"keyword": "poems", "unheard_of": 1})
    with pytest.raises(FilterProblems) as told:
        answer(world.workplace, question.number, RuleAnswer(reply=Reply.MODIFY, by="M", reason="r", otherwise=wide))
    assert {each.field for each in told.value.problems} >= {"max_budget_usd", "unheard_of"}
    assert (len(asked(world)), len(others(world, key))) == (1, 1)


async def test_a_modified_search_has_its_own_size_and_cap_and_its_estimate_is_confirmed_like_any(
    sqlite_database: Database, policy: Any, clock: Any, tmp_path: Any
) -> None:
    world = world_with(sqlite_database, policy, clock, tmp_path, budgets={"confirm_from_usd": "0.01"})
    key = await poor(world)
    wanted = Otherwise(cap_micros=400_000, max_leads=3, filters={"keyword": "poems"})
    given = RuleAnswer(reply=Reply.MODIFY, by="Mara", reason="smaller", otherwise=wanted)
    answered = answer(world.workplace, asked(world)[0].number, given)
    child = next(each for each in others(world, key) if each.partition_key == answered.batch)
    assert (child.cap_micros, child.max_leads, child.filters["keyword"]) == (400_000, 3, "poems")
    assert (child.status, answered.waits_for_confirmation) == ("awaiting_confirmation", True)


async def test_of_two_answers_at_once_one_wins_and_the_other_is_told(
    database: Database, policy: Any, clock: Any, tmp_path: Any
) -> None:
    world = world_with(database, policy, clock, tmp_path)
    key = await poor(world)
    (question,) = asked(world)
    heard: list[str] = []

    def say(given: RuleAnswer) -> None:
        try:
            heard.append(str(answer(world.workplace, question.number, given).reply))
        except ApprovalRefused as refused:
            heard.append(str(refused))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(say, [YES, NO, replace(YES, by="Kim"), replace(NO, by="Lou")]))
    winners = [each for each in heard if each in ("approve", "reject")]
    assert len(winners) == 1
    assert sum(f"question {question.number} is over: " in each for each in heard) == 3
    assert len(rows(world)) == 1
    assert len(others(world, key)) == (1 if winners == ["approve"] else 0)


async def test_an_answer_that_a_crash_left_undone_is_carried_out_once_by_the_sensor(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await poor(world)

    def killed(*_args: object) -> None:
        raise RuntimeError("killed here")

    with monkeypatch.context() as broken:
        broken.setattr(rule_answers, "carry_out", killed)
        with pytest.raises(RuntimeError, match="killed here"):
            answer(world.workplace, asked(world)[0].number, YES)
    assert ([each.result for each in rows(world)], others(world, key)) == ([None], [])
    ticks = await asyncio.gather(*(asyncio.to_thread(attend_rules, world.workplace, None) for _ in range(2)))
    assert sum("searches with looser filters" in each.reason for each in ticks) == 1
    assert (len(others(world, key)), rows(world)[0].result) == (1, "batch created")


async def test_an_answer_that_comes_too_late_or_about_a_stopped_batch_is_none(world: World) -> None:
    key = await poor(world)
    (question,) = asked(world)
    stop(world.workplace, key, Deed(by="Mara"))
    with pytest.raises(ApprovalRefused, match="needs no answer any more: the batch was stopped"):
        answer(world.workplace, question.number, YES)
    assert not Team().work(world.workplace), "a simulated team leaves it"
    assert "the batch was stopped" in attend_rules(world.workplace, None).reason
    assert asked(world) == []


async def test_no_answer_in_time_is_a_no_also_before_the_sensor_has_said_so(world: World) -> None:
    await poor(world)
    (question,) = asked(world)
    world.clock.advance(hours=24)
    with pytest.raises(ApprovalRefused, match="in time, and no answer is a no"):
        answer(world.workplace, question.number, YES)
    assert "nobody answered, so nothing is done" in attend_rules(world.workplace, None).reason


async def test_software_does_not_answer_where_money_is_real(world: World) -> None:
    await poor(world)
    live = replace(world.workplace, mode="production")
    with pytest.raises(ApprovalRefused, match="decides in the sandbox alone"):
        answer(live, asked(world)[0].number, replace(YES, by="Demo-Approver"))


async def test_a_search_that_costs_more_than_a_proposal_may_is_asked_about(
    sqlite_database: Database, policy: Any, clock: Any, tmp_path: Any
) -> None:
    ladders = policy.document()["rules"]["ladders"] | {"testbook": [{"put": {"max_results": 100}}]}
    rules = {"ask_above_depth": 2, "ladders": ladders}
    world = world_with(sqlite_database, policy, clock, tmp_path, rules=rules, gates={"person_above_usd": 5})
    key = await poor(world)
    (question,) = asked(world)
    assert "because it would probably cost $7.18, which is more than $5.00." in question.why
    assert others(world, key) == []


async def test_failed_leads_are_tried_again_at_a_persons_word_when_the_batch_stands_still(world: World) -> None:
    world.vendor.bugs = {f"enriched:{name}": RuntimeError("broken") for name in world.vendor.names}
    key = world.create().key
    await through(world, key, Stage.DISCOVERED, Stage.SCREENED, Stage.ENRICHED)
    world.clock.advance(minutes=6)
    attend_rules(world.workplace, None)
    await through(world, key, Stage.ENRICHED)
    (question,) = asked(world)
    assert (question.replies, question.expected_micros) == ((Reply.APPROVE, Reply.REJECT), 6 * 60_000)
    with pytest.raises(ApprovalRefused, match="nothing to change about it"):
        answer(world.workplace, question.number, replace(NO, reply=Reply.MODIFY))
    world.vendor.bugs = {}
    attempt = find_batch(world.workplace, key).attempt
    assert answer(world.workplace, question.number, YES).result == "retried"
    batch = find_batch(world.workplace, key)
    assert (batch.status, batch.attempt) == ("queued", attempt + 1)
    await through(world, key, Stage.ENRICHED)
    assert world.codes(Stage.ENRICHED) == {"passed": 6}


async def test_a_question_about_failed_leads_is_over_when_somebody_tried_them_again(world: World) -> None:
    world.vendor.bugs = {f"enriched:p{n}": RuntimeError("broken") for n in (1, 2, 3)}
    key = world.create().key
    await through(world, key, Stage.DISCOVERED, Stage.SCREENED, Stage.ENRICHED)
    world.clock.advance(minutes=6)
    attend_rules(world.workplace, None)
    await through(world, key, Stage.ENRICHED)
    (question,) = asked(world)
    with pytest.raises(StatusRefused, match="answer when it has come to its end"):
        answer(world.workplace, question.number, YES)
    await through(world, key, Stage.ENRICHED)
    assert "its leads were tried again since" in attend_rules(world.workplace, None).reason


async def test_a_batch_that_a_rule_paused_goes_on_at_a_persons_word(
    sqlite_database: Database, policy: Any, clock: Any, tmp_path: Any
) -> None:
    table = policy.document()["rules"]["table"]
    table["R-1"] |= CHANGES["R-1"] | {"then": {"kind": "pause"}, "escalates": False}
    world = world_with(sqlite_database, policy, clock, tmp_path, rules={"table": table})
    key, other = await poor(world), world.create(filters={"keyword": "b"}).key
    (question,) = asked(world)
    assert (question.what, question.replies) == (
        f"whether batch {key} goes on, which a rule paused", (Reply.APPROVE, Reply.REJECT)
    )  # fmt: skip
    assert (question.expected_micros or 0) > 0
    assert attend_rules(world.workplace, None).sentences == (), "it stays open while the batch is held"
    assert answer(world.workplace, question.number, YES).result == "retried"
    assert find_batch(world.workplace, key).status == "queued"
    await through(world, key, Stage.SCREENED)
    assert asked(world) == [], "nor is it held again"

    world.vendor.names = ["r5", "r6", "r7", "r8", "p2"]
    await through(world, other, Stage.DISCOVERED, Stage.SCREENED)
    (question,) = asked(world)
    retry(world.workplace, other, Deed(by="Mara"))
    with pytest.raises(ApprovalRefused, match="needs no answer any more: the batch went on"):
        answer(world.workplace, question.number, YES)


async def test_a_dense_niche_is_searched_when_a_person_says_so(world: World) -> None:
    key = world.create(filters={"keyword": "travel"}).key
    await through(world, key, Stage.DISCOVERED, *LEAD_STAGES)
    (question,) = asked(world)
    answered = answer(world.workplace, question.number, YES)
    (child,) = others(world, key)
    assert (child.partition_key, child.parent_batch_id) == (answered.batch, find_batch(world.workplace, key).batch_id)
    assert child.cap_micros == question.worst_case_micros
