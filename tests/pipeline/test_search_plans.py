"""A day's searches are chosen from what is known, written down, and queued once each, whatever happens in between."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest
from batch_world import PLATFORM, World, book_policy
from sqlalchemy import select, update

from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline import search_plans
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.daily_reports import (
    cost_in_range,
    daily_report,
    judged_day,
    keep_report,
    target_met,
)
from socialanalyzer_dagster.pipeline.day_facts import PLAN, TOP_UP
from socialanalyzer_dagster.pipeline.presets import PresetForm, save_preset
from socialanalyzer_dagster.pipeline.saved_searches import look_after, search_healths
from socialanalyzer_dagster.pipeline.search_plans import PastDay, PlannedDay, look_ahead, plan_day
from socialanalyzer_dagster.pipeline.top_ups import TopUp, decide_top_ups, top_ups
from socialanalyzer_dagster.storage import decisions
from socialanalyzer_dagster.storage.daily_figures import DayOf
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.models_decisions import MetricSnapshotRow
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")


def a_world(database: Database, policy: Any, clock: Any, home: Any, **targets: Any) -> World:
    usual = {"scored_leads": {PLATFORM: dict.fromkeys(WEEKDAYS, 6)}, "least_results": 2, "most_results": 10}
    return World(database, book_policy(policy, targets=usual | targets), clock, home)


@pytest.fixture
def world(sqlite_database: Database, policy: Any, clock: Any, tmp_path: Any) -> World:
    return a_world(sqlite_database, policy, clock, tmp_path)


def today(world: World) -> DayOf:
    return DayOf(day=world.clock.now().date(), platform=PLATFORM)


def saved(world: World, *names: str) -> None:
    for name in names:
        form = PresetForm(platform=PLATFORM, name=name, filters={"keyword": name}, by="Mara")
        save_preset(world.workplace, form)


def logged(world: World, kind: str) -> list[decisions.StoredDecision]:
    with world.database.read() as connection:
        return list(decisions.of_kind(connection, kind, since=world.clock.now() - timedelta(days=40)))


async def completed(world: World, planned: PlannedDay, names: Mapping[str, list[str]]) -> None:
    """The planned batches run to their end, each finding its people."""
    for search, key in planned.batches.items():
        world.vendor.names = names[search]
        await world.run_at_once(key)
        with world.database.write() as connection:
            ended = {"status": "completed", "finished_at": world.clock.now()}
            of_key = LeadBatchRow.partition_key == key
            connection.execute(update(LeadBatchRow).where(of_key).values(**ended))


def people(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


async def test_choices_are_logged_before_they_become_batches_and_each_says_what_came_of_it(
    database: Database, policy: Any, clock: Any, tmp_path: Any
) -> None:
    world = a_world(database, policy, clock, tmp_path)
    saved(world, "Hikers", "Sailors")
    found = plan_day(world.workplace, today(world))
    assert found.kind == PLAN
    rows = logged(world, PLAN)
    assert [(row.subject, row.action, row.result) for row in rows] == [
        (name, "run_search", "queued") for name in found.batches
    ]
    for row in rows:
        batch = find_batch(world.workplace, found.batches[row.subject])
        assert batch.status == "queued"
        assert row.expected_micros is not None
        assert (row.result_detail or {}) == {"batch": batch.partition_key}


def test_planning_again_plans_nothing_that_is_on_its_way(world: World) -> None:
    saved(world, "Hikers")
    first = plan_day(world.workplace, today(world))
    assert len(first.batches) == 1
    again = plan_day(world.workplace, today(world))
    assert again.kind == TOP_UP
    assert not again.batches
    assert "searches for it already" in again.plan.passed_over[0][1] or "Nothing to plan" in again.plan.why


async def test_a_planned_batch_counts_as_what_it_was_planned_for_until_it_has_found_somebody(world: World) -> None:
    saved(world, "Hikers", "Sailors")
    for day in range(3):  # one search brings far more than the platform is thought to
        planned = plan_day(world.workplace, today(world))
        every = {name: people(f"{name}{day}", 10) for name in ("Hikers", "Sailors")}
        await completed(world, planned, every)
        world.clock.advance(days=1 if day < 2 else 3)
    planned = plan_day(world.workplace, today(world))
    assert planned.batches
    again = plan_day(world.workplace, today(world))
    assert again.plan.facts.expected == pytest.approx(planned.plan.expected, abs=0.1)
    assert not again.batches


def test_a_plan_that_was_cut_off_before_its_batches_is_carried_out_once_by_the_next_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(world, "Hikers")
    real = search_plans.create_batch

    def cut_off(*_: object) -> None:
        raise ConnectionError("the process is gone")

    monkeypatch.setattr(search_plans, "create_batch", cut_off)
    with pytest.raises(ConnectionError):
        plan_day(world.workplace, today(world))
    assert [row.result for row in logged(world, PLAN)] == [None]
    made: list[str] = []

    def cut_off_after(*arguments: Any) -> None:
        made.append(real(*arguments).key)
        raise ConnectionError("the process is gone")

    monkeypatch.setattr(search_plans, "create_batch", cut_off_after)
    with pytest.raises(ConnectionError):
        plan_day(world.workplace, today(world))
    monkeypatch.setattr(search_plans, "create_batch", real)
    ended = plan_day(world.workplace, today(world))
    assert ended.batches == {"Hikers": made[0]}
    assert [row.result for row in logged(world, PLAN)] == ["queued"]
    with world.database.read() as connection:
        assert len(connection.execute(select(LeadBatchRow.batch_id)).all()) == 1


def test_another_day_than_today_is_not_planned(world: World) -> None:
    saved(world, "Hikers")
    of = today(world)
    for day in (of.day - timedelta(days=1), of.day + timedelta(days=1)):
        with pytest.raises(PastDay, match="nothing is planned or bought for it"):
            plan_day(world.workplace, DayOf(day=day, platform=PLATFORM))
    assert not logged(world, PLAN)


def test_a_day_that_nothing_can_help_says_why_once(world: World) -> None:
    found = plan_day(world.workplace, today(world))
    assert "there is no saved search on this platform" in found.plan.why
    plan_day(world.workplace, today(world))
    rows = logged(world, PLAN)
    assert [(row.action, row.reason) for row in rows] == [("stop", found.plan.why)]


def test_a_plan_dearer_than_software_may_spend_alone_waits_for_a_person(
    sqlite_database: Database, policy: Any, clock: Any, tmp_path: Any
) -> None:
    world = World(
        sqlite_database,
        book_policy(
            policy,
            targets={"scored_leads": {PLATFORM: dict.fromkeys(WEEKDAYS, 900)}, "most_results": 1000},
            gates={"person_above_usd": 1},
            budgets={"confirm_from_usd": 1},
        ),
        clock,
        tmp_path,
    )
    saved(world, "Hikers")
    found = plan_day(world.workplace, today(world))
    assert find_batch(world.workplace, found.batches["Hikers"]).status == "awaiting_confirmation"


async def test_a_day_below_its_target_is_topped_up_and_says_when_it_is_met(world: World) -> None:
    saved(world, "Hikers", "Sailors")
    assert top_ups(world.workplace).reason == f"{PLATFORM}: not planned today."
    first = plan_day(world.workplace, today(world))
    await completed(world, first, {"Hikers": people("h", 3)})
    assert top_ups(world.workplace).due == (TopUp(of=today(world), number=1),)
    second = plan_day(world.workplace, today(world))
    assert (second.kind, list(second.batches)) == (TOP_UP, ["Sailors"])
    await completed(world, second, {"Sailors": people("s", 3)})
    met = top_ups(world.workplace)
    assert not met.due
    assert met.reason == f"{PLATFORM}: Nothing to plan: 6 leads of 6 scored, 0 more expected of open batches."


async def test_a_day_that_stays_short_says_once_why_no_more_is_bought(world: World) -> None:
    saved(world, "Hikers")
    await completed(world, plan_day(world.workplace, today(world)), {"Hikers": people("h", 2)})
    for _ in range(2):
        assert not top_ups(world.workplace).due
    stops = [row for row in logged(world, TOP_UP) if row.action == "stop"]
    assert [row.reason for row in stops] == [
        "2 leads of 6 scored, 0 more expected of open batches; nothing can be planned: it ran today."
    ]


async def test_a_used_up_search_is_passed_over_with_a_way_out(world: World) -> None:
    saved(world, "Hikers")
    for day in range(2):
        if day:
            world.clock.advance(days=3)
        found = plan_day(world.workplace, today(world))
        await completed(world, found, {"Hikers": people("h", 6)})
    world.clock.advance(days=1)
    later = look_ahead(world.workplace, today(world))
    assert not later.choices
    (candidate, why), *_ = later.passed_over
    assert candidate.novelty == 0
    assert candidate.left == 0
    assert why == "it is used up: 0% of its results were new 1 day ago"
    assert candidate.advice.startswith("About 0 leads that nobody has seen seem to be left in it.")
    assert "it is used up" in later.why


async def test_a_search_that_ran_today_does_not_run_again_before_tomorrow(world: World) -> None:
    saved(world, "Hikers")
    found = plan_day(world.workplace, today(world))
    await completed(world, found, {"Hikers": people("h", 2)})
    assert [why for _, why in look_ahead(world.workplace, today(world)).passed_over] == ["it ran today"]


async def test_a_day_is_reported_as_its_outcomes_and_ledger_stand(
    database: Database, policy: Any, clock: Any, tmp_path: Any
) -> None:
    world = a_world(database, policy, clock, tmp_path)
    saved(world, "Hikers")
    found = plan_day(world.workplace, today(world))
    await completed(world, found, {"Hikers": [*people("h", 4), "r1"]})
    for _ in range(2):
        report = keep_report(world.workplace, today(world))
    assert (report.target, report.found, report.new, report.scored) == (6, 5, 5, 4)
    assert report.passed[Stage.SCREENED] == 4
    assert report.tiers == {"auto_enroll": 4}
    assert report.completed["yield_rate"] == 0.8
    assert report.completed["batches"] == 1
    batch = find_batch(world.workplace, found.batches["Hikers"])
    assert report.spend_micros > 0
    assert report.cost_micros == round(report.spend_micros / 4)
    assert batch.platform == PLATFORM
    with world.database.read() as connection:
        kept = connection.execute(select(MetricSnapshotRow.figures)).scalars().all()
        assert kept == [report.as_json()]
        yesterday = DayOf(day=today(world).day - timedelta(days=1), platform=PLATFORM)
        assert daily_report(connection, yesterday, world.policy).found == 0
    assert judged_day(world.database, today(world), target_met)[1].sentence == "4 leads scored of 6 wanted."
    assert not judged_day(world.database, today(world), target_met)[1].passed
    assert "no baseline" in judged_day(world.database, today(world), cost_in_range)[1].sentence


async def test_a_day_on_which_leads_cost_far_more_than_usual_is_flagged(world: World) -> None:
    saved(world, "Hikers")
    found = plan_day(world.workplace, today(world))
    await completed(world, found, {"Hikers": people("h", 6)})
    usual = keep_report(world.workplace, today(world))
    world.clock.advance(days=3)
    assert judged_day(world.database, today(world), cost_in_range)[1].passed
    cheap = usual.as_json() | {"cost_per_scored_lead_micros": (usual.cost_micros or 0) // 10}
    earlier = [usual.of.day - timedelta(days=back) for back in range(1, 5)]
    with world.database.write() as connection:
        rows = [{"day": day, "platform": PLATFORM, "figures": cheap, "at": world.clock.now()} for day in earlier]
        connection.execute(MetricSnapshotRow.__table__.insert(), rows)
    judged = judged_day(world.database, usual.of, cost_in_range)[1]
    assert not judged.passed
    assert f"of all days on {PLATFORM} (median of 4 days" in judged.sentence
    assert judged.sentence.endswith("significant and bad.")


def test_platforms_without_a_plan_are_left_to_their_schedule() -> None:
    of = DayOf(day=date(2026, 11, 20), platform=PLATFORM)
    assert decide_top_ups({of: None}).reason == f"{PLATFORM}: not planned today."
    assert decide_top_ups({}).reason == "Every platform is topped up."


async def test_the_run_that_uses_a_search_up_flags_it_once_and_a_change_makes_it_new(world: World) -> None:
    saved(world, "Hikers", "Sailors")
    for days_later in (0, 3, 1):
        world.clock.advance(days=days_later)
        found = plan_day(world.workplace, today(world))
        await completed(world, found, {name: people(name[0].lower(), 6) for name in found.batches})
    first = look_after(world.workplace)
    assert first.newly_flagged == ("Hikers", "Sailors")
    assert look_after(world.workplace).newly_flagged == ()
    row, _ = sorted(logged(world, "staleness"), key=lambda each: each.subject)
    assert (row.subject, row.action) == ("Hikers", "flag_used_up")
    assert row.reason.startswith("0% of what it found on 2026-11-24 was new.")
    form = PresetForm(platform=PLATFORM, name="Hikers", filters={"keyword": "climbers"}, by="Mara")
    save_preset(world.workplace, form)
    assert {each.name: each.state for each in search_healths(world.workplace)}["Hikers"] == "never ran"
