"""Automatic choices are written once, before they act, and their result once (spec 15.3)."""

from datetime import date, timedelta

from gate_world import NOW

from socialanalyzer_dagster.storage import decisions
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.decisions import Decision, DecisionResult


def choice(key: str, **changes: object) -> Decision:
    facts: dict[str, object] = {
        "dedup_key": key, "at": NOW, "kind": "search_plan", "actor": "planner@1.2.0", "platform": "testbook",
        "day": date(2026, 11, 20), "subject": "walkers", "action": "batch", "reason": "It brings most leads per dollar",
        "condition": {"novelty": 0.8}, "alternatives": ["runners"], "parameters": {"max_leads": 40},
        "expected_micros": 900,
    }  # fmt: skip
    return Decision(**(facts | changes))  # type: ignore[arg-type]


def test_the_same_choice_is_made_once(database: Database) -> None:
    with database.write() as connection:
        assert decisions.record(connection, choice("a"))
        assert not decisions.record(connection, choice("a", reason="again"))
        stored = decisions.decision(connection, "a")
    assert stored is not None
    assert (stored.reason, stored.condition, stored.alternatives) == (
        "It brings most leads per dollar", {"novelty": 0.8}, ["runners"],
    )  # fmt: skip


def test_what_became_of_a_choice_is_said_once(database: Database) -> None:
    ended = DecisionResult(result="done", at=NOW, actual_micros=700, detail={"leads": 31})
    with database.write() as connection:
        decisions.record(connection, choice("a"))
        assert decisions.finish(connection, "a", ended)
        assert not decisions.finish(connection, "a", DecisionResult(result="failed", at=NOW))
        stored = decisions.decision(connection, "a")
    assert stored is not None
    assert (stored.result, stored.actual_micros, stored.result_detail) == ("done", 700, {"leads": 31})


def test_choices_are_found_by_kind_lineage_and_time_in_the_order_they_were_made(database: Database) -> None:
    later = NOW + timedelta(hours=1)
    with database.write() as connection:
        for key, changes in {
            "old": {"at": NOW - timedelta(days=1)},
            "one": {"lineage": "root"},
            "two": {"lineage": "root", "at": later},
            "other": {"platform": "otherbook"},
            "rule": {"kind": "rule"},
        }.items():
            decisions.record(connection, choice(key, **changes))
        of_day = decisions.of_kind(connection, "search_plan", since=NOW)
        of_platform = decisions.of_kind(connection, "search_plan", since=NOW, platform="testbook")
        of_root = decisions.of_lineage(connection, "root")
    assert [each.dedup_key for each in of_day] == ["one", "two", "other"]
    assert [each.dedup_key for each in of_platform] == ["one", "two"]
    assert [each.dedup_key for each in of_root] == ["one", "two"]
