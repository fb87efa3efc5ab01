"""The stage runner: what becomes of leads when all goes well, and when it does not (spec 2.2, architecture 5)."""

import asyncio
from datetime import datetime

import pytest
from batch_world import FETCH_MICROS, FOUND_MICROS, KEY, LEAD_STAGES, PLATFORM, World, book_policy, quiet
from sqlalchemy import Connection, select, update

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.suppression import identifier_hash
from socialanalyzer_dagster.domain.types import Stage, lead_uid
from socialanalyzer_dagster.pipeline.batch_actions import Deed, find_batch, release_canary, retry, set_cap, stop
from socialanalyzer_dagster.pipeline.batch_finish import Ending
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.batch_view import batch_view
from socialanalyzer_dagster.pipeline.discovery import discover
from socialanalyzer_dagster.pipeline.runner import MissingCheckpoint, run_stage
from socialanalyzer_dagster.storage import outcome_fills, suppressions
from socialanalyzer_dagster.storage.models_control import LedgerEntryRow
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow
from socialanalyzer_dagster.storage.outcomes import StageOf
from socialanalyzer_dagster.storage.suppressions import Suppression

BAD_KEY = VendorError("insightiq", ErrorClass.PERMANENT_SERVICE, "bad_key", status=401, sent=True)
BY = Deed(by="Ada")


@pytest.fixture
def world(database, policy, clock, tmp_path):
    return World(database, book_policy(policy), clock, tmp_path)


async def test_a_batch_goes_from_discovery_to_scored(world):
    world.vendor.names = ["p1", "r1", "p2"]
    key = world.create().key
    reports = await world.run(key)
    assert world.codes(Stage.DISCOVERED) == {"passed": 3}
    assert world.codes(Stage.SCREENED) == {"passed": 2, "inactive": 1}
    assert world.codes(Stage.SCORED) == {"passed": 2}
    assert reports[Stage.SCREENED].worked == 3
    assert reports[Stage.SCREENED].spend_micros == 3 * FETCH_MICROS
    assert reports[Stage.SCORED].counters.entered == 2
    view = batch_view(world.workplace, key)
    assert view["stages"]["screened"]["reasons"] == {"inactive": 1}
    assert view["tiers"] == {"auto_enroll": 2}
    assert view["spend_micros"] == 3 * FOUND_MICROS + (3 + 1 + 2 + 2) * FETCH_MICROS
    assert view["held_micros"] == view["unknown_micros"] == 0
    assert world.costs_agree()


async def test_running_finished_stages_again_makes_no_call_and_changes_nothing(world):
    key = world.create().key
    await world.run(key)
    before, view, sent = world.outcomes(current=False), batch_view(world.workplace, key), world.vendor.sent
    reports = await world.run(key)
    assert world.vendor.sent == sent
    assert world.outcomes(current=False) == before
    assert batch_view(world.workplace, key) == view
    assert all(report.worked == 0 for report in reports.values())


async def test_one_leads_exception_is_that_leads_failure(world):
    world.vendor.bugs["screened:p2"] = ValueError("private text")
    key = world.create().key
    await world.run(key)
    assert world.codes(Stage.SCREENED) == {"passed": 5, "internal_error": 1}
    del world.vendor.bugs["screened:p2"]
    sent = world.vendor.sent
    await world.run(key)
    assert world.codes(Stage.SCREENED) == {"passed": 6}
    assert world.outcomes(current=False)["screened", "p2"] == [("failed", "internal_error"), ("passed", None)]
    assert world.vendor.asked["screened:p2"] == 1, "the answer that was paid is used again"
    assert world.vendor.sent == sent + 3, "one enriched, analyzed and scored call for the lead that came late"
    assert world.costs_agree()


async def test_an_exception_in_a_chunk_hits_only_its_own_lead(world):
    world.vendor.bugs["enriched:p3"] = RuntimeError("boom")
    key = world.create().key
    await world.run(key)
    assert world.codes(Stage.ENRICHED) == {"passed": 5, "internal_error": 1}
    assert sum(count for name, count in world.vendor.asked.items() if name.startswith("enriched")) == 1


async def test_a_row_the_database_refuses_harms_only_itself(world):
    world.vendor.spoiled.add("screened:p4")
    key = world.create().key
    await world.run(key, Stage.DISCOVERED, Stage.SCREENED)
    codes = world.codes(Stage.SCREENED)
    assert codes["passed"] >= 5
    assert codes.total() == 6


async def test_a_vendor_that_refuses_its_service_pauses_the_batch_and_leads_stay_pending(world):
    world.vendor.errors["screened:p3"] = BAD_KEY
    key = world.create().key
    reports = await world.run(key)
    batch = find_batch(world.workplace, key)
    assert batch.status == "paused"
    assert "insightiq" in (batch.cause or "")
    assert reports[Stage.SCREENED].halt is not None
    assert reports[Stage.ENRICHED].worked == 0, "the same run does not go on"
    assert reports[Stage.SCREENED].counters.pending >= 1
    world.vendor.errors.clear()
    retry(world.workplace, key, BY)
    await world.run(key)
    assert world.codes(Stage.SCORED) == {"passed": 6}
    assert world.vendor.asked["search"] == 1
    assert max(world.vendor.asked[f"screened:p{n}"] for n in (1, 2, 4, 5, 6)) == 1
    assert world.costs_agree()


async def test_a_reached_cap_skips_the_rest_and_a_raised_one_finishes_exactly_those(world):
    cap = 10 * FOUND_MICROS + 3 * FETCH_MICROS
    key = world.create(fields={"max_budget_usd": cap / 1_000_000}, stop_at_cap=True).key
    await world.run(key)
    view = batch_view(world.workplace, key)
    assert view["spend_micros"] + view["held_micros"] <= cap
    done = world.codes(Stage.SCREENED)
    assert done["budget_stopped"] == 6 - done["passed"] >= 1
    assert view["capped"]
    assert "cap" in view["summary"]
    sent = screened_calls(world)
    set_cap(world.workplace, key, BY, cap_micros=10_000_000)
    await world.run(key)
    assert world.codes(Stage.SCREENED) == {"passed": 6}
    assert world.codes(Stage.SCORED) == {"passed": 6}
    assert all(world.vendor.asked[name] == count for name, count in sent.items()), "nothing was bought twice"
    assert world.costs_agree()


def screened_calls(world):
    return {name: count for name, count in world.vendor.asked.items() if name.startswith("screened")}


async def test_a_search_the_cap_cannot_pay_is_not_bought(world):
    key = world.create(fields={"max_budget_usd": 0.1}, stop_at_cap=True).key
    reports = await world.run(key)
    assert world.vendor.sent == 0
    batch = find_batch(world.workplace, key)
    assert (batch.status, batch.capped) == ("completed", True)
    assert reports[Stage.SCREENED].worked == 0
    set_cap(world.workplace, key, BY, cap_micros=20_000_000)
    assert find_batch(world.workplace, key).status == "queued"
    await world.run(key)
    assert world.codes(Stage.SCORED) == {"passed": 6}


async def test_a_stop_that_comes_while_a_run_closes_is_not_lost(world):
    key = world.create().key
    async with world.opened(key) as batch:
        await discover(batch, quiet)
        await asyncio.to_thread(stop, world.workplace, key, BY)
        assert find_batch(world.workplace, key).status == "discovering", "the run still holds the batch"
    stopped = find_batch(world.workplace, key)
    assert stopped.status == "stopped"
    assert world.codes(Stage.SCREENED) == {"batch_stopped": 6}


async def test_a_stopped_batch_makes_no_new_call_and_can_be_retried(world):
    world.vendor.names = [f"p{n}" for n in range(1, 41)]
    key = world.create(filters={"keyword": "many", "max_results": 40}).key
    await world.run(key, Stage.DISCOVERED)
    world.vendor.hold = hold = asyncio.Event()
    world.vendor.arrived.clear()
    running = asyncio.create_task(world.run(key, *LEAD_STAGES))
    await world.vendor.arrived.wait()
    await asyncio.to_thread(stop, world.workplace, key, Deed(by="Ada", reason="wrong search"))
    hold.set()
    reports = await running
    batch = find_batch(world.workplace, key)
    assert batch.status == "stopped"
    assert batch.cause == "stopped by Ada: wrong search"
    assert reports[Stage.ENRICHED].worked == 0
    codes = world.codes(Stage.SCREENED)
    assert codes["batch_stopped"] > 0
    assert codes.total() == 40
    assert world.codes(Stage.SCORED).total() == 40, "every lead has an outcome at every stage"
    assert world.costs_agree()
    world.vendor.hold = None
    retry(world.workplace, key, BY)
    await world.run(key)
    assert world.codes(Stage.SCORED) == {"passed": 40}


async def test_a_cancelled_run_keeps_what_settled_and_pauses_the_batch(world):
    key = world.create().key
    await world.run(key, Stage.DISCOVERED)
    world.vendor.hold = asyncio.Event()
    world.vendor.arrived.clear()
    running = asyncio.create_task(world.run(key, Stage.SCREENED))
    await world.vendor.arrived.wait()
    running.cancel()
    await asyncio.sleep(0)
    world.vendor.hold.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert find_batch(world.workplace, key).status == "paused"
    world.vendor.hold = None
    await world.run(key)
    assert world.codes(Stage.SCORED) == {"passed": 6}
    assert max(world.vendor.asked.values()) == 1
    assert world.costs_agree()


async def test_zero_leads_left_ends_the_batch_empty_with_every_outcome_written(world):
    world.vendor.names = ["r1", "r2"]
    key = world.create().key
    await world.run(key)
    batch = find_batch(world.workplace, key)
    assert batch.status == "completed_empty"
    assert batch.summary
    assert world.codes(Stage.ENRICHED) == {"upstream_rejected": 2}
    assert world.codes(Stage.SYNCED) == {"upstream_rejected": 2}
    view = batch_view(world.workplace, key)
    assert view["stages"]["scored"] == {
        "in": 0, "passed": 0, "rejected": 0, "failed": 0, "skipped": 0, "pending": 0, "not_reached": 2, "reasons": {},
    }  # fmt: skip


async def test_leads_over_the_lead_cap_are_skipped_in_provider_order(world):
    key = world.create(fields={"max_leads": 2}).key
    await world.run(key, Stage.DISCOVERED, Stage.SCREENED)
    assert world.codes(Stage.SCREENED) == {"passed": 2, "over_lead_cap": 4}
    assert set(world.vendor.asked) == {"search", "screened:p1", "screened:p2"}


async def test_a_canary_goes_ahead_and_the_rest_follows_when_released(world):
    key = world.create(canary=2).key
    reports = await world.run(key)
    assert world.codes(Stage.SCORED) == {"passed": 2}
    assert reports[Stage.SCREENED].counters.pending == 4
    await asyncio.to_thread(release_canary, world.workplace, key, BY)
    await world.run(key)
    assert world.codes(Stage.SCORED) == {"passed": 6}


async def test_a_stage_before_discovery_ended_is_an_error(world):
    key = world.create().key
    with pytest.raises(MissingCheckpoint):
        await world.run(key, Stage.SCREENED)


async def test_progress_is_told_from_first_to_last(world):
    key = world.create().key
    await world.run(key, Stage.DISCOVERED)
    told = []
    async with world.opened(key) as batch:
        await run_stage(batch, Stage.SCREENED, told.append)
    assert (told[0].done, told[0].total) == (0, 6)
    assert (told[-1].done, told[-1].spent_micros) == (6, 6 * FETCH_MICROS)
    assert "screened: 6 of 6 leads" in told[-1].sentence


async def test_a_person_who_asks_to_be_left_alone_is_rejected_before_the_next_call(world):
    key = world.create().key
    await world.run(key, Stage.DISCOVERED, Stage.SCREENED)
    suppress(world, "p2")
    await world.run(key)
    assert world.outcomes()["enriched", "p2"] == [("rejected", "suppressed")]
    assert world.codes(Stage.SCORED) == {"passed": 5}
    assert not any("p2" in name for name in world.vendor.asked if not name.startswith("screened"))


def suppress(world, name):
    keyed = identifier_hash(Identifier(IdentifierKind.HANDLE, f"{PLATFORM}:{name}"), KEY)
    entry = Suppression(kind="handle", keyed_hash=keyed, reason="asked", source="mail", added_at=world.clock.now())
    with world.database.write() as connection:
        suppressions.add_suppressions(connection, [entry])


async def test_a_retried_batch_leaves_leads_alone_that_another_batch_works_on_now(world):
    key = world.create().key
    await world.run(key, Stage.DISCOVERED)
    stop(world.workplace, key, BY)
    other = world.create().key
    await world.run(other, Stage.DISCOVERED)
    retry(world.workplace, key, BY)
    await world.run(key)
    assert world.vendor.asked == {"search": 2}
    await world.run(other)
    assert world.codes(Stage.SCORED)["passed"] == 6


async def test_a_lost_lock_ends_the_run_and_leaves_the_batch_to_its_new_holder(world):
    key = world.create().key
    await world.run(key, Stage.DISCOVERED)
    async with world.opened(key) as batch:
        batch.brake.pull("the lock of the batch was lost")
        report = await run_stage(batch, Stage.SCREENED, quiet)
    assert report.halt == "the lock of the batch was lost"
    assert report.counters.pending == 6
    assert world.vendor.asked == {"search": 1}


async def test_costs_that_the_vendor_reports_late_stay_equal_to_the_ledger(world):
    key = world.create().key
    await world.run(key, Stage.DISCOVERED, Stage.SCREENED)
    uid = lead_uid(PLATFORM, "p1")
    with world.database.write() as connection:
        row = connection.execute(select(LedgerEntryRow.__table__).where(LedgerEntryRow.lead_uid == uid)).one()
        late = {**row._mapping, "amount_micros": 7}
        del late["id"]
        connection.execute(LedgerEntryRow.__table__.insert().values(late))
    assert not world.costs_agree()
    await world.run(key, Stage.ENRICHED)
    assert world.costs_agree()


async def test_text_that_databases_refuse_is_stored_without_it(world):
    world.vendor.names = ["p1", "p\x002", "p\ud8003"]
    key = world.create().key
    report = (await world.run(key, Stage.DISCOVERED))[Stage.DISCOVERED]
    assert sum(report.items.values()) == 3


async def test_a_batch_ends_although_somebody_changes_it_in_that_moment(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = world.create().key
    fill, changed = outcome_fills.fill_upstream, list[str]()

    def meanwhile(connection: Connection, of: StageOf, now: datetime) -> None:
        fill(connection, of, now)
        if not changed:
            changed.append(key)
            connection.execute(update(LeadBatchRow).values(version=LeadBatchRow.version + 1))

    async with world.opened(key) as batch:
        batch.begin(Stage.DISCOVERED)
        monkeypatch.setattr(outcome_fills, "fill_upstream", meanwhile)
        batch.finish(Ending(status=BatchStatus.FAILED, cause="the search failed", now=world.clock.now()))
    assert changed
    assert (find_batch(world.workplace, key).status, find_batch(world.workplace, key).cause) == (
        "failed",
        "the search failed",
    )
