"""Saved searches with a schedule of their own are queued once when they are due, or passed over with the reason."""

from typing import Any

import pytest
from batch_world import PLATFORM, World, book_policy
from sqlalchemy import select, update

from socialanalyzer_dagster.domain.filters import FilterProblems
from socialanalyzer_dagster.pipeline import day_facts, recurring_searches, search_plans
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.preset_schedules import (
    clear_schedule,
    outcome_text,
    scheduled_searches,
    schedules_markdown,
    set_schedule,
)
from socialanalyzer_dagster.pipeline.presets import NoSuchPreset, PresetForm, delete_preset, list_presets, save_preset
from socialanalyzer_dagster.pipeline.recurring_searches import look_for_due, run_due
from socialanalyzer_dagster.pipeline.search_plans import look_ahead, plan_day
from socialanalyzer_dagster.storage.daily_figures import DayOf
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.models_leads import FilterHistoryRow, LeadBatchRow, PresetRow, PresetScheduleRow

DAILY = "0 13 * * *"
"""An hour after the world begins, at 12:00 UTC on a Friday."""


def a_world(database: Database, policy: Any, clock: Any, home: Any, **sections: Any) -> World:
    targets = {"scored_leads": {PLATFORM: {"friday": 6, "saturday": 6}}, "least_results": 2, "most_results": 10}
    return World(database, book_policy(policy, targets=targets, **sections), clock, home)


@pytest.fixture
def world(sqlite_database: Database, policy: Any, clock: Any, tmp_path: Any) -> World:
    return a_world(sqlite_database, policy, clock, tmp_path)


def saved(world: World, name: str, cron: str | None = None) -> None:
    form = PresetForm(platform=PLATFORM, name=name, filters={"keyword": name.lower()}, by="Mara")
    save_preset(world.workplace, form)
    if cron is not None:
        set_schedule(world.workplace, PLATFORM, name, cron=cron, by="Mara")


def acted(world: World) -> list[tuple[str, str, str | None]]:
    return [(each.subject, each.action, each.result) for each in run_due(world.workplace)]


def batches(world: World) -> list[str]:
    with world.database.read() as connection:
        return list(connection.execute(select(LeadBatchRow.partition_key).order_by(LeadBatchRow.created_at)).scalars())


def end_batches(world: World) -> None:
    with world.database.write() as connection:
        connection.execute(update(LeadBatchRow).values(status="completed", finished_at=world.clock.now()))


def test_a_search_is_queued_when_it_is_due_and_once(database: Database, policy: Any, clock: Any, tmp_path: Any) -> None:
    world = a_world(database, policy, clock, tmp_path)
    saved(world, "Hikers", DAILY)
    assert acted(world) == []
    look = look_for_due(world.database, world.clock.now())
    assert (look.is_due, look.reason) == (False, "No saved search is due before 2026-11-20 13:00 UTC.")
    world.clock.advance(hours=1, minutes=10)
    assert look_for_due(world.database, world.clock.now()).is_due
    (choice,) = run_due(world.workplace)
    assert choice.reason.startswith("due at 2026-11-20 13:00 UTC (0 13 * * *), for about $")
    (key,) = batches(world)
    assert (choice.result, outcome_text(choice)) == ("queued", f"queued as {key}")
    made = find_batch(world.workplace, key)
    assert (made.status, made.day, made.idempotency_key) == ("queued", world.clock.now().date(), choice.dedup_key)
    assert acted(world) == []
    assert not look_for_due(world.database, world.clock.now()).is_due


def test_of_two_that_read_the_same_schedule_one_acts(world: World) -> None:
    saved(world, "Hikers", DAILY)
    world.clock.advance(hours=2)
    (loaded,) = list_presets(world.workplace)
    due = world.clock.now().replace(hour=13)
    made = [recurring_searches._chosen(world.workplace, loaded, world.policy, due) for _ in range(2)]
    assert [each is not None for each in made] == [True, False]
    assert acted(world) == [("Hikers", "run_search", "queued")], "the one that lost finds the choice, not a new one"
    assert len(batches(world)) == 1


def test_a_choice_that_was_cut_off_is_carried_out_once_while_it_is_young(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(world, "Hikers", DAILY)
    world.clock.advance(hours=2)
    real = search_plans.create_batch

    def cut_off(*_: object) -> None:
        raise ConnectionError("the process is gone")

    monkeypatch.setattr(search_plans, "create_batch", cut_off)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            run_due(world.workplace)
    assert look_for_due(world.database, world.clock.now()).is_due
    world.clock.advance(hours=22)
    monkeypatch.setattr(search_plans, "create_batch", real)
    assert acted(world) == [("Hikers", "run_search", "queued")]
    monkeypatch.setattr(search_plans, "create_batch", cut_off)
    end_batches(world)
    world.clock.advance(days=1)
    with pytest.raises(ConnectionError):
        run_due(world.workplace)
    monkeypatch.setattr(search_plans, "create_batch", real)
    world.clock.advance(days=1, minutes=-90)
    assert acted(world) == [("Hikers", "run_search", "missed"), ("Hikers", "run_search", "queued")]
    assert len(batches(world)) == 2, "Friday's and Sunday's, not Saturday's"


def test_a_missed_stretch_is_queued_once_and_what_was_due_long_ago_is_not_bought(world: World) -> None:
    saved(world, "Daily", DAILY)
    saved(world, "Weekly", "0 13 * * fri")
    world.clock.advance(days=4)
    found = run_due(world.workplace)
    assert [(each.subject, each.action, each.result) for each in found] == [
        ("Daily", "run_search", "queued"),
        ("Weekly", "skip_search", "skipped"),
    ]
    assert found[0].reason.startswith("due at 2026-11-23 13:00 UTC")
    assert found[1].reason == (
        "due at 2026-11-20 13:00 UTC (0 13 * * fri); what was missed more than 24 hours ago is not made up for "
        "(recurring.catch_up_hours)"
    )
    assert [key.split(".")[0] for key in batches(world)] == ["2026-11-24"], "nothing is bought for a past day"
    assert acted(world) == []


def skipped_because(world: World) -> str:
    (found,) = run_due(world.workplace)
    assert (found.action, found.result) == ("skip_search", "skipped")
    return found.reason


def test_a_search_that_runs_still_or_ran_today_or_is_used_up_or_not_valid_is_passed_over(world: World) -> None:
    saved(world, "Hikers", DAILY)
    key = world.create(preset="hikers").key
    world.clock.advance(hours=2)
    assert skipped_because(world) == f"batch {key} searches for it already (queued)"
    end_batches(world)
    made = find_batch(world.workplace, key)
    world.clock.advance(days=1)
    with world.database.write() as connection:
        connection.execute(update(LeadBatchRow).values(day=world.clock.now().date()))
    assert skipped_because(world) == "it ran today"
    with world.database.write() as connection:
        ran = {"fingerprint": made.search_fingerprint, "batch_id": made.batch_id, "ran_at": world.clock.now()}
        counts = {"total_found": 10, "new_found": 1, "novelty_rate": "0.100", "partial": False}
        connection.execute(FilterHistoryRow.__table__.insert().values(**ran, **counts))
    world.clock.advance(days=1)
    assert skipped_because(world) == "it is used up: 10% of its results were new 1 day ago"
    with world.database.write() as connection:
        connection.execute(update(PresetRow).values(filters={"dropped": 1}))
    world.clock.advance(days=1)
    assert skipped_because(world).startswith("its filters are not valid any more: dropped")
    assert len(batches(world)) == 1


def test_a_search_dearer_than_the_caps_leave_is_passed_over(
    sqlite_database: Database, policy: Any, clock: Any, tmp_path: Any
) -> None:
    world = a_world(sqlite_database, policy, clock, tmp_path, budgets={"day_usd": "0.05"})
    saved(world, "Hikers", DAILY)
    world.clock.advance(hours=2)
    assert skipped_because(world).startswith("the day cap of $0.05 leaves $0.05, and it will probably cost $")
    assert batches(world) == []


def test_a_search_whose_vendor_cannot_be_called_is_passed_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_facts, "_away", lambda *_: ("insightiq",))
    saved(world, "Hikers", DAILY)
    world.clock.advance(hours=2)
    assert skipped_because(world) == "not now: insightiq cannot be called"


def test_the_daily_plan_leaves_it_alone_and_counts_what_it_brings(world: World) -> None:
    saved(world, "Hikers", DAILY)
    today = DayOf(day=world.clock.now().date(), platform=PLATFORM)
    assert [why for _, why in look_ahead(world.workplace, today).passed_over] == [
        "it runs by a schedule of its own (0 13 * * *)"
    ]
    world.clock.advance(hours=2)
    run_due(world.workplace)
    assert plan_day(world.workplace, today).batches == {}
    assert plan_day(world.workplace, today).plan.facts.expected > 0
    assert len(batches(world)) == 1
    assert clear_schedule(world.workplace, PLATFORM, "hikers", by="Mara")
    assert not clear_schedule(world.workplace, PLATFORM, "hikers", by="Mara")
    (_, why), *_ = look_ahead(world.workplace, today).passed_over
    assert "searches for it already" in why, "and not twice on this day either"


def test_the_policys_time_zone_is_the_clock(sqlite_database: Database, policy: Any, clock: Any, tmp_path: Any) -> None:
    zone = {"time_zone": "America/New_York", "scored_leads": {}}
    world = World(sqlite_database, book_policy(policy, targets=zone), clock, tmp_path)
    saved(world, "Hikers", "0 9 * * fri")
    (shown,) = scheduled_searches(world.workplace, list_presets(world.workplace))
    assert r"| 0 9 \* \* fri | Fri 2026-11-20 09:00 America/New_York |  |  |  |" in schedules_markdown([shown])
    world.clock.advance(hours=1)
    assert acted(world) == []
    world.clock.advance(hours=1)
    (choice,) = run_due(world.workplace)
    assert choice.reason.startswith("due at 2026-11-20 09:00 America/New_York (0 9 * * fri), for about $")
    assert choice.parameters["due"] == "2026-11-20T14:00:00+00:00"


def test_a_schedule_outlives_new_filters_and_names_and_goes_with_its_search(world: World) -> None:
    saved(world, "Hikers", DAILY)
    form = PresetForm(platform=PLATFORM, name="Hikers", new_name="Climbers", filters={"keyword": "rock"}, by="Mara")
    save_preset(world.workplace, form)
    assert [(each.preset.name, each.cron) for each in list_presets(world.workplace)] == [("Climbers", DAILY)]
    world.clock.advance(hours=2)
    set_schedule(world.workplace, PLATFORM, "climbers", cron="30 13 * * *", by="Mara")
    assert acted(world) == [], "what lies before it was set is not due"
    for name, cron, refusal in (("Climbers", "0 9 * *", FilterProblems), ("Nobody", DAILY, NoSuchPreset)):
        with pytest.raises(refusal):
            set_schedule(world.workplace, PLATFORM, name, cron=cron, by="Mara")
    delete_preset(world.workplace, PLATFORM, "Climbers")
    with world.database.read() as connection:
        assert connection.execute(select(PresetScheduleRow.preset_id)).all() == []
    assert look_for_due(world.database, world.clock.now()).reason.startswith("No saved search has a schedule")
