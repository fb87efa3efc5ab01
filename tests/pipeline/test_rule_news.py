"""What rules ask, hold, draft and say reaches people once, as what it is (15.1, 15.4, 16)."""

from collections.abc import Mapping
from typing import Any

import pytest
from batch_world import LEAD_STAGES, World, book_policy, materialize

from socialanalyzer_dagster.domain.notification_events import Event, Kind
from socialanalyzer_dagster.domain.notifications import EVENTS, Markup, Place, message
from socialanalyzer_dagster.domain.policy_automation import Rule
from socialanalyzer_dagster.domain.rule_conditions import Looked
from socialanalyzer_dagster.domain.rule_questions import Proposal, RuleQuestion
from socialanalyzer_dagster.domain.rules import RuleChoice, Verdict
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.news import gather
from socialanalyzer_dagster.pipeline.rule_news import Chosen, event_of
from socialanalyzer_dagster.pipeline.rule_points import KIND
from socialanalyzer_dagster.pipeline.rule_questions import open_questions
from socialanalyzer_dagster.pipeline.rule_run import apply_rules
from socialanalyzer_dagster.storage import decisions, outbox
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.decisions import Decision
from socialanalyzer_dagster.storage.outbox import OutboxQuestion

RULES: dict[str, dict[str, Any]] = {
    "R-1": {"when": {"kind": "low_yield", "below": "0.5", "judged_from": 4}},
    "R-3": {"when": {"kind": "niche_cluster", "min_score": "0.65", "leads_from": 3, "share": "0.25"}},
}


@pytest.fixture
def world(sqlite_database: Database, policy: Any, clock: Any, tmp_path: Any) -> World:
    rules = policy.document()["rules"]
    table = {name: rule | RULES.get(name, {}) for name, rule in rules["table"].items()}
    return World(sqlite_database, book_policy(policy, rules={"table": table}), clock, tmp_path)


async def through(world: World, key: str, *stages: Stage) -> None:
    async with world.opened(key) as batch:
        for stage in stages:
            await materialize(batch, stage)
            world.clock.advance(seconds=1)
            apply_rules(batch, stage)
            apply_rules(batch, stage)


def told(world: World) -> list[Event]:
    gather(world.workplace)
    with world.database.read() as connection:
        rows = outbox.messages(connection, OutboxQuestion(limit=100, channel="badge"))
    return [EVENTS[Kind(row["kind"])].of_facts(row["facts"], row["batch_id"]) for row in reversed(rows)]


async def test_a_question_of_a_rule_is_an_escalation_with_what_silence_means(world: World) -> None:
    world.vendor.names = ["r1", "r2", "r3", "r4", "p1"]
    key = world.create(filters={"keyword": "travel"}).key
    await through(world, key, Stage.DISCOVERED, Stage.SCREENED)
    (event,) = told(world)
    text = "\n".join([event.title(f"batch {key}"), *event.sentences(f"batch {key}")])
    what = f"whether to run the search of {key} again with looser filters"
    title = f"A decision is needed: {what} (batch {key})"
    assert text.startswith(f"{title}\nWhy: R-1 (low yield): ")
    assert "A person is asked, because no looser filters are left." in text
    assert "\nInstead: filters of your own (modify); search no further here (reject).\n" in text
    assert "What it costs depends on the filters that you give, at most $49.70. Answer by" in text
    number = open_question(world).number
    assert f"Answer by `socialanalyzer rules answer {number} modify --by NAME --reason WHY [--max-spend USD] " in text
    assert text.endswith("Without an answer: at 2026-11-21 12:00 UTC it counts as a no, and nothing is done.")


async def test_a_dense_niche_is_told_with_where_its_drafted_search_is(world: World) -> None:
    key = world.create(filters={"keyword": "travel"}).key
    await through(world, key, Stage.DISCOVERED, *LEAD_STAGES)
    (event,) = [each for each in told(world) if each.kind is Kind.NICHE_CLUSTER]
    assert event.sentences(f"batch {key}")[0] == f"6 leads of batch {key} (100 % of those scored) share it."
    question = open_question(world)
    drafted = event.sentences(f"batch {key}")[1]
    assert drafted.startswith(
        f"A follow-up search is drafted. It has keyword Unknown. {question.cost} Answer by `{question.commands[0]}`, "
    )
    assert drafted.endswith(f"Without an answer: {question.without_answer}")
    (stored,) = message(event, Place(markup=Markup.PLAIN, batch_key=key)).text.splitlines()[1:2]
    assert stored == drafted, "no channel cuts it"


def open_question(world: World) -> RuleQuestion:
    with world.database.read() as connection:
        (question,) = open_questions(connection, KIND, 24)
    return question


def chosen(batch: Batch, policy: Any, rule: str, **changes: Any) -> Chosen:
    row = policy.document()["rules"]["table"][rule] | changes.pop("row", {})
    seen: Mapping[str, Any] = changes.pop("seen", {"part": 1, "whole": 9})
    choice = RuleChoice(
        name=rule,
        rule=Rule.model_validate(row),
        verdict=changes.pop("verdict", Verdict.ACT),
        looked=Looked(is_met=True, seen=seen, sentence="it is so"),
        sentence="it is so.",
        number=1,
    )
    made = Decision(
        dedup_key=f"rule:{rule}", at=batch.created_at, kind="rule", actor=f"{rule}@1", subject=batch.partition_key,
        action=changes.pop("action", "a"), reason="it is so.", batch_id=batch.batch_id, platform=batch.platform,
        stage="scored", **changes,
    )  # fmt: skip
    question = RuleQuestion(
        number=7, rule=rule, batch_key=batch.partition_key, proposal=Proposal.RETRY_FAILED, why="it is so.",
        expected_micros=10, worst_case_micros=20, changes=None, filters=None, asked_at=batch.created_at,
        expires_at=batch.created_at,
    )  # fmt: skip
    return Chosen(choice=choice, made=made, batch=batch, question=question if made.action == "ask" else None)


@pytest.mark.parametrize(
    ("rule", "changes", "kind"),
    [
        ("R-1", {}, None),
        ("R-2", {}, None),
        ("R-2", {"verdict": Verdict.ASK, "action": "ask"}, Kind.ESCALATION),
        ("R-2", {"verdict": Verdict.DONE}, None),
        ("R-4", {}, Kind.STALE_SEARCH),
        ("R-5", {}, Kind.DEVIATION),
        ("R-6", {}, None),
        ("R-7", {"action": "ask"}, Kind.ESCALATION),
        ("R-8", {"seen": {"vendor": "openai"}}, Kind.RULE_TOLD),
        ("R-1", {"row": {"then": {"kind": "notify"}}}, Kind.RULE_TOLD),
    ],
)
def test_every_deed_is_told_as_what_it_is(
    world: World, policy: Any, rule: str, changes: dict[str, Any], kind: Kind | None
) -> None:
    batch = find_batch(world.workplace, world.create(filters={"keyword": "travel"}).key)
    event = event_of(chosen(batch, policy, rule, **changes))
    assert (None if event is None else event.kind) == kind
    assert event is None or "it is so." in " ".join(event.sentences("batch K"))


def test_a_used_up_search_is_told_once_whether_its_rule_or_the_look_after_searches_saw_it(
    world: World, policy: Any
) -> None:
    batch = find_batch(world.workplace, world.create(filters={"keyword": "travel"}).key)
    event = event_of(chosen(batch, policy, "R-4", parameters={"suggestions": ["other keywords"]}))
    assert event is not None
    flag = Decision(
        dedup_key="stale:f:b", at=world.clock.now(), kind="staleness", actor="staleness@1", subject="Hikers",
        action="flag_used_up", reason="5% was new.", batch_id=batch.batch_id, platform=batch.platform,
    )  # fmt: skip
    with world.database.write() as connection:
        outbox.emit(connection, event, now=world.clock.now())
        decisions.record(connection, flag)
    (stale,) = told(world)
    assert stale.sentences("batch K") == ("it is so.", "Try: other keywords.")
