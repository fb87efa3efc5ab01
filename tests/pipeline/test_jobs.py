"""Vendor jobs: stored before they are bought, resumed by their id, never bought twice (I-24, I-25)."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any, cast

import pytest
from gate_world import (
    VirtualTime,
    attempts,
    gate_over,
    handle,
    jobs,
    ledger,
    money_of,
    new_batch,
    policy_with,
    stop_batch,
    uid,
)
from sqlalchemy import text, true
from sqlalchemy.exc import IntegrityError

from socialanalyzer_dagster.domain.calls import ErrorClass, JobPage, JobState, JobStatus, VendorError, VendorJob
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.refusals import BatchStopped, BudgetExceeded, JobStillRunning
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline import reconciliation
from socialanalyzer_dagster.pipeline.gate import GateOptions, SpendingGate, StageGate, spending_gate
from socialanalyzer_dagster.pipeline.gate_doors import Passage, PermitLapsed
from socialanalyzer_dagster.pipeline.gate_rereads import Rereads
from socialanalyzer_dagster.pipeline.policies import PriceConfirmation, active_policy, confirm_price
from socialanalyzer_dagster.pipeline.price_news import FinalCost, lately_billed, search_share
from socialanalyzer_dagster.pipeline.reconciliation import Extent, reconcile
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.pipeline.writer import GroupWriter
from socialanalyzer_dagster.storage.attempts import attempts_where, find_attempts
from socialanalyzer_dagster.storage.outbox import OutboxQuestion, messages
from socialanalyzer_dagster.storage.vendor_jobs import JobPhase, SaveJob
from socialanalyzer_dagster.vendors.job_status import job_status_call

PRICE = 10_000  # apify.patreon, per creator
LOST = VendorError("apify", ErrorClass.UNKNOWN, "timeout")
PASSING = VendorError("apify", ErrorClass.TRANSIENT, "http_503", status=503)


class Actor:
    """A vendor that runs one job of a few items, two per page, and counts what it was asked."""

    def __init__(self, items: int = 5, *, running_polls: int = 1, reported: int | None = None) -> None:
        self.items = [{"n": number} for number in range(items)]
        self.running_polls = running_polls
        self.reported = reported
        self.final = JobState.SUCCEEDED
        self.reason = "timed_out"
        self.started: list[int] = []
        self.polls = 0
        self.pages: list[int] = []
        self.aborted = 0
        self.start_errors: list[Exception] = []
        self.poll_errors: list[Exception] = []
        self.lose_start_answer = False
        self.hold: asyncio.Event | None = None
        self.polled = asyncio.Event()

    def job(self, *, most: int = 10, can_find: bool = True, name: str = "q") -> VendorJob[list[Any]]:
        return VendorJob(
            operation="apify.patreon",
            request={"query": name},
            max_units={"apify.patreon": most},
            start=self.start,
            poll=self.poll,
            page=self.page,
            units=lambda count: {"apify.patreon": count},
            decode=list,
            find=self.find if can_find else None,
            abort=self.abort,
            reports_cost=self.reported is not None,
        )

    async def start(self, max_micros: int) -> JobStatus:
        if self.start_errors:
            raise self.start_errors.pop(0)
        self.started.append(max_micros)
        if self.lose_start_answer:
            self.lose_start_answer = False
            raise LOST
        return self.status(JobState.RUNNING)

    async def poll(self, job_id: str) -> JobStatus:
        self.polls += 1
        self.polled.set()
        if self.poll_errors:
            raise self.poll_errors.pop(0)
        if self.hold is not None:
            await self.hold.wait()
        if self.aborted:
            return self.status(JobState.FAILED)
        return self.status(JobState.RUNNING if self.polls <= self.running_polls else self.final)

    async def page(self, status: JobStatus, offset: int) -> JobPage:
        self.pages.append(offset)
        following = offset + 2
        return JobPage(
            items=tuple(self.items[offset:following]), next_offset=following if following < len(self.items) else None
        )

    async def find(self, _after: Any) -> JobStatus | None:
        return self.status(JobState.RUNNING) if self.started else None

    async def abort(self, _job_id: str) -> None:
        self.aborted += 1

    def status(self, state: JobState) -> JobStatus:
        over = state is not JobState.RUNNING
        return JobStatus(
            job_id=f"run-{len(self.started)}",
            state=state,
            dataset_id="dataset",
            reported_micros=self.reported if over else None,
            reason=self.reason if state is JobState.FAILED else None,
        )


async def bound(gate: SpendingGate, batch: Any, stage: Stage = Stage.DISCOVERED) -> StageGate:
    found = gate.bind(batch, stage)
    for number in range(3):
        await found.identify(uid(number), [handle(number)])
    return found


async def run(database, policy, clock, batch, actor: Actor, **options: Any) -> Any:
    """One run of the discovery stage, which looks every minute."""
    patient = policy_with(policy, discovery={"poll_seconds": 60})
    async with gate_over(database, patient, clock, **VirtualTime().options) as gate:
        await gate.recover(batch.batch_id)
        stage = await bound(gate, batch)
        return await stage.run_job(actor.job(**options), leads=[], step="search")


async def killed_run(database, policy, clock, batch, actor: Actor, until: Callable[[], asyncio.Event]) -> None:
    """A run that dies without closing anything, once an event has happened."""
    writer = GroupWriter(database)
    await writer.__aenter__()
    gate = spending_gate(database, writer, policy, GateOptions(clock=clock, suppression_key=b"k" * 32))
    stage = await bound(gate, batch)
    task = asyncio.create_task(stage.run_job(actor.job(), leads=[], step="search"))
    await until().wait()
    writer._closing = True  # from here on the dead process writes nothing
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    writer._wake.set()


async def test_a_job_is_read_to_its_last_page_and_settled_by_its_items(database, policy, clock):
    batch, actor = new_batch(database, policy), Actor(5)
    answer = await run(database, policy, clock, batch, actor)
    assert [item["n"] for item in answer.value] == [0, 1, 2, 3, 4]
    assert (answer.cost_micros, answer.reused, answer.partial) == (5 * PRICE, False, None)
    assert actor.started == [10 * PRICE]
    assert actor.pages == [0, 2, 4]
    assert money_of(database) == (5 * PRICE, 0, 0)
    assert jobs(database) == [("read", "run-1")]
    assert ledger(database)["settled"] == [(None, 5 * PRICE, 0)]


async def test_the_job_is_stored_with_its_leads_before_it_is_bought(database, policy, clock):
    batch, actor = new_batch(database, policy), Actor(2)
    seen: list[Any] = []

    async def start(max_micros: int) -> JobStatus:
        with database.read() as connection:
            seen.append(connection.execute(text("SELECT state, leads, job_id FROM vendor_jobs")).one())
        seen.append(money_of(database))
        return await Actor.start(actor, max_micros)

    actor.start = start  # type: ignore[method-assign]
    async with gate_over(database, policy, clock, **VirtualTime().options) as gate:
        stage = await bound(gate, batch, Stage.ENRICHED)
        await stage.run_job(actor.job(), leads=[uid(2), uid(0)], step="C")
        stored = await stage.stored_jobs("C")
    assert seen[0].state == "planned"
    assert seen[0].job_id is None
    assert seen[1] == (0, 10 * PRICE, 0)
    assert [(job.leads, job.request, job.is_open) for job in stored] == [((uid(2), uid(0)), {"query": "q"}, False)]
    assert ledger(database)["settled"] == [(uid(2), PRICE, 0), (uid(0), PRICE, 0)]


async def test_running_the_stage_again_reads_the_stored_items_at_no_cost(database, policy, clock):
    batch, actor = new_batch(database, policy), Actor(3)
    first = await run(database, policy, clock, batch, actor)
    polls = actor.polls
    again = await run(database, policy, clock, batch, actor)
    assert again.value == first.value
    assert (again.cost_micros, again.reused, len(actor.started), actor.polls) == (0, True, 1, polls)
    assert money_of(database) == (3 * PRICE, 0, 0)
    assert {saved for _, _, saved in ledger(database)["reuse"]} == {0}


async def test_a_killed_run_is_resumed_by_the_stored_id(database, policy, clock):
    batch, actor = new_batch(database, policy), Actor(3)
    actor.hold = asyncio.Event()
    await killed_run(database, policy, clock, batch, actor, lambda: actor.polled)
    assert money_of(database) == (0, 10 * PRICE, 0)
    actor.hold = None
    answer = await run(database, policy, clock, batch, actor)
    assert len(answer.value) == 3
    assert len(actor.started) == 1
    assert money_of(database) == (3 * PRICE, 0, 0)


async def test_reading_goes_on_at_the_page_that_failed(database, policy, clock):
    batch, actor = new_batch(database, policy), Actor(5)
    page = actor.page

    async def second_page_fails(status: JobStatus, offset: int) -> JobPage:
        if offset == 2:
            raise PASSING
        return await page(status, offset)

    actor.page = second_page_fails  # type: ignore[method-assign]
    with pytest.raises(JobStillRunning):
        await run(database, policy, clock, batch, actor)
    assert jobs(database) == [("succeeded", "run-1")]
    assert money_of(database) == (0, 10 * PRICE, 0)
    actor.page = page  # type: ignore[method-assign]
    answer = await run(database, policy, clock, batch, actor)
    assert [item["n"] for item in answer.value] == [0, 1, 2, 3, 4]
    assert actor.pages == [0, 2, 4]
    assert money_of(database) == (5 * PRICE, 0, 0)


async def test_an_enrichment_job_that_cannot_be_polled_is_lost_until_a_later_run_reads_it(database, policy, clock):
    batch, actor = new_batch(database, policy), Actor(2)
    actor.poll_errors = [PASSING] * policy.retries.attempts
    time = VirtualTime()
    for lost in (True, False):
        time.seconds += 1  # the vendor's breaker allows a call again
        async with gate_over(database, policy, clock, **time.options) as gate:
            await gate.recover(batch.batch_id)
            stage = await bound(gate, batch, Stage.ENRICHED)
            if lost:
                with pytest.raises(CallFailed) as failure:
                    await stage.run_job(actor.job(), leads=[uid(0)], step="C")
                assert failure.value.outcome_unknown
                assert money_of(database) == (0, 0, 10 * PRICE)
            else:
                assert len((await stage.run_job(actor.job(), leads=[uid(0)], step="C")).value) == 2
        time.seconds += 1  # the vendor's breaker allows a call again
    assert len(actor.started) == 1
    assert money_of(database) == (2 * PRICE, 0, 0)


async def test_a_vendor_id_that_another_job_has_leaves_no_money_held(database, policy, clock):
    batch, first, second = new_batch(database, policy), Actor(1), Actor(1)
    await run(database, policy, clock, batch, first, name="a")
    with pytest.raises(IntegrityError):
        await run(database, policy, clock, batch, second, name="b")
    assert money_of(database) == (PRICE, 0, 10 * PRICE)


async def test_a_lost_start_is_found_again_and_not_bought_twice(database, policy, clock):
    batch, actor = new_batch(database, policy), Actor(2)
    actor.lose_start_answer = True
    answer = await run(database, policy, clock, batch, actor)
    assert (len(answer.value), len(actor.started)) == (2, 1)
    assert money_of(database) == (2 * PRICE, 0, 0)
    rows = ledger(database)
    assert rows["unknown"][0][1] + rows["resolved"][0][1] == 0


async def test_a_start_that_never_arrived_is_released_and_made_again(database, policy, clock):
    batch, actor = new_batch(database, policy), Actor(2)
    actor.start_errors = [LOST]
    answer = await run(database, policy, clock, batch, actor)
    assert len(answer.value) == 2
    assert [state for state, _, _ in attempts(database)] == ["released", "settled"]
    assert money_of(database) == (2 * PRICE, 0, 0)


async def test_a_lost_start_that_cannot_be_looked_up_stays_unknown(database, policy, clock):
    batch, actor = new_batch(database, policy), Actor(2)
    actor.lose_start_answer = True
    async with gate_over(database, policy, clock, **VirtualTime().options) as gate:
        stage = await bound(gate, batch)
        for _ in range(2):  # a second try in the same run buys nothing
            with pytest.raises(CallFailed) as failure:
                await stage.run_job(actor.job(can_find=False), leads=[], step="search")
            assert failure.value.outcome_unknown
    assert len(actor.started) == 1
    assert money_of(database) == (0, 0, 10 * PRICE)
    with pytest.raises(CallFailed):  # nor does a run that nobody asked for
        await run(database, policy, clock, batch, actor, can_find=False)
    assert len(actor.started) == 1
    clock.advance(seconds=1)
    asked = replace(batch, asked_at=clock.now())
    await run(database, policy, clock, asked, actor, can_find=False)
    assert len(actor.started) == 2
    assert money_of(database) == (2 * PRICE, 0, 10 * PRICE)


async def test_a_run_killed_before_the_id_was_stored_adopts_the_job(database, policy, clock):
    batch, actor = new_batch(database, policy), Actor(2)
    hold, arrived = asyncio.Event(), asyncio.Event()

    async def start(max_micros: int) -> JobStatus:
        actor.started.append(max_micros)
        arrived.set()
        await hold.wait()
        return actor.status(JobState.RUNNING)

    actor.start = start  # type: ignore[method-assign]
    impatient = policy.model_copy(update={"runtime": policy.runtime.model_copy(update={"settle_seconds": 0.01})})
    await killed_run(database, impatient, clock, batch, actor, lambda: arrived)
    answer = await run(database, policy, clock, batch, actor)
    assert (len(answer.value), len(actor.started)) == (2, 1)
    assert money_of(database) == (2 * PRICE, 0, 0)


@pytest.mark.parametrize("is_left_planned", [False, True], ids=["released", "killed-before-it-was-failed"])
async def test_a_reservation_that_took_too_long_does_not_hide_the_job_bought_after_it(
    database, policy, clock, is_left_planned
):
    batch, actor, sent, lapses = new_batch(database, policy), Actor(2), Passage.sent, [PermitLapsed()]

    def lapsed_once(passage: Passage) -> None:
        if lapses:
            raise lapses.pop()
        sent(passage)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Passage, "sent", lapsed_once)
        await run(database, policy, clock, batch, actor)
    assert sorted(jobs(database)) == [("failed", None), ("read", "run-1")]
    if is_left_planned:
        with database.write() as connection:
            connection.execute(text("UPDATE vendor_jobs SET state = 'planned' WHERE job_id IS NULL"))
    answer = await run(database, policy, clock, batch, actor)
    assert (answer.reused, len(answer.value), len(actor.started)) == (True, 2, 1)
    assert money_of(database) == (2 * PRICE, 0, 0)


async def test_a_job_that_takes_longer_than_a_run_may_wait_stays_open_with_its_money_held(database, policy, clock):
    batch, actor = new_batch(database, policy), Actor(2, running_polls=10**9)
    with pytest.raises(JobStillRunning) as waiting:
        await run(database, policy, clock, batch, actor)
    assert waiting.value.job_id == "run-1"
    assert jobs(database) == [("running", "run-1")]
    assert money_of(database) == (0, 10 * PRICE, 0)
    actor.running_polls = 0
    await run(database, policy, clock, batch, actor)
    assert len(actor.started) == 1
    assert money_of(database) == (2 * PRICE, 0, 0)


async def test_a_job_is_ended_after_the_hours_of_the_policy_and_what_it_found_is_kept(sqlite_database, policy, clock):
    batch, actor = new_batch(sqlite_database, policy), Actor(2, running_polls=10**9, reported=1234)
    with pytest.raises(JobStillRunning):
        await run(sqlite_database, policy, clock, batch, actor)
    clock.advance(hours=25)
    for _ in range(2):
        answer = await run(sqlite_database, policy, clock, batch, actor)
        assert (len(answer.value), answer.partial) == (2, "took_too_long")
    assert (actor.aborted, len(actor.started)) == (1, 1)
    assert money_of(sqlite_database) == (1234, 0, 0)


@pytest.mark.parametrize("items", [2, 0])
async def test_a_slow_job_of_an_enrichment_step_is_aborted_booked_and_bought_again_only_where_it_holds_nothing(
    sqlite_database, policy, clock, items
):
    batch, actor = new_batch(sqlite_database, policy), Actor(items, running_polls=10**9, reported=1234)
    patient = policy_with(policy, discovery={"poll_seconds": 60})
    async with gate_over(sqlite_database, patient, clock, **VirtualTime().options) as gate:
        stage = await bound(gate, batch, Stage.ENRICHED)
        for _ in range(2):
            if items:
                answer = await stage.run_job(actor.job(), leads=[uid(0)], step="C")
                assert (len(answer.value), answer.partial) == (items, "took_too_long")
                continue
            with pytest.raises(CallFailed, match="took_too_long") as failure:
                await stage.run_job(actor.job(), leads=[uid(0)], step="C")
            assert not failure.value.outcome_unknown
            actor.aborted = 0
    assert len(actor.started) == (1 if items else 2)
    assert money_of(sqlite_database) == (1234 * len(actor.started), 0, 0)


async def test_a_slow_job_that_cannot_be_ended_stays_open_and_is_read_by_the_next_run(database, policy, clock):
    batch, actor = new_batch(database, policy), Actor(2, running_polls=10**9)
    job, patient = replace(actor.job(), abort=None), policy_with(policy, discovery={"poll_seconds": 60})
    for is_over in (False, True):
        async with gate_over(database, patient, clock, **VirtualTime().options) as gate:
            await gate.recover(batch.batch_id)
            stage = await bound(gate, batch, Stage.ENRICHED)
            if is_over:
                actor.running_polls = 0
                assert len((await stage.run_job(job, leads=[uid(0)], step="C")).value) == 2
                continue
            with pytest.raises(CallFailed, match="took_too_long") as failure:
                await stage.run_job(job, leads=[uid(0)], step="C")
            assert failure.value.outcome_unknown
            assert money_of(database) == (0, 0, 10 * PRICE)
    assert len(actor.started) == 1
    assert money_of(database) == (2 * PRICE, 0, 0)


async def test_a_run_killed_while_it_ends_a_job_leaves_no_money_held(database, policy, clock):
    batch, actor = new_batch(database, policy), Actor(2, running_polls=10**9, reported=1234)
    with pytest.raises(JobStillRunning):
        await run(database, policy, clock, batch, actor)
    clock.advance(hours=25)
    saved = SaveJob.apply

    def killed(connection: Any, writes: Any) -> Any:
        if any(write.phase is JobPhase.SUCCEEDED for write in writes):
            raise RuntimeError("killed")
        return saved(connection, writes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SaveJob, "apply", killed)
        with pytest.raises(RuntimeError):
            await run(database, policy, clock, batch, actor)
    assert money_of(database) == (1234, 0, 0)
    answer = await run(database, policy, clock, batch, actor)
    assert (answer.partial, len(answer.value), len(actor.started)) == ("timed_out", 2, 1)


async def test_money_held_for_a_job_that_failed_is_no_open_job(database, policy, clock):
    batch, actor = new_batch(database, policy), Actor(2, running_polls=10**9)
    with pytest.raises(JobStillRunning):
        await run(database, policy, clock, batch, actor)
    with database.write() as connection:
        connection.execute(text("UPDATE vendor_jobs SET state = 'failed'"))
    async with gate_over(database, policy, clock) as gate:
        recovered = await gate.recover(batch.batch_id)
    assert (recovered.lost, recovered.open_jobs) == (1, 0)
    assert money_of(database) == (0, 0, 10 * PRICE)


async def test_a_failed_job_without_an_item_is_charged_and_failed(database, policy, clock):
    batch, actor = new_batch(database, policy), Actor(0, reported=777)
    actor.final = JobState.FAILED
    async with gate_over(database, policy, clock, **VirtualTime().options) as gate:
        stage = await bound(gate, batch, Stage.ENRICHED)
        with pytest.raises(CallFailed, match="timed_out") as failure:
            await stage.run_job(actor.job(), leads=[uid(0), uid(1)], step="C")
        assert not failure.value.outcome_unknown
        assert money_of(database) == (777, 0, 0)
        actor.final = JobState.SUCCEEDED
        await stage.run_job(actor.job(), leads=[uid(0), uid(1)], step="C")  # a new purchase
    assert len(actor.started) == 2
    assert ledger(database)["settled"][:2] == [(uid(0), 389, 0), (uid(1), 388, 0)]


async def test_what_a_failed_run_of_a_step_read_until_then_is_handed_over_and_not_bought_again(database, policy, clock):
    batch, actor = new_batch(database, policy), Actor(3, reported=777)
    actor.final = JobState.FAILED
    async with gate_over(database, policy, clock, **VirtualTime().options) as gate:
        stage = await bound(gate, batch, Stage.ENRICHED)
        for _ in range(2):
            answer = await stage.run_job(actor.job(), leads=[uid(0), uid(1)], step="C")
            assert (len(answer.value), answer.partial) == (3, "timed_out")
    assert len(actor.started) == 1
    assert money_of(database) == (777, 0, 0)


async def test_what_a_failed_search_found_until_then_is_kept_and_called_partial(database, policy, clock):
    batch, actor = new_batch(database, policy), Actor(3, reported=777)
    actor.final = JobState.FAILED
    for _ in range(2):
        answer = await run(database, policy, clock, batch, actor)
        assert (len(answer.value), answer.partial) == (3, "timed_out")
    assert len(actor.started) == 1
    assert money_of(database) == (777, 0, 0)


async def test_a_later_figure_of_the_vendor_becomes_a_correction_of_the_batch(database, policy, clock):
    batch, actor = new_batch(database, policy), Actor(2, reported=20_000)
    poll = actor.poll

    async def rising(job_id: str) -> JobStatus:
        status = await poll(job_id)
        if status.state is JobState.SUCCEEDED:
            actor.reported = 23_000
        return status

    actor.poll = rising  # type: ignore[method-assign]
    async with gate_over(database, policy, clock) as gate:
        stage = await bound(gate, batch, Stage.ENRICHED)
        await stage.run_job(actor.job(), leads=[uid(0)], step="C")
    assert money_of(database) == (23_000, 0, 0)
    rows = ledger(database)
    assert rows["settled"] == [(uid(0), 20_000, 0)]
    assert rows["correction"] == [(None, 3_000, 0)]


async def test_a_job_without_room_in_a_scope_is_not_bought(database, policy, clock):
    batch, actor = new_batch(database, policy, cap_micros=10 * PRICE - 1), Actor(2)
    with pytest.raises(BudgetExceeded):
        await run(database, policy, clock, batch, actor)
    assert actor.started == []
    assert jobs(database) == []


async def stopped_while_it_runs(database, policy, clock, batch, job: Any) -> None:
    """A run whose batch is stopped while it waits for the job."""
    time = VirtualTime()

    async def sleep(seconds: float) -> None:
        stop_batch(database, batch)
        await time.sleep(seconds + 2)

    async with gate_over(database, policy, clock, sleep=sleep, monotonic=time.monotonic) as gate:
        stage = await bound(gate, batch)
        with pytest.raises(BatchStopped):
            await stage.run_job(job, leads=[], step="search")
    stop_batch(database, batch, stopped=False)


async def test_stopping_the_batch_stops_the_meter_and_the_retry_reads_what_was_found(database, policy, clock):
    batch, actor = new_batch(database, policy), Actor(2, running_polls=10**9, reported=55)
    await stopped_while_it_runs(database, policy, clock, batch, actor.job())
    assert (actor.aborted, actor.pages) == (1, [])
    assert money_of(database) == (55, 0, 0)
    assert jobs(database) == [("succeeded", "run-1")]
    for _ in range(2):
        answer = await run(database, policy, clock, batch, actor)
        assert [item["n"] for item in answer.value] == [0, 1]
        assert answer.partial is not None
    assert (len(actor.started), actor.aborted) == (1, 1)
    assert money_of(database) == (55, 0, 0)


async def test_a_stopped_job_that_found_nothing_is_bought_anew_by_the_retry(database, policy, clock):
    batch, actor = new_batch(database, policy), Actor(0, running_polls=10**9, reported=55)
    await stopped_while_it_runs(database, policy, clock, batch, actor.job())
    bought, start = Actor(3, running_polls=0, reported=700), actor.start

    async def again(most: int) -> JobStatus:
        actor.items, actor.aborted, actor.running_polls, actor.reported = bought.items, 0, 0, bought.reported
        return await start(most)

    actor.start = again  # type: ignore[method-assign]
    answer = await run(database, policy, clock, batch, actor)
    assert (len(answer.value), answer.partial, len(actor.started)) == (3, None, 2)
    assert sorted(jobs(database)) == [("failed", "run-1"), ("read", "run-2")]
    assert money_of(database) == (755, 0, 0)


async def test_a_job_that_was_quicker_than_its_abort_is_whole(sqlite_database, policy, clock):
    batch, actor = new_batch(sqlite_database, policy), Actor(2, running_polls=10**9, reported=55)
    poll = actor.poll

    async def quicker(job_id: str) -> JobStatus:
        status = await poll(job_id)
        return replace(status, state=JobState.SUCCEEDED, reason=None) if actor.aborted else status

    actor.poll = quicker  # type: ignore[method-assign]
    await stopped_while_it_runs(sqlite_database, policy, clock, batch, actor.job())
    for _ in range(2):
        answer = await run(sqlite_database, policy, clock, batch, actor)
        assert (len(answer.value), answer.partial) == (2, None)
    assert (len(actor.started), money_of(sqlite_database)) == (1, (55, 0, 0))


def dearer_after(actor: Actor, polls: int, *, reported: int = 99) -> None:
    """The vendor reports more from so many looks at the ended run on."""
    poll, looks = actor.poll, iter(range(10**9))

    async def rising(job_id: str) -> JobStatus:
        status = await poll(job_id)
        is_late = status.state is not JobState.RUNNING and next(looks) >= polls
        return replace(status, reported_micros=reported) if is_late else status

    actor.poll = rising  # type: ignore[method-assign]


async def test_what_an_aborted_run_cost_is_read_again_although_its_batch_is_stopped(database, policy, clock):
    batch, actor = new_batch(database, policy), Actor(2, running_polls=10**9, reported=55)
    dearer_after(actor, 1)
    await stopped_while_it_runs(database, policy, clock, batch, actor.job())
    assert money_of(database) == (99, 0, 0)
    assert ledger(database)["correction"] == [(None, 44, 0)]


@pytest.mark.parametrize("follows_a_stop", [False, True])
async def test_a_cost_is_read_again_when_its_run_is_over(sqlite_database, policy, clock, follows_a_stop):
    """A figure of before may be older than the one that another process booked meanwhile."""
    batch, actor = new_batch(sqlite_database, policy), Actor(0, running_polls=10**9, reported=55)
    if follows_a_stop:
        await stopped_while_it_runs(sqlite_database, policy, clock, batch, actor.job())
    start, page = actor.start, actor.page

    async def anew(most: int) -> JobStatus:
        actor.items, actor.aborted, actor.running_polls = [{"n": 1}], 0, 0
        return await start(most)

    async def slow(status: JobStatus, offset: int) -> JobPage:
        if actor.items:
            await asyncio.sleep(0.03)  # long enough to be read again meanwhile
            actor.reported = 700
        return await page(status, offset)

    actor.start, actor.page = anew, slow  # type: ignore[method-assign]
    await run(sqlite_database, policy, clock, batch, actor)
    assert money_of(sqlite_database) == (755 if follows_a_stop else 700, 0, 0)


async def test_a_retry_books_what_the_vendor_added_since_the_stop(database, policy, clock):
    """The run that was stopped could not look again: it was cancelled meanwhile."""
    batch, actor = new_batch(database, policy), Actor(2, running_polls=10**9, reported=55)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rereads, "plan", lambda *_: None)
        await stopped_while_it_runs(database, policy, clock, batch, actor.job())
    assert money_of(database) == (55, 0, 0)
    actor.reported = 99
    for _ in range(2):
        await run(database, policy, clock, batch, actor)
        assert money_of(database) == (99, 0, 0)
    assert ledger(database)["correction"] == [(None, 44, 0)]


async def test_a_job_that_failed_in_vain_is_read_again_although_its_stage_raises(sqlite_database, policy, clock):
    batch, actor = new_batch(sqlite_database, policy), Actor(0, running_polls=0, reported=55)
    actor.final = JobState.FAILED
    dearer_after(actor, 1)
    with pytest.raises(CallFailed):
        await run(sqlite_database, policy, clock, batch, actor)
    assert money_of(sqlite_database) == (99, 0, 0)


@pytest.mark.parametrize("has_abort", [False, True])
async def test_a_job_that_goes_on_after_a_stop_is_read_by_the_retry_and_not_bought_again(
    database, policy, clock, has_abort
):
    """Without an abort, as a search at InsightIQ, or without a figure of what the aborted part costs."""
    batch, actor = new_batch(database, policy), Actor(2, running_polls=2)
    job = actor.job() if has_abort else replace(actor.job(), abort=None)
    await stopped_while_it_runs(database, policy, clock, batch, job)
    assert money_of(database) == (0, 0, 10 * PRICE)
    assert jobs(database) == [("running", "run-1")]
    actor.aborted = 0
    answer = await run(database, policy, clock, batch, actor)
    assert (len(answer.value), len(actor.started)) == (2, 1)
    assert money_of(database) == (2 * PRICE, 0, 0)


async def test_an_aborted_run_is_booked_at_its_last_figure_and_not_while_it_still_counts(
    sqlite_database, policy, clock
):
    batch, actor = new_batch(sqlite_database, policy), Actor(2, running_polls=10**9, reported=55)
    looks = iter([JobState.RUNNING, JobState.RUNNING, JobState.FAILED])
    poll = actor.poll

    async def ending(job_id: str) -> JobStatus:
        return replace(await poll(job_id), state=next(looks, JobState.FAILED)) if actor.aborted else await poll(job_id)

    actor.poll = ending  # type: ignore[method-assign]
    await stopped_while_it_runs(sqlite_database, policy, clock, batch, actor.job())
    assert money_of(sqlite_database) == (55, 0, 0)
    assert list(looks) == []


def told_prices(database) -> list[dict[str, Any]]:
    """The facts of what people are told of prices, once per message of the badge."""
    with database.read() as connection:
        found = messages(connection, OutboxQuestion(limit=100, channel="badge", kind="price_changed"))
    return [each["facts"] for each in reversed(found)]


async def test_a_bill_that_contradicts_the_price_table_is_told_once_until_the_price_is_confirmed(
    database, policy, clock
):
    batch, actor = new_batch(database, policy), Actor(4, reported=4 * 2 * PRICE)
    for name, most in (("a", 10), ("b", 8)):
        with database.read() as connection:
            assert search_share(connection, batch.batch_id, policy) is None
        await run(database, policy, clock, batch, actor, name=name, most=most)
    with database.read() as connection:
        assert search_share(connection, batch.batch_id, policy) == Decimal("0.5"), "of the eight that were asked for"
    (told,) = told_prices(database)
    assert (told["operation"], told["billed_micros"], told["table_micros"]) == ("apify.patreon", 80_000, 40_000)
    assert (told["prices"][0]["billed_usd"], told["prices"][0]["count"]) == ("0.02", 4)
    with database.read() as connection:
        lately = lately_billed(connection, policy, clock.now())["apify.patreon"]
        assert lately_billed(connection, policy, clock.now() + timedelta(days=8)) == {}
    assert (str(lately.usd), lately.differs) == ("0.02", True)
    confirmed = PriceConfirmation(key="apify.patreon", usd=Decimal("0.02"), by="Kai")
    confirm_price(database, confirmed, clock.now())
    await run(database, policy, clock, batch, actor, name="c")
    assert len(told_prices(database)) == 1, "although the batch works under the policy it began with"
    with database.read() as connection:
        lately = lately_billed(connection, active_policy(database), clock.now())["apify.patreon"]
        assert (str(lately.usd), lately.differs) == ("0.02", False)


async def test_a_first_figure_that_was_too_low_and_a_job_that_ended_early_say_nothing_of_prices(
    sqlite_database, policy, clock
):
    batch, actor = new_batch(sqlite_database, policy), Actor(2, reported=PRICE)
    poll = actor.poll
    dearer_after(actor, 1, reported=2 * PRICE)
    await run(sqlite_database, policy, clock, batch, actor, name="early")
    actor.poll, actor.final, actor.reported = poll, JobState.FAILED, 9 * PRICE  # type: ignore[method-assign]
    assert (await run(sqlite_database, policy, clock, batch, actor, name="failed")).partial == "timed_out"
    assert ledger(sqlite_database)["correction"] == [(None, PRICE, 0)]
    assert told_prices(sqlite_database) == []


@pytest.mark.parametrize(("reason", "is_told"), [("aborted", True), ("stopped", False)])
async def test_a_run_that_its_vendor_aborts_at_what_it_may_charge_tells_its_price(
    sqlite_database, policy, clock, reason, is_told
):
    batch, actor = new_batch(sqlite_database, policy), Actor(5, reported=10 * PRICE)
    actor.final, actor.reason = JobState.FAILED, reason
    assert (await run(sqlite_database, policy, clock, batch, actor, most=12)).partial == reason
    assert told_prices(sqlite_database) == [], "it was ended for something else: another result would have fitted"
    assert (await run(sqlite_database, policy, clock, batch, actor, name="capped")).partial == reason
    assert [each["prices"][0]["billed_usd"] for each in told_prices(sqlite_database)] == ["0.02"] * is_told
    with sqlite_database.read() as connection:
        assert (search_share(connection, batch.batch_id, policy) == Decimal("0.5")) == is_told


async def test_a_bill_from_before_the_price_table_is_booked_and_not_held_against_it(sqlite_database, policy, clock):
    batch, actor = new_batch(sqlite_database, policy), Actor(4, reported=4 * PRICE)
    await run(sqlite_database, policy, clock, batch, actor)
    clock.advance(minutes=5)
    confirm_price(sqlite_database, PriceConfirmation(key="apify.patreon", usd=Decimal("0.02"), by="Kai"), clock.now())
    with sqlite_database.write() as connection:
        (attempt,) = find_attempts(connection, attempts_where(true()))
        late = FinalCost(attempt=attempt, reported_micros=4 * PRICE + 9, at=clock.now(), error_code=None)
        assert FinalCost.apply(connection, [late]) == [9]
    assert told_prices(sqlite_database) == []


@pytest.mark.parametrize("reason", [None, "aborted"])
async def test_a_reconciliation_books_the_figure_and_the_failure_of_a_lost_job_and_tells_no_prices(
    sqlite_database, policy, clock, tmp_path, reason
):
    batch, actor = new_batch(sqlite_database, policy), Actor(4, reported=80_000)
    actor.final, actor.reason = JobState.FAILED if reason else JobState.SUCCEEDED, reason
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rereads, "plan", lambda *_: None)
        await run(sqlite_database, policy, clock, batch, actor)
        with sqlite_database.write() as connection:
            connection.execute(text("UPDATE provider_attempts SET state = 'unknown', error_code = NULL"))
        call = job_status_call("apify.read", "run-1", partial(actor.poll, "run-1"))
        patch.setattr(reconciliation, "STATUS_CALLS", {"apify": lambda *_: call})
        where = Workplace(
            database=sqlite_database, platforms={}, clock=clock, home=tmp_path, mode="sandbox", suppression_key=b"k"
        )
        found = await reconcile(where, cast("Any", None), policy, Extent(days=31))
    assert [each.corrected_micros for each in found.jobs] == [80_000]
    with sqlite_database.read() as connection:
        assert connection.execute(text("SELECT error_code FROM provider_attempts")).scalars().all() == [reason]
    assert told_prices(sqlite_database) == []


async def test_a_run_that_brought_nothing_does_not_hide_what_the_one_before_it_was_billed(
    sqlite_database, policy, clock
):
    batch, actor = new_batch(sqlite_database, policy), Actor(4, reported=80_000)
    await run(sqlite_database, policy, clock, batch, actor, name="a")
    clock.advance(minutes=5)
    actor.items = [{"error": "none"}]
    await run(sqlite_database, policy, clock, batch, actor, name="b")
    with sqlite_database.read() as connection:
        lately = lately_billed(connection, policy, clock.now() + timedelta(minutes=5))
    assert str(lately["apify.patreon"].usd) == "0.02"


async def test_a_page_that_the_vendor_gave_twice_makes_no_price_look_cheaper(sqlite_database, policy, clock):
    batch, actor = new_batch(sqlite_database, policy), Actor(4, reported=2 * PRICE)
    actor.items = actor.items[:2] * 2
    assert len((await run(sqlite_database, policy, clock, batch, actor)).value) == 4
    assert told_prices(sqlite_database) == []


async def test_another_batch_reuses_a_finished_job_inside_its_window(sqlite_database, policy, clock):
    reusing = policy_with(policy, cache={"reuse_days": {"apify.patreon": 30}})
    first, second, actor = new_batch(sqlite_database, reusing), new_batch(sqlite_database, reusing), Actor(2)
    await run(sqlite_database, reusing, clock, first, actor)
    answer = await run(sqlite_database, reusing, clock, second, actor)
    assert (answer.reused, len(answer.value), len(actor.started)) == (True, 2, 1)
    assert ledger(sqlite_database)["reuse"] == [(None, 0, 2 * PRICE)]


async def test_paging_that_does_not_advance_ends(sqlite_database, policy, clock):
    batch, actor = new_batch(sqlite_database, policy), Actor(2)

    async def page(_status: JobStatus, _offset: int) -> JobPage:
        return JobPage(items=(), next_offset=0)

    actor.page = page  # type: ignore[method-assign]
    with pytest.raises(CallFailed, match="paging_does_not_advance"):
        await run(sqlite_database, policy, clock, batch, actor)


async def test_running_jobs_hold_the_slots_of_their_starts(sqlite_database, policy, clock):
    buckets = policy.document()["limits"]["buckets"] | {"apify_start": {"concurrent": 1}}
    batch, first, second = new_batch(sqlite_database, policy), Actor(1), Actor(1)
    first.hold = asyncio.Event()
    async with gate_over(sqlite_database, policy_with(policy, limits={"buckets": buckets}), clock) as gate:
        stage = await bound(gate, batch)
        running = asyncio.create_task(stage.run_job(first.job(name="a"), leads=[], step="search"))
        await first.polled.wait()
        second.started = [0]  # its vendor id must differ from the first one's
        waiting = asyncio.create_task(stage.run_job(second.job(name="b"), leads=[], step="search"))
        await asyncio.sleep(0.05)
        assert second.started == [0]
        first.hold.set()
        await running
        await waiting
    assert len(second.started) == 2
