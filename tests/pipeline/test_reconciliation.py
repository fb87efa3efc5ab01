"""The books against what vendors report, and lost answers that a person settles (spec 12.4)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from batch_world import FOUND_MICROS, PLATFORM, World, book_policy
from gate_world import (
    FETCH_MICROS,
    Vendor,
    VirtualTime,
    attempts,
    gate_over,
    ledger,
    money_of,
    new_batch,
    stage_gate,
    uid,
    vendor_error,
)
from sqlalchemy import select

from socialanalyzer_dagster.domain.calls import ErrorClass, JobState, JobStatus, Reply, VendorCall
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.reconciliation import Comparison
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline import reconciliation
from socialanalyzer_dagster.pipeline.batch_actions import Deed, find_batch, stop
from socialanalyzer_dagster.pipeline.policies import Authorship, activate
from socialanalyzer_dagster.pipeline.reconciliation import Extent, SettlementRefused, reconcile, settle_lost
from socialanalyzer_dagster.pipeline.session import PipelineSession
from socialanalyzer_dagster.pipeline.vendor_job_polls import poll_batch
from socialanalyzer_dagster.storage.corrections import CorrectTo, costs_read_once
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.models_control import AuditEntryRow, ProviderAttemptRow, VendorJobRow
from socialanalyzer_dagster.storage.vendor_jobs import has_bought
from socialanalyzer_dagster.vendors.job_status import job_status_call

SEARCHED_MICROS = 10 * FOUND_MICROS
LOST = vendor_error(ErrorClass.UNKNOWN, "timeout")


@pytest.fixture
def world(database: Database, policy: Any, clock: Any, tmp_path: Any) -> World:
    return World(database, book_policy(policy), clock, tmp_path)


def reports(monkeypatch: pytest.MonkeyPatch, micros: int | None, state: JobState = JobState.SUCCEEDED) -> None:
    """The vendor of the jobs tells this cost."""

    def call(_vendors: Any, job_id: str) -> VendorCall[JobStatus]:
        async def poll() -> JobStatus:
            return JobStatus(job_id=job_id, state=state, reported_micros=micros)

        return job_status_call("apify.read", job_id, poll)

    monkeypatch.setattr(reconciliation, "STATUS_CALLS", {"insightiq": call})


async def checked(world: World, **extent: Any) -> reconciliation.Reconciliation:
    return await reconcile(world.workplace, world.parts.vendors, world.policy, Extent(days=31, **extent))


async def test_a_late_figure_of_a_job_is_booked_once_and_then_agrees(world: World, monkeypatch: pytest.MonkeyPatch):
    await world.run(world.create().key, Stage.DISCOVERED)
    final = 6 * FOUND_MICROS + 7
    reports(monkeypatch, final)
    found = await checked(world, bill={"insightiq": final})
    assert [each.corrected_micros for each in found.jobs] == [7]
    assert found.is_explained
    again = await checked(world, bill={"insightiq": final})
    assert (list(again.jobs), again.comparisons[0].sentence) == ([], "agrees to the micro-dollar")
    assert money_of(world.database) == (final, 0, 0)
    assert ledger(world.database)["correction"] == [(None, 7, 0)]


async def test_a_booked_job_is_due_for_a_second_reading_until_it_was_read(world: World):
    await world.run(world.create().key, Stage.DISCOVERED)
    now, minute = world.clock.now(), timedelta(minutes=1)

    def due(since: timedelta) -> list[Any]:
        with world.database.read() as connection:
            span = (now - since, now)
            return costs_read_once(connection, ["insightiq"], ended_within=span, again_after=minute)

    [(attempt, _)] = due(minute)
    assert due(-minute) == []
    with world.database.write() as connection:
        CorrectTo.apply(connection, [CorrectTo(attempt=attempt, reported_micros=7, at=now + minute, error_code=None)])
    assert due(minute) == []
    assert money_of(world.database) == (7, 0, 0)


async def test_a_lost_job_is_settled_with_the_cost_the_vendor_reports(world: World, monkeypatch: pytest.MonkeyPatch):
    key = world.create().key
    await world.run(key, Stage.DISCOVERED)
    with world.database.write() as connection:
        connection.execute(
            ProviderAttemptRow.__table__.update().values(state="unknown", settled_micros=0)  # as a lost poll leaves it
        )
    reports(monkeypatch, 55)
    found = await checked(world, bill={"insightiq": 55})
    assert [each.corrected_micros for each in found.jobs] == [55]
    assert found.comparisons[0].difference_micros == 0
    with world.database.read() as connection:
        assert connection.execute(select(VendorJobRow.job_id)).scalar_one() is not None


async def test_a_job_that_runs_or_cannot_be_read_is_named(world: World, monkeypatch: pytest.MonkeyPatch):
    await world.run(world.create().key, Stage.DISCOVERED)
    reports(monkeypatch, None, JobState.RUNNING)
    assert "still runs" in (await checked(world)).jobs[0].sentence

    async def refuse() -> Reply:
        raise vendor_error(ErrorClass.PERMANENT_ITEM, "http_404", status=404)

    call = VendorCall(operation="apify.read", request={}, max_units={}, send=refuse, decode=str)
    monkeypatch.setattr(reconciliation, "STATUS_CALLS", {"insightiq": lambda _vendors, _job_id: call})
    found = await checked(world)
    assert not found.is_explained
    assert "could not be read" in found.jobs[0].sentence


async def test_lost_answers_are_listed_and_explain_a_higher_bill(sqlite_database, policy, clock, tmp_path):
    world = World(sqlite_database, book_policy(policy), clock, tmp_path)
    batch, vendor = new_batch(sqlite_database, policy), Vendor(LOST, {"data": 1})
    async with stage_gate(sqlite_database, policy, clock, batch, **VirtualTime().options) as gate:
        await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
    found = await checked(world, bill={"insightiq": 2 * FETCH_MICROS})
    assert found.is_explained
    assert [(each.state, each.error_code) for each in found.open] == [("unknown", "timeout")]
    assert "1 lost answers hold up to $0.040000" in found.comparisons[0].sentence
    assert not (await checked(world, bill={"insightiq": 2 * FETCH_MICROS + 1})).is_explained
    assert not (await checked(world, bill={"insightiq": 2 * FETCH_MICROS, "apify": 5})).is_explained


async def lost(database: Database, policy: Any, clock: Any) -> str:
    """The key of a sending whose answer was lost."""
    batch, vendor = new_batch(database, policy), Vendor(LOST, LOST)
    async with stage_gate(database, policy, clock, batch, **VirtualTime().options) as gate:
        with pytest.raises(CallFailed):
            await gate.call(vendor.call(), leads=[uid(0)], step="fetch")
    with database.read() as connection:
        first = connection.execute(select(ProviderAttemptRow.attempt_key).where(ProviderAttemptRow.issue == 1))
        return str(first.scalar_one())


async def test_a_person_settles_a_lost_answer_by_the_vendors_statement(database, policy, clock, tmp_path):
    world = World(database, book_policy(policy), clock, tmp_path)
    key = await lost(database, policy, clock)
    settle_lost(world.workplace, key[:10], by="Mara", charged_micros=30_000)
    assert money_of(database) == (30_000, 0, FETCH_MICROS)
    rows = ledger(database)
    assert (rows["resolved"], rows["settled"]) == ([(uid(0), -FETCH_MICROS, 0)], [(uid(0), 30_000, 0)])
    with database.read() as connection:
        entry = connection.execute(select(AuditEntryRow).where(AuditEntryRow.action == "ledger.settle")).one()
    assert entry is not None
    with pytest.raises(SettlementRefused, match="only a lost answer"):
        settle_lost(world.workplace, key, by="Mara", charged_micros=None)


async def test_a_lost_answer_that_was_not_charged_frees_what_it_held(sqlite_database, policy, clock, tmp_path):
    world = World(sqlite_database, book_policy(policy), clock, tmp_path)
    key = await lost(sqlite_database, policy, clock)
    settle_lost(world.workplace, key, by="Mara", charged_micros=None)
    assert money_of(sqlite_database) == (0, 0, FETCH_MICROS)
    assert attempts(sqlite_database)[0][0] == "released"


async def waits_for_a_vendor(world: World) -> str:
    """The key of a batch whose search job is still at work."""
    hasty = book_policy(world.policy, discovery={"wait_seconds": 1, "poll_seconds": 0.01})
    activate(world.database, hasty, Authorship(author="Ada", note="hasty", at=world.clock.now()))
    world.vendor.job_runs = True
    key = world.create().key
    await world.run(key, Stage.DISCOVERED)
    assert find_batch(world.workplace, key).status == "awaiting_provider"
    assert money_of(world.database) == (0, SEARCHED_MICROS, 0)
    return key


async def given_up(world: World, key: str) -> None:
    world.clock.advance(hours=25)
    async with PipelineSession(world.parts) as session:
        assert "ledger settle" in await poll_batch(session, find_batch(world.workplace, key))


async def stopped(world: World, key: str) -> None:
    stop(world.workplace, key, Deed(by="Ada"))


@pytest.mark.parametrize("end", [given_up, stopped])
async def test_the_price_of_a_job_nobody_waits_for_can_be_settled(world: World, end: Any):
    key = await waits_for_a_vendor(world)
    await end(world, key)
    assert money_of(world.database) == (0, 0, SEARCHED_MICROS)
    with world.database.read() as connection:
        batch_id = find_batch(world.workplace, key).batch_id
        assert has_bought(connection, batch_id, Stage.DISCOVERED), "a later run resumes the job instead of buying it"
    (open_call,) = (await checked(world)).open
    settle_lost(world.workplace, open_call.attempt_key, by="Mara", charged_micros=30_000)
    assert money_of(world.database) == (30_000, 0, 0)


async def test_a_job_nobody_waited_for_is_read_and_settled_by_a_later_run(world: World):
    key = await waits_for_a_vendor(world)
    await given_up(world, key)
    world.vendor.job_runs = False
    await world.run(key, Stage.DISCOVERED)
    assert world.vendor.asked["search"] == 1
    assert money_of(world.database) == (6 * FOUND_MICROS, 0, 0)


async def test_a_lost_call_of_no_batch_is_listed(sqlite_database, policy, clock, tmp_path):
    world = World(sqlite_database, book_policy(policy), clock, tmp_path)
    async with gate_over(sqlite_database, world.policy, clock, **VirtualTime().options) as gate:
        with pytest.raises(CallFailed):
            await gate.without_batch(PLATFORM).call(Vendor(LOST, LOST).call(), leads=(), step="ideas")
    assert [(each.batch_key, each.state) for each in (await checked(world)).open] == [(None, "unknown")] * 2


def test_an_unknown_or_short_key_is_refused(sqlite_database, policy, clock, tmp_path):
    world = World(sqlite_database, book_policy(policy), clock, tmp_path)
    for key in ("abc", "0123456789"):
        with pytest.raises(SettlementRefused):
            settle_lost(world.workplace, key, by="Mara", charged_micros=None)


def test_a_difference_is_explained_by_what_is_held_and_by_nothing_else():
    books = Comparison(
        vendor="openai", settled_micros=100, unknown_micros=10, held_micros=5, reported_micros=115, unknown_calls=1,
        held_calls=1,
    )  # fmt: skip
    assert books.is_explained
    assert "the vendor charged $0.000015 more" in books.sentence
    for reported in (116, 99):
        assert "not explained" in replace(books, reported_micros=reported).sentence
    assert "reports no usage" in replace(books, reported_micros=None).sentence
