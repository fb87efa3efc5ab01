"""What tables, the decision log and the pipeline tell is put into the outbox, each event once."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from batch_world import PLATFORM, World, book_policy
from sqlalchemy import insert, update

from socialanalyzer_dagster.domain.baselines import Baseline, Comparison, Figure, Good, Grade, Unit
from socialanalyzer_dagster.domain.baselines import Kind as FigureKind
from socialanalyzer_dagster.domain.breaker import BreakerPhase, BreakerState
from socialanalyzer_dagster.domain.notification_events import Kind
from socialanalyzer_dagster.domain.notifications import EVENTS
from socialanalyzer_dagster.domain.refusals import BudgetExceeded
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.batch_finish import Ending, finish_batch
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.cap_news import tell_held, tell_refused
from socialanalyzer_dagster.pipeline.daily_reports import keep_report
from socialanalyzer_dagster.pipeline.digests import daily_digest, weekly_report
from socialanalyzer_dagster.pipeline.launching import QueuedBatch, SharedCap, Stretch
from socialanalyzer_dagster.pipeline.message_view import message_rows
from socialanalyzer_dagster.pipeline.news import gather
from socialanalyzer_dagster.pipeline.regressions import regression_of
from socialanalyzer_dagster.pipeline.run_outcomes import FailedRun, run_failed
from socialanalyzer_dagster.storage import batches, decisions, outbox
from socialanalyzer_dagster.storage.breakers import StoredBreaker, store_breaker
from socialanalyzer_dagster.storage.daily_figures import DayOf
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.decisions import Decision
from socialanalyzer_dagster.storage.models_control import BudgetScopeRow
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow
from socialanalyzer_dagster.storage.outbox import OutboxQuestion

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")


@pytest.fixture
def world(sqlite_database: Database, policy: Any, clock: Any, tmp_path: Any) -> World:
    return a_world(sqlite_database, policy, clock, tmp_path)


def a_world(database: Database, policy: Any, clock: Any, home: Any) -> World:
    channels = {kind: ["ops"] for kind in policy.document()["notifications"]["channels"]}
    targets = {"scored_leads": {PLATFORM: dict.fromkeys(WEEKDAYS, 6)}}
    return World(database, book_policy(policy, notifications={"channels": channels}, targets=targets), clock, home)


def told(world: World) -> list[tuple[str, str]]:
    """Kind and title of every message, the oldest first."""
    rows = message_rows(world.database, OutboxQuestion(limit=100))
    return [(row["kind"], row["title"]) for row in reversed(rows)]


def sentences(world: World, kind: str) -> str:
    with world.database.read() as connection:
        (row,) = outbox.messages(connection, OutboxQuestion(limit=100, kind=kind))
    event = EVENTS[Kind(kind)].of_facts(row["facts"], row["batch_id"])
    return " ".join(event.sentences(f"batch {row['batch_key']}"))


def breaker(world: World, version: int, **state: Any) -> None:
    with world.database.write() as connection:
        read = StoredBreaker(version, BreakerState())
        store_breaker(connection, "openai", read, BreakerState(**state), world.clock.now().timestamp())


def test_a_vendor_that_goes_away_and_comes_back_is_told_once_each(
    database: Database, policy: Any, clock: Any, tmp_path: Any
) -> None:
    world = a_world(database, policy, clock, tmp_path)
    breaker(world, 0, phase=BreakerPhase.OPEN, trip=1, code="http_503", retry_at=1.0)
    assert [gather(world.workplace), gather(world.workplace)] == [1, 0]
    breaker(world, 1, phase=BreakerPhase.HALF_OPEN, trip=1, code="http_503")
    assert gather(world.workplace) == 0
    breaker(world, 2, trip=1)
    assert [gather(world.workplace), gather(world.workplace)] == [1, 0]
    breaker(world, 3, phase=BreakerPhase.OPEN, trip=2, code="http_401", needs_person=True)
    gather(world.workplace)
    assert told(world) == [
        ("breaker_opened", "openai is not called for now"),
        ("breaker_closed", "openai can be called again"),
        ("service_refused", "openai refuses its service"),
    ]


def test_a_vendor_that_was_never_away_is_not_told_to_be_back(world: World) -> None:
    breaker(world, 0, trip=3)
    assert gather(world.workplace) == 0


async def test_caps_and_lost_answers_of_a_batch_are_told_once(
    database: Database, policy: Any, clock: Any, tmp_path: Any
) -> None:
    world = a_world(database, policy, clock, tmp_path)
    key = world.create().key
    await world.run(key, Stage.DISCOVERED)
    batch = find_batch(world.workplace, key)
    now = world.clock.now()
    with database.write() as connection:
        scope = f"batch:{batch.batch_id}"
        connection.execute(
            update(BudgetScopeRow).where(BudgetScopeRow.scope == scope).values(warned_at=now, unknown_micros=5)
        )
        connection.exec_driver_sql("UPDATE provider_attempts SET state = 'unknown'")
        month = {"scope": "month:2026-10", "settled_micros": 8, "held_micros": 0, "unknown_micros": 1, "cap_micros": 10}
        connection.execute(insert(BudgetScopeRow).values(**month, warned_at=now - timedelta(days=3)))
    assert [gather(world.workplace), gather(world.workplace)] == [2, 0]
    assert told(world) == [
        ("cap_warned", f"The cap of batch {key} is nearly used up"),
        ("unknown_attempts", f"Answers of insightiq were lost (batch {key})"),
    ], "what a month ago reached its warning share is no news"
    assert f"socialanalyzer ledger reconcile {key}" in sentences(world, "unknown_attempts")


def test_a_cap_is_told_once_whether_it_refuses_calls_or_holds_batches(world: World) -> None:
    batch = find_batch(world.workplace, world.create().key)
    cap = SharedCap(scope="month:2026-11", cap_micros=5_000_000, used_micros=5_000_000)
    held = QueuedBatch(key=batch.partition_key, attempt=1, stretch=Stretch.TO_PLAN, needed_micros=1, caps=(cap,))
    for _ in range(2):
        tell_held(world.workplace, [held, held])
        tell_refused(world.workplace, batch, BudgetExceeded("month:2026-11", 5_000_000, 10))
        tell_refused(world.workplace, batch, BudgetExceeded(f"batch:{batch.batch_id}", 2_000_000, 10))
    assert told(world) == [
        ("cap_reached", "The month cap of 2026-11 of $5.00 is reached"),
        ("cap_reached", f"The cap of batch {batch.partition_key} of $2.00 is reached"),
    ]


def test_nobody_is_warned_of_a_cap_that_was_told_to_be_reached(world: World) -> None:
    batch = find_batch(world.workplace, world.create().key)
    tell_refused(world.workplace, batch, BudgetExceeded("day:2026-11-20", 10, 1))
    day = {"scope": "day:2026-11-20", "settled_micros": 9, "held_micros": 0, "unknown_micros": 1, "cap_micros": 10}
    with world.database.write() as connection:
        connection.execute(insert(BudgetScopeRow).values(**day, warned_at=world.clock.now()))
    assert gather(world.workplace) == 0
    with world.database.write() as connection:
        connection.execute(update(BudgetScopeRow).values(cap_micros=12))
    assert gather(world.workplace) == 1, "the cap was raised since"


def choice(world: World, **changes: Any) -> None:
    made: dict[str, Any] = {"dedup_key": str(changes), "at": world.clock.now(), "actor": "planner", "subject": "s"}
    with world.database.write() as connection:
        decisions.record(connection, Decision(**(made | {"platform": PLATFORM, "reason": "because."} | changes)))


def test_choices_that_people_should_know_of_are_told_and_the_others_are_not(world: World) -> None:
    day = world.clock.now().date()
    short = {"target": 6, "scored": 2}
    choice(world, kind="top_up", action="stop", day=day, condition=short, reason="Every search is used up.")
    choice(world, kind="search_plan", action="run_search", day=day, condition=short)
    choice(world, kind="staleness", action="flag_used_up", subject="Hikers", alternatives=["a broader geography"])
    choice(world, kind="staleness", action="flag_used_up", subject="Old", at=world.clock.now() - timedelta(days=3))
    choice(world, kind="another", action="stop")
    assert [gather(world.workplace), gather(world.workplace)] == [2, 0]
    assert told(world) == [
        ("stale_search", "The search 'Hikers' on testbook is used up"),
        ("plan_stopped", "The plan of 2026-11-20 stops short of its target on testbook"),
    ]
    assert sentences(world, "plan_stopped") == "2 leads scored of 6 wanted so far. Every search is used up."
    assert "Try: a broader geography." in sentences(world, "stale_search")


def test_a_choice_that_cannot_be_told_keeps_no_other_from_people(world: World, caplog: Any) -> None:
    day = world.clock.now().date()
    choice(world, kind="search_plan", action="stop", day=day)
    choice(world, kind="top_up", action="stop", day=day, condition={"target": 6, "scored": 2})
    assert gather(world.workplace) == 1
    assert "of kind search_plan cannot be told" in caplog.text


def started(world: World, **values: Any) -> str:
    key = world.create().key
    with world.database.write() as connection:
        connection.execute(update(LeadBatchRow).where(LeadBatchRow.partition_key == key).values(**values))
    return key


def test_a_run_that_fails_and_one_that_crashes_are_told_with_what_becomes_of_the_batch(world: World) -> None:
    failed = started(world, status="enriching", run_id="r1")
    run_failed(world.workplace, failed, FailedRun(run_id="r1", failed_steps=("enriched_leads",)))
    crashed = started(world, status="enriching", run_id="r2")
    run_failed(world.workplace, crashed, FailedRun(run_id="r2"))
    assert told(world) == [
        ("run_failed", f"The run of batch {failed} failed"),
        ("batch_stuck", f"The run of batch {crashed} crashed"),
    ]
    assert "its run failed at enriched_leads" in sentences(world, "run_failed")


async def test_the_end_of_a_batch_is_told_with_its_summary_in_the_same_transaction(world: World) -> None:
    key = world.create().key
    await world.run_at_once(key)
    batch = find_batch(world.workplace, key)
    finish_batch(world.workplace, batch, Ending(status=BatchStatus.STOPPED, cause="enough", now=world.clock.now()))
    with world.database.read() as connection:
        summary = batches.batch_by_key(connection, key)
    assert [kind for kind, _ in told(world)] == ["batch_stopped"]
    found = sentences(world, "batch_stopped")
    assert summary is not None
    assert summary.summary is not None
    assert all(each in summary.summary for each in found.split(". ")[:2])
    assert not any(name.title() in found for name in world.vendor.names), "no creator is named"


def test_a_batch_that_waits_for_its_estimate_to_be_accepted_is_told(world: World) -> None:
    key = world.create(max_results=4000, stop_at_cap=True).key
    assert find_batch(world.workplace, key).status == BatchStatus.AWAITING_CONFIRMATION
    assert told(world) == [("confirmation_needed", f"The estimate of batch {key} waits for confirmation")]


def test_a_day_that_is_over_and_short_of_its_target_is_told_once(world: World) -> None:
    today = DayOf(day=world.clock.now().date(), platform=PLATFORM)
    keep_report(world.workplace, today)
    assert told(world) == [], "the day is not over"
    world.clock.advance(days=1)
    keep_report(world.workplace, today)
    keep_report(world.workplace, today)
    assert told(world) == [("target_missed", "2026-11-20 missed its target on testbook")]
    assert "0 leads scored of 6 wanted, for $0.00." in sentences(world, "target_missed")


def test_only_figures_that_are_worse_than_usual_are_a_regression(world: World) -> None:
    batch = find_batch(world.workplace, world.create().key)
    figure = Figure(name="yield", kind=FigureKind.SHARE, unit=Unit.PERCENT, good=Good.UP, value=0.2, leads=100)
    base = Baseline(of="preset Hikers", middle=0.5, deviation=0.05, batches=9, is_young=False)
    usual = Comparison(figure=figure, grade=Grade.USUAL, baseline=base, change=-0.1)
    better = replace(usual, grade=Grade.SIGNIFICANT, change=0.6)
    assert regression_of(batch, Stage.SCREENED, [usual, better]) is None
    worse = replace(usual, grade=Grade.SIGNIFICANT, change=-0.6, chance=0.00001)
    event = regression_of(batch, Stage.SCREENED, [usual, better, worse])
    assert event is not None
    title = f"Batch {batch.partition_key} is far worse than usual at screened"
    assert (event.title(f"batch {batch.partition_key}"), len(event.told)) == (title, 1)


def test_a_day_and_a_week_are_told_once_and_read_as_figures(world: World) -> None:
    assert daily_digest(world.workplace).splitlines()[0] == "Daily digest of 2026-11-20"
    daily_digest(world.workplace)
    assert weekly_report(world.workplace).splitlines()[0] == "Weekly report, 2026-11-13 to 2026-11-20"
    assert [kind for kind, _ in told(world)] == ["daily_digest", "weekly_report"]
