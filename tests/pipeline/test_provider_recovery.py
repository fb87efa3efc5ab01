"""Leads wait for a vendor that is away, are skipped, and are done when it is back (spec 2.3, 3.4, 13.2)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from batch_world import FETCH_MICROS, World, book_policy
from sqlalchemy import select

from socialanalyzer_dagster.definitions import build_definitions
from socialanalyzer_dagster.domain.breaker import BreakerPhase, BreakerState
from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.domain.types import BatchKey, PlatformKey, Stage
from socialanalyzer_dagster.pipeline.batch_actions import Deed, find_batch, retry, set_cap
from socialanalyzer_dagster.pipeline.batch_view import batch_view
from socialanalyzer_dagster.pipeline.provider_recovery import WaitingBatch, decide_recovery, recover_batches
from socialanalyzer_dagster.sensors.provider_recovery import provider_recovery_sensor
from socialanalyzer_dagster.storage.breakers import change_breaker, load_breakers
from socialanalyzer_dagster.storage.database import Database, shared_seconds
from socialanalyzer_dagster.storage.models_results import ContactCandidateRow

DOWN = VendorError("insightiq", ErrorClass.TRANSIENT, "http_503", status=503, sent=False)
LATER = timedelta(days=10_000)
"""The clock of a batch stands still in tests, that of breakers does not."""


@pytest.fixture
def world(sqlite_database: Database, policy: Any, clock: Any, tmp_path: Any) -> World:
    return world_with(sqlite_database, policy, clock, tmp_path)


def world_with(database: Database, policy: Any, clock: Any, home: Any, **rule: Any) -> World:
    """A vendor with a breaker of little patience; leads are analyzed one by one, in the order they were found in."""
    rules = {"failures_in_a_row": 3, "reset_seconds": "0.05", "on_open": "skip"}
    waits = {"wait_in": ["discovered", "screened", "enriched", "analyzed", "scored"]}
    document = policy.document()
    services = document["breakers"]["services"] | {"insightiq": rules | waits | rule}
    in_turn = {"leads_in_work": document["limits"]["leads_in_work"] | {"analyzed": 1}}
    return World(database, book_policy(policy, breakers={"services": services}, limits=in_turn), clock, home)


def go_away(world: World, stage: Stage, *names: str) -> None:
    world.vendor.errors = {f"{stage}:{name}": DOWN for name in names or world.vendor.names}


def is_back(world: World) -> None:
    world.vendor.errors = {}


def has_just_gone(world: World) -> None:
    """The vendor may be tried at once, and is waited for: however long a slow machine took to come here."""
    with world.database.write() as connection:
        now = shared_seconds(connection)
        change_breaker(connection, "insightiq", lambda state, _: replace(state, down_since=now, retry_at=now), now)


def reopened(world: World) -> list[str]:
    """What the sensor does once the vendor's time has come."""
    with world.database.write() as connection:
        change_breaker(connection, "insightiq", lambda state, now: replace(state, retry_at=now), 0.0)
    world.clock.at += LATER
    return recover_batches(world.workplace)


async def test_leads_of_a_vendor_that_stays_away_are_skipped_and_exactly_those_are_done_when_it_is_back(world: World):
    key = world.create().key
    await world.run(key, Stage.DISCOVERED)
    go_away(world, Stage.SCREENED)
    report = (await world.run(key, Stage.SCREENED))[Stage.SCREENED]
    assert world.codes(Stage.SCREENED) == {"provider_unavailable": 6}
    batch = find_batch(world.workplace, key)
    assert (batch.status, batch.waits_for) == ("completed", "insightiq")
    assert "6 leads could not be screened, because insightiq does not answer properly (http_503)" in (batch.cause or "")
    assert report.counters.failed == 0, "no lead fails because a breaker is open"
    assert "a provider could not be used" in batch_view(world.workplace, key)["summary"]

    assert recover_batches(world.workplace) == ["Waiting for insightiq: 1 batch."]
    is_back(world)
    assert reopened(world) == [f"insightiq can be called again: batch {key} is queued."]
    assert recover_batches(world.workplace) == ["No batch waits for a vendor that was away."]
    before = world.vendor.asked.copy()
    await world.run(key)
    assert world.codes(Stage.SCORED) == {"passed": 6}
    assert (world.vendor.asked - before)["search"] == 0
    assert find_batch(world.workplace, key).waits_for is None


async def test_leads_that_passed_go_on_while_the_others_wait(sqlite_database, policy, clock, tmp_path):
    world = world_with(sqlite_database, policy, clock, tmp_path, failures_in_a_row=1)
    key = world.create().key
    await world.run(key, Stage.DISCOVERED, Stage.SCREENED, Stage.ENRICHED)
    go_away(world, Stage.ANALYZED, "p4", "p5", "p6")
    await world.run(key, Stage.ANALYZED)
    has_just_gone(world)
    reports = await world.run(key, Stage.SCORED)
    assert world.codes(Stage.ANALYZED) == {"passed": 3, "provider_unavailable": 3}
    assert world.codes(Stage.SCORED) == {"passed": 3}
    assert reports[Stage.SCORED].halt is None
    is_back(world)
    scored = {place: row for place, row in world.outcomes().items() if place[0] == "scored"}
    assert len(reopened(world)) == 1
    await world.run(key)
    assert world.codes(Stage.SCORED) == {"passed": 6}
    assert scored.items() <= world.outcomes().items()


async def test_a_policy_that_pauses_leaves_leads_pending_and_goes_on_by_itself(
    sqlite_database, policy, clock, tmp_path
):
    world = world_with(sqlite_database, policy, clock, tmp_path, on_open="pause")
    key = world.create().key
    await world.run(key, Stage.DISCOVERED)
    go_away(world, Stage.SCREENED)
    report = (await world.run(key, Stage.SCREENED))[Stage.SCREENED]
    assert (report.status, report.counters.pending) == ("paused", 6)
    assert "the batch goes on by itself when it is back, not before" in (report.halt or "")
    is_back(world)
    assert len(reopened(world)) == 1
    await world.run(key)
    assert world.codes(Stage.SCORED) == {"passed": 6}


async def test_a_search_of_a_vendor_that_is_away_pauses_the_batch(world: World):
    key = world.create().key
    with world.database.write() as connection:
        away = BreakerState(phase=BreakerPhase.OPEN, trip=1, down_since=0.0, retry_at=4e9, code="http_503")
        change_breaker(connection, "insightiq", lambda _state, _now: away, 0.0)
    report = (await world.run(key, Stage.DISCOVERED))[Stage.DISCOVERED]
    assert (report.status, world.vendor.sent) == ("paused", 0)
    assert find_batch(world.workplace, key).waits_for == "insightiq"
    assert len(reopened(world)) == 1
    await world.run(key)
    assert world.codes(Stage.SCORED) == {"passed": 6}


async def test_a_refused_key_in_the_middle_of_a_batch_pauses_it_with_the_cause_until_a_person_acts(world: World):
    key = world.create().key
    await world.run(key, Stage.DISCOVERED)
    refused = VendorError("insightiq", ErrorClass.PERMANENT_SERVICE, "invalid_credentials", status=401)
    world.vendor.errors = {"screened:p4": refused}
    report = (await world.run(key, Stage.SCREENED))[Stage.SCREENED]
    assert report.status == "paused"
    assert "insightiq cannot be used now: invalid_credentials" in (report.halt or "")
    assert report.counters.pending > 0
    is_back(world)
    world.clock.at += LATER
    assert recover_batches(world.workplace) == ["No batch waits for a vendor that was away."]
    with world.database.read() as connection:
        assert load_breakers(connection)["insightiq"].state.needs_person
    retry(world.workplace, key, Deed(by="Mara"))
    await world.run(key)
    assert world.codes(Stage.SCORED) == {"passed": 6}


async def test_an_unfinished_look_for_contacts_ends_the_way_only_of_leads_without_an_address(
    database, policy, clock, tmp_path
):
    world = world_with(database, policy, clock, tmp_path)
    world.vendor.emails = {"p1": "p1@example.org", "p2": "p2@example.org"}
    key = world.create().key
    await world.run(key, Stage.DISCOVERED, Stage.SCREENED)
    with world.database.read() as connection:
        assert len(connection.execute(select(ContactCandidateRow.id)).all()) == 2
    go_away(world, Stage.ENRICHED, "+".join(world.vendor.names))
    await world.run(key, Stage.ENRICHED)
    is_back(world)
    has_just_gone(world)
    await world.run(key, Stage.ANALYZED)
    assert world.codes(Stage.ENRICHED) == {"provider_unavailable": 6}
    assert world.codes(Stage.ANALYZED) == {"passed": 2}
    assert len(reopened(world)) == 1
    await world.run(key)
    assert world.codes(Stage.SCORED) == {"passed": 6}


@pytest.mark.parametrize("away", [{"p1", "p2"}, {"p1", "p2", "p3", "p4", "p5", "p6"}])
async def test_leads_for_whom_nobody_could_look_wait_for_that_vendor_and_none_fails(
    sqlite_database, policy, clock, tmp_path, away: set[str]
):
    world = world_with(sqlite_database, policy, clock, tmp_path)
    world.vendor.unseen = away
    key = world.create().key
    reports = await world.run(key)
    assert reports[Stage.ENRICHED].counters.failed == 0
    assert world.codes(Stage.ENRICHED)["provider_unavailable"] == len(away)
    assert world.codes(Stage.SCORED)["passed"] == 6 - len(away)
    batch = find_batch(world.workplace, key)
    assert (batch.waits_for, batch.status) == ("insightiq", "completed" if len(away) == 6 else "scoring")
    assert f"{len(away)} leads could not be enriched, because insightiq was away" in (batch.cause or "")
    before = world.vendor.asked.copy()
    world.vendor.unseen = set()
    if batch.is_terminal:
        assert len(reopened(world)) == 1
    await world.run(key)
    assert world.codes(Stage.SCORED) == {"passed": 6}
    assert find_batch(world.workplace, key).waits_for is None
    done = {name.partition(":")[2] for name in world.vendor.asked - before if name.startswith("scored:")}
    assert done == away


async def test_a_cap_reached_later_in_the_stage_does_not_hide_that_leads_wait_for_a_vendor(
    sqlite_database, policy, clock, tmp_path
):
    in_pairs = policy.enrichment.model_copy(update={"chunk_size": 2})
    one_pair = policy.limits.model_copy(
        update={"leads_in_work": {**policy.limits.leads_in_work, Stage.ENRICHED: 2}}
    )  # of pairs at work together any may come to the money first
    changed = policy.model_copy(update={"enrichment": in_pairs, "limits": one_pair})
    world = world_with(sqlite_database, changed, clock, tmp_path)
    world.vendor.unseen = {"p1", "p2"}
    key = world.create().key
    await world.run(key, Stage.DISCOVERED, Stage.SCREENED)
    spent = batch_view(world.workplace, key)["spend_micros"]
    set_cap(world.workplace, key, Deed(by="Mara"), cap_micros=spent + FETCH_MICROS)
    await world.run(key, Stage.ENRICHED)
    assert world.codes(Stage.ENRICHED) == {"provider_unavailable": 2, "budget_stopped": 4}
    batch = find_batch(world.workplace, key)
    assert (batch.capped, batch.waits_for) == (True, "insightiq")
    assert "cap" in (batch.cause or "")


def waiting(vendor: str, until: datetime | None = None) -> WaitingBatch:
    return WaitingBatch(key=BatchKey(f"of-{vendor}"), platform=PlatformKey("instagram"), vendor=vendor, until=until)


def test_a_batch_is_queued_when_its_breaker_lets_a_call_through_and_its_time_has_come():
    now = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    away = BreakerState(phase=BreakerPhase.OPEN, retry_at=500.0)
    refused = BreakerState(phase=BreakerPhase.OPEN, needs_person=True)
    each = [waiting("a"), waiting("b"), waiting("c"), waiting("d", now + timedelta(hours=1))]
    decided = decide_recovery(each, {"a": away, "b": refused}, now=now, seconds=499.0)
    assert [one.vendor for one in decided.queue] == ["c"]
    assert decided.reason == "Waiting for a, b, d: 3 batches."
    later = decide_recovery(each, {"a": away, "b": refused}, now=now + timedelta(hours=1), seconds=500.0)
    assert [one.vendor for one in later.queue] == ["a", "c", "d"]


def test_the_sensor_is_on_and_runs_every_minute():
    assert provider_recovery_sensor in list(build_definitions({}).sensors or ())
    found = provider_recovery_sensor
    assert (found.minimum_interval_seconds, found.default_status) == (60, dg.DefaultSensorStatus.RUNNING)
