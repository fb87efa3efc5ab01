"""Vendor jobs that end before they have everything, through the real gate: kept, booked to the micro, bought once."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from gate_world import KEY, VirtualTime, gate_over, jobs, ledger, money_of, new_batch, policy_with, stop_batch
from sqlalchemy import text

from socialanalyzer_dagster.domain.leads import FoundItem
from socialanalyzer_dagster.domain.outcomes import StepState
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import LeadWork, StepResult
from socialanalyzer_dagster.domain.refusals import BatchStopped, JobStillRunning
from socialanalyzer_dagster.domain.suppression import identifiers_of_record
from socialanalyzer_dagster.domain.types import LeadUid, PlatformKey, Stage
from socialanalyzer_dagster.pipeline.gate import GateOptions, SpendingGate
from socialanalyzer_dagster.pipeline.gate_parts import BatchIdentity
from socialanalyzer_dagster.pipeline.gate_rereads import Rereads
from socialanalyzer_dagster.pipeline.late_costs import late_costs, read_late_costs
from socialanalyzer_dagster.pipeline.session import PipelineSession, SessionParts
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.platforms.enrichment import enrich
from socialanalyzer_dagster.platforms.registry import platform
from socialanalyzer_dagster.sandbox.faults import Fault
from socialanalyzer_dagster.sandbox.serve import SandboxServer
from socialanalyzer_dagster.storage.database import Database
from tests.platforms.leads import creators, record_of, work_of
from tests.platforms.runs import Bench, KilledError, MemoryCheckpoint

FILTERS: Mapping[str, Mapping[str, object]] = {
    "instagram": {"max_results": 12, "hashtags": ["yoga"]},
    "patreon": {"search_keywords": ["hiking"], "location": "", "max_results": 12},
}
PROFILE_MICROS = 2_600


@dataclass
class Lab:
    """A batch of one platform on a database of its own, with as many runs as a test makes, beside the vendors' bill.

    Its enrichment has one step.
    """

    world: SandboxServer
    bench: Bench
    database: Database
    policy: Policy
    batch: BatchIdentity
    vendor: str
    letter: str
    checkpoint: MemoryCheckpoint = field(default_factory=MemoryCheckpoint)

    def __post_init__(self) -> None:
        self._before = self.world.state.bill.total_micros(self.vendor)

    @property
    def billed(self) -> int:
        return self.world.state.bill.total_micros(self.vendor) - self._before

    @property
    def workplace(self) -> Workplace:
        clock, home = self.bench.clock, Path("no files")
        return Workplace(
            database=self.database, platforms={}, clock=clock, home=home, mode="sandbox", suppression_key=KEY
        )

    @property
    def session(self) -> PipelineSession:
        gate = GateOptions(clock=self.bench.clock, suppression_key=KEY)
        parts = SessionParts(
            workplace=self.workplace, vendors=self.bench.vendors, gate=gate, boundary_secret=b"boundary"
        )
        return PipelineSession(parts)

    def switch(self, *faults: Fault) -> None:
        self.world.state.faults.set(list(faults))

    def _gate(self, *, stops: bool) -> Any:
        time = VirtualTime()

        async def sleep(seconds: float) -> None:
            stop_batch(self.database, self.batch, stopped=stops)
            self.bench.clock.advance(seconds=seconds)
            await time.sleep(seconds + 2)

        options = time.options | {"sleep": sleep}
        return gate_over(self.database, self.policy, self.bench.clock, **options)

    async def discover(self, *, stops: bool = False) -> list[FoundItem]:
        """What one run of the search yields; a run that `stops` is stopped as soon as it waits."""
        stop_batch(self.database, self.batch, stopped=False)
        key = str(self.batch.platform)
        context = self.bench.context(platform(key), FILTERS[key])
        async with self._gate(stops=stops) as gate:
            await gate.recover(self.batch.batch_id)
            there = replace(context, gate=gate.bind(self.batch, Stage.DISCOVERED), policy=self.policy)
            return [item async for item in platform(key).discover(there)]

    async def enrich(self, works: Sequence[LeadWork], *, stops: bool = False) -> dict[LeadUid, StepResult]:
        """How the step stands after one run over the leads, by lead."""
        stop_batch(self.database, self.batch, stopped=False)
        async with self._gate(stops=stops) as gate:
            await gate.recover(self.batch.batch_id)
            stored = [replace(work, steps=self.checkpoint.steps.get(work.uid, {})) for work in works]
            await self._enrich(gate, stored)
        return {uid: steps[self.letter] for uid, steps in self.checkpoint.steps.items() if self.letter in steps}

    async def _enrich(self, gate: SpendingGate, works: Sequence[LeadWork]) -> None:
        stage = gate.bind(self.batch, Stage.ENRICHED)
        for work in works:
            await stage.identify(work.uid, identifiers_of_record(work.record))
        context = self.bench.context(platform("patreon"))
        context = replace(context, gate=stage, policy=self.policy, checkpoint=self.checkpoint)
        assert len([result async for result in enrich(works, context)]) == len(works)


@pytest.fixture
def lab_of(world: SandboxServer, bench: Bench, sqlite_database: Database, policy: Policy) -> Iterator[Any]:
    def made(key: str = "patreon", vendor: str = "apify", letter: str = "E") -> Lab:
        only_one = policy_with(
            policy,
            discovery={"poll_seconds": 60},
            enrichment={"steps": {**policy.enrichment.steps, "patreon": [letter]}},
            retries={"cost_reread_seconds": 60, "attempts": 1},
        )
        batch = new_batch(sqlite_database, only_one, platform=PlatformKey(key))
        return Lab(world, bench, sqlite_database, only_one, batch, vendor, letter)

    yield made
    world.state.faults.set([])


def with_link(world: SandboxServer, count: int, kind: str, link: str) -> list[LeadWork]:
    """Leads of whom nothing but a name and one link is known."""
    linked = [one for one in creators(world.state.world, "patreon") if getattr(one.links, link)][:count]
    records = [record_of(one, {kind: str(getattr(one.links, link))}) for one in linked]
    return [work_of(record, place) for place, record in enumerate(records)]


def with_instagram(world: SandboxServer, count: int) -> list[LeadWork]:
    return with_link(world, count, "instagram", "instagram")


def usernames(lab: Lab) -> list[list[str]]:
    """The accounts that each stored job asks for."""
    with lab.database.read() as connection:
        rows = connection.execute(text("SELECT request FROM vendor_jobs ORDER BY rowid")).scalars()
        return [json.loads(row)["input"]["usernames"] for row in rows]


@pytest.mark.parametrize("kind", ["job_stuck", "run_aborted", "run_timed_out", "run_failed"])
async def test_leads_that_a_run_came_to_before_its_end_are_filled_and_only_the_others_are_asked_again(
    lab_of: Any, world: SandboxServer, kind: str
) -> None:
    lab, works = lab_of(), with_instagram(world, 6)
    lab.switch(Fault("apify", "run_start", kind, "nth", 1))
    steps = await lab.enrich(works)
    assert {step.state for step in steps.values()} <= {StepState.FILLED, StepState.NOTHING_FOUND}
    first, second = usernames(lab)
    assert second == first[3:], "what the first run delivered is not bought again"
    assert (money_of(lab.database), lab.billed) == ((6 * PROFILE_MICROS, 0, 0), 6 * PROFILE_MICROS)
    assert sum(step.detail["cost_micros"] for step in steps.values()) == lab.billed
    assert await lab.enrich(works) == steps
    assert lab.billed == 6 * PROFILE_MICROS


@pytest.mark.parametrize(
    ("letter", "kind", "link"),
    [("C", "link_aggregator", "aggregator"), ("F", "twitter", "twitter"), ("H", "twitter", "twitter"),
     ("K", "personal_website", "website")],
)  # fmt: skip
async def test_every_step_that_shares_a_run_asks_again_for_those_alone_whom_it_left_out(
    lab_of: Any, world: SandboxServer, letter: str, kind: str, link: str
) -> None:
    lab, works = lab_of(letter=letter), with_link(world, 6, kind, link)
    lab.switch(Fault("apify", "run_start", "run_timed_out", "nth", 1))
    steps = await lab.enrich(works)
    assert {step.detail.get("reason") for step in steps.values()} <= {None, "page_not_read", "run_ended_early"}
    with lab.database.read() as connection:
        rows = connection.execute(text("SELECT leads FROM vendor_jobs ORDER BY rowid")).scalars()
        first, second = (set(json.loads(row)) for row in rows)
    assert first == {work.uid for work in works}
    assert second < first
    assert {uid for uid, step in steps.items() if step.detail["tries"] == 2} == second
    assert money_of(lab.database) == (lab.billed, 0, 0)
    billed = lab.billed
    assert await lab.enrich(works) == steps
    assert lab.billed == billed


async def test_a_site_that_was_read_in_part_never_says_that_there_is_nothing(lab_of: Any, world: SandboxServer) -> None:
    lab, works = lab_of(letter="I"), with_link(world, 6, "personal_website", "website")
    lab.switch(Fault("apify", "run_start", "run_timed_out", "nth", 1))
    steps = await lab.enrich(works)
    assert {step.state for step in steps.values()} <= {StepState.FILLED, StepState.ERROR}
    assert len(jobs(lab.database)) == 1, "every site was read in part and is not paid for again"
    assert money_of(lab.database) == (lab.billed, 0, 0)


async def test_a_lead_that_two_runs_left_out_is_an_error_and_not_asked_a_third_time(
    lab_of: Any, world: SandboxServer
) -> None:
    lab, works = lab_of(), with_instagram(world, 6)
    lab.switch(Fault("apify", "run_start", "run_aborted"))
    for _ in range(2):
        steps = await lab.enrich(works)
        open_steps = [step for step in steps.values() if step.state is StepState.ERROR]
        assert {(step.detail["reason"], step.detail["tries"]) for step in open_steps} == {("run_ended_early", 2)}
        assert [len(names) for names in usernames(lab)] == [6, 3]
        assert (len(open_steps), lab.billed) == (2, 4 * PROFILE_MICROS)
    assert money_of(lab.database) == (lab.billed, 0, 0)


async def test_a_run_killed_before_it_stored_what_a_cut_run_said_replays_both_tries(
    lab_of: Any, world: SandboxServer
) -> None:
    lab, works = lab_of(), with_instagram(world, 6)
    lab.switch(Fault("apify", "run_start", "run_timed_out", "nth", 1))
    saved = lab.checkpoint.save_steps
    for killed_at in (1, 2):
        saves = iter(range(1, 10))

        async def dies(results: Any, saves: Any = saves, killed_at: int = killed_at) -> None:
            if next(saves) == killed_at:
                raise KilledError
            await saved(results)

        lab.checkpoint.save_steps = dies  # type: ignore[method-assign]
        with pytest.raises(KilledError):
            await lab.enrich(works)
    lab.checkpoint.save_steps = saved  # type: ignore[method-assign]
    steps = await lab.enrich(works)
    assert {step.state for step in steps.values()} <= {StepState.FILLED, StepState.NOTHING_FOUND}
    assert [len(names) for names in usernames(lab)] == [6, 3]
    assert (money_of(lab.database), lab.billed) == ((6 * PROFILE_MICROS, 0, 0), 6 * PROFILE_MICROS)


async def test_a_stopped_step_is_booked_at_the_vendors_late_figure_and_goes_on_from_what_it_read(
    lab_of: Any, world: SandboxServer
) -> None:
    lab, works = lab_of(), with_instagram(world, 6)
    at_its_end = Fault("apify", "actor_run", "usage_lags", "nth", 2)
    lab.switch(Fault("apify", "run_start", "job_stuck", "nth", 1), at_its_end)
    with pytest.raises(BatchStopped):
        await lab.enrich(works, stops=True)
    assert (money_of(lab.database), lab.billed) == ((3 * PROFILE_MICROS, 0, 0), 3 * PROFILE_MICROS)
    assert len(ledger(lab.database)["correction"]) == 1
    steps = await lab.enrich(works)
    assert {step.state for step in steps.values()} <= {StepState.FILLED, StepState.NOTHING_FOUND}
    assert [len(names) for names in usernames(lab)] == [6, 3]
    assert (money_of(lab.database), lab.billed) == ((6 * PROFILE_MICROS, 0, 0), 6 * PROFILE_MICROS)


async def test_a_search_that_was_stopped_yields_what_it_had_found_and_is_bought_once(lab_of: Any) -> None:
    lab = lab_of()
    lab.switch(Fault("apify", "run_start", "job_stuck", "nth", 1))
    with pytest.raises(BatchStopped):
        await lab.discover(stops=True)
    for _ in range(2):
        assert [item.record is not None for item in await lab.discover()] == [True] * 6
    assert [phase for phase, _ in jobs(lab.database)] == ["read"]
    assert lab.billed > 0
    assert money_of(lab.database) == (lab.billed, 0, 0)


async def test_a_search_that_took_longer_than_a_day_yields_what_it_had_found_and_is_bought_once(lab_of: Any) -> None:
    lab = lab_of()
    lab.switch(Fault("apify", "run_start", "job_stuck", "nth", 1))
    with pytest.raises(JobStillRunning):
        await lab.discover()
    lab.bench.clock.advance(hours=25)
    for _ in range(2):
        assert len(await lab.discover()) == 6
    assert [phase for phase, _ in jobs(lab.database)] == ["read"]
    assert money_of(lab.database) == (lab.billed, 0, 0)


async def test_profiles_of_an_export_that_failed_are_kept_and_paid_for(lab_of: Any) -> None:
    lab = lab_of("instagram", "insightiq")
    lab.switch(Fault("insightiq", "search_export", "job_cut_short"))
    for _ in range(2):
        assert [item.record is not None for item in await lab.discover()] == [True] * 6
    assert [phase for phase, _ in jobs(lab.database)] == ["read"]
    assert (money_of(lab.database), lab.billed) == ((6 * 20_000, 0, 0), 6 * 20_000)


@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_a_cost_that_its_run_could_not_read_again_is_read_by_the_sensor(
    lab_of: Any, world: SandboxServer, monkeypatch: pytest.MonkeyPatch, is_cancelled: bool
) -> None:
    lab = lab_of()
    lab.switch(Fault("apify", "actor_run", "usage_lags", "nth", 1))
    if is_cancelled:
        monkeypatch.setattr(Rereads, "plan", lambda *_: None)
    await lab.enrich(with_instagram(world, 4))
    assert (money_of(lab.database)[0] < lab.billed) == is_cancelled
    assert late_costs(lab.workplace) == [], "its run may be about to read it"
    lab.bench.clock.advance(minutes=3)
    late = late_costs(lab.workplace)
    async with lab.session as session:
        told = await read_late_costs(session, late)
    assert told == (["The final cost of 1 of 1 ended jobs was read: under $0.01 more than was booked."] * is_cancelled)
    assert money_of(lab.database) == (lab.billed, 0, 0)
    assert late_costs(lab.workplace) == []


async def test_a_cost_that_nobody_can_read_now_is_left_to_the_next_tick(
    lab_of: Any, world: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = lab_of()
    monkeypatch.setattr(Rereads, "plan", lambda *_: None)
    await lab.enrich(with_instagram(world, 2))
    lab.bench.clock.advance(minutes=3)
    lab.switch(Fault("apify", "actor_run", "error_503"))
    async with lab.session as session:
        await read_late_costs(session, late_costs(lab.workplace))
        assert len(late_costs(lab.workplace)) == 1
        lab.switch()
        await read_late_costs(session, late_costs(lab.workplace))
    assert late_costs(lab.workplace) == []
    lab.bench.clock.advance(hours=25)
    assert late_costs(lab.workplace) == []
