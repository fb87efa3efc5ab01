"""People are told of a question with its numbers, reminded of it, and told its end; each once (15.2, 15.4, 16)."""

from typing import Any

from batch_world import World, book_policy
from crm_world import CrmWorld

from socialanalyzer_dagster.domain.notification_events import Kind
from socialanalyzer_dagster.domain.notifications import EVENTS
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.gate_watch import attend_gates
from socialanalyzer_dagster.pipeline.news import gather
from socialanalyzer_dagster.storage import outbox
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.outbox import OutboxQuestion


def told(world: World) -> list[tuple[str, str]]:
    """Kind and text of every message of one channel about a question, the oldest first."""
    gather(world.workplace)
    with world.database.read() as connection:
        rows = outbox.messages(connection, OutboxQuestion(limit=100, channel="badge"))
    events = [(EVENTS[Kind(row["kind"])].of_facts(row["facts"], row["batch_id"]), row["batch_key"]) for row in rows]
    found = [
        (event.kind.value, [event.title(f"batch {key}"), *event.sentences(f"batch {key}")]) for event, key in events
    ]
    return [(kind, "\n".join(lines)) for kind, lines in reversed(found) if not kind.startswith("batch_")]


def gated(database: Database, policy: Any, clock: Any, home: Any, **gates: Any) -> World:
    return World(database, book_policy(policy, gates=gates), clock, home)


async def test_a_question_before_a_stage_is_told_reminded_of_and_its_end_said(
    database: Database, policy: Any, clock: Any, tmp_path: Any
) -> None:
    world = gated(database, policy, clock, tmp_path, requires_approval={"synced": True, "enriched": True})
    key = world.create().key
    await world.run(key)
    for hours in (24, 48):
        clock.advance(hours=hours)
        attend_gates(world.workplace)
        attend_gates(world.workplace)
    (asked, question), (reminded, again), (expired, end) = told(world)
    assert (asked, reminded, expired) == ("approval_needed", "approval_reminder", "approval_expired")
    assert question.startswith(f"Batch {key} waits for approval\nBatch {key} waits for a person to say whether 6 leads")
    assert " spent so far, about $" in question
    assert f"`socialanalyzer batch approve {key} --by NAME`" in question
    assert "Undecided at 23 November 2026, 12:00 UTC it counts as a no: the batch ends" in question
    assert again.startswith(f"Batch {key} still waits for approval\n")
    assert "No answer is a no: the batch ends and its leads can be queued again later." in end


async def test_a_plan_that_waits_is_told_with_its_rows_and_so_is_the_reminder_and_its_end(world: CrmWorld) -> None:
    key = await world.scored("p1")
    await world.plan(key)
    for hours in (25, 50):
        world.clock.advance(hours=hours)
        attend_gates(world.workplace)
    (asked, question), (reminded, again), (expired, _) = told(world)
    assert (asked, reminded, expired) == ("approval_needed", "approval_reminder", "approval_expired")
    assert question.startswith(f"The CRM plan of batch {key} waits for approval\n")
    for text in (question, again):
        assert "The CRM plan: 1 create." in text
        assert f"`socialanalyzer batch plan {key}`" in text
    assert "nothing is written" in question


async def test_what_only_an_escalation_policy_asks_is_told_with_its_costs_and_alternatives(
    sqlite_database: Database, policy: Any, clock: Any, tmp_path: Any
) -> None:
    world = gated(sqlite_database, policy, clock, tmp_path, requires_approval={"synced": True}, person_above_usd="0.2")
    key = world.create().key
    await world.run(key)
    assert find_batch(world.workplace, key).status == "awaiting_approval"
    ((kind, text),) = [each for each in told(world) if each[0] != "confirmation_needed"]
    assert kind == "escalation"
    assert text.startswith("A decision is needed: whether ")
    whole = (
        "Why: the batch will probably cost more than $0.20", "Expected cost: $", "At worst: $",
        "Instead: fewer leads", "Without an answer: at 21 November 2026", "batch approve",
    )  # fmt: skip
    assert [part for part in whole if part not in text] == []


async def test_nobody_is_reminded_of_a_question_before_its_time(
    sqlite_database: Database, policy: Any, clock: Any, tmp_path: Any
) -> None:
    world = gated(sqlite_database, policy, clock, tmp_path, requires_approval={"enriched": True})
    await world.run(world.create().key)
    clock.advance(hours=23)
    attend_gates(world.workplace)
    assert [kind for kind, _ in told(world)] == ["approval_needed"]
