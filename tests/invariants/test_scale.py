"""Invariants of scale (spec 21.5): counts of statements, rows and bytes, never times."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import pytest
from batch_world import LEAD_STAGES, BookVendor, World, book_policy, quiet, score_of
from sqlalchemy import event, select

from socialanalyzer_dagster.assets.report_metadata import stage_metadata
from socialanalyzer_dagster.definitions import build_definitions
from socialanalyzer_dagster.domain.leads import Evidence, FoundItem
from socialanalyzer_dagster.domain.outcomes import StepState, passed
from socialanalyzer_dagster.domain.ports import LeadResult, LeadWork, StepResult
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.pipeline.discovery import discover
from socialanalyzer_dagster.pipeline.runner import run_stage
from socialanalyzer_dagster.platforms.base import StageContext
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.models_results import StepResultRow

FEW, MANY = 20, 80
STEPS = "ABCDEFGHIJKL"
PROGRESS_TABLES = ("batch_stages", "lead_batches")
MOST_LEADS = 25


@dataclass
class FreeVendor(BookVendor):
    """Answers without a call, so that what is counted does not depend on how calls fell into commits."""

    async def discover(self, context: StageContext) -> AsyncIterator[FoundItem]:
        for number, name in enumerate(self.names, start=1):
            yield self.item(number, name, context.clock.now())

    async def _one(self, work: LeadWork, context: StageContext, stage: Stage) -> LeadResult:
        evidence = Evidence(lead=work.uid, kind=f"{stage}_note", body={"stage": str(stage)})
        score = score_of(work.record.platform) if stage is Stage.SCORED else None
        return LeadResult(uid=work.uid, outcome=passed(stage), evidence=(evidence,), score=score)

    async def enrich(self, works: Sequence[LeadWork], context: StageContext) -> AsyncIterator[LeadResult]:
        for work in works:
            yield await self._one(work, context, Stage.ENRICHED)


@dataclass
class Counted:
    """What went to the database: statements, bytes by table written, leads' outcomes by transaction."""

    statements: int = 0
    progress_bytes: int = 0
    outcomes: list[int] = field(default_factory=lambda: [0])


@contextmanager
def counting(database: Database) -> Iterator[Counted]:
    counted = Counted()

    def execute(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        counted.statements += 1
        if statement.startswith("UPDATE") and statement.split()[1] in PROGRESS_TABLES:
            counted.progress_bytes += len(statement) + len(json.dumps(parameters, default=str))
        if statement.startswith("INSERT INTO stage_outcomes") and "SELECT" not in statement:
            counted.outcomes[-1] += len(parameters) if many else 1

    def begin(_connection: Any) -> None:
        counted.outcomes.append(0)

    event.listen(database.engine, "before_cursor_execute", execute)
    event.listen(database.engine, "begin", begin)
    try:
        yield counted
    finally:
        event.remove(database.engine, "before_cursor_execute", execute)
        event.remove(database.engine, "begin", begin)


@pytest.fixture
def world(sqlite_database, policy, clock, tmp_path) -> World:
    """Groups are full, whatever the machine is doing."""
    patient = book_policy(policy, runtime={"commit_milliseconds": 60_000})
    return World(sqlite_database, patient, clock, tmp_path, vendor=FreeVendor())


async def counts(world: World, leads: int) -> dict[Stage, Counted]:
    """A batch of so many leads, counted stage by stage."""
    world.vendor.names = [f"p{leads}x{number}" for number in range(leads)]
    world.vendor.aliases = {name: (f"also-{name}",) for name in world.vendor.names}
    key = world.create(filters={"keyword": f"{leads} books", "max_results": leads}).key
    found: dict[Stage, Counted] = {}
    async with world.opened(key) as batch:
        for stage in (Stage.DISCOVERED, *LEAD_STAGES):
            with counting(world.database) as found[stage]:
                await (discover(batch, quiet) if stage is Stage.DISCOVERED else run_stage(batch, stage, quiet))
    return found


async def test_i_52_bytes_written_per_lead_for_progress_do_not_grow_with_the_batch(world: World) -> None:
    few, many = await counts(world, FEW), await counts(world, MANY)
    for stage in few:
        assert many[stage].progress_bytes / MANY <= few[stage].progress_bytes / FEW, stage


async def test_i_53_no_query_per_lead_and_at_most_25_leads_in_a_transaction(world: World) -> None:
    few, many = await counts(world, FEW), await counts(world, MANY)
    for stage in few:
        more = many[stage].statements - few[stage].statements
        assert more < MANY - FEW, f"{stage}: {more} statements more for {MANY - FEW} leads more"
        assert sum(many[stage].outcomes) == MANY
        assert max(many[stage].outcomes) <= MOST_LEADS, stage


async def test_i_53_a_set_of_leads_costs_the_same_statements_as_one(world: World) -> None:
    one, set_of = await counts(world, 1), await counts(world, MOST_LEADS)
    assert {stage: each.statements for stage, each in one.items()} == {
        stage: each.statements for stage, each in set_of.items()
    }


@dataclass
class DyingVendor(FreeVendor):
    """Stops for ever at a lead or a step; `seen` are the steps that a lead came back with."""

    stops_at: str | None = None
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    done: Counter[str] = field(default_factory=Counter)
    seen: dict[str, set[str]] = field(default_factory=dict)

    async def stop_at(self, place: str) -> None:
        if place == self.stops_at:
            self.stopped.set()
            await asyncio.Event().wait()
        self.done[place] += 1

    async def screen(self, works: Sequence[LeadWork], context: StageContext) -> AsyncIterator[LeadResult]:
        for work in works:
            await self.stop_at(work.record.handle)
            yield await self._one(work, context, Stage.SCREENED)

    async def enrich(self, works: Sequence[LeadWork], context: StageContext) -> AsyncIterator[LeadResult]:
        self.seen = {work.record.handle: set(work.steps) for work in works}
        for step in STEPS:
            todo = [work for work in works if step not in work.steps]
            if todo:
                await self.stop_at(step)
                result = StepResult(step=step, state=StepState.NOTHING_FOUND)
                await context.checkpoint.save_steps({work.uid: result for work in todo})
        for work in works:
            yield await self._one(work, context, Stage.ENRICHED)


async def die(world: World, key: str, stage: Stage) -> None:
    """A run of the stage that ends where the vendor stops."""
    run = asyncio.create_task(world.run(key, stage))
    await asyncio.wait_for(world.vendor.stopped.wait(), 30)  # type: ignore[attr-defined]
    run.cancel()
    await asyncio.wait({run})


async def test_i_56_a_stage_keeps_every_lead_and_enrichment_every_step_that_was_done(
    sqlite_database, policy, clock, tmp_path
) -> None:
    vendor = DyingVendor(stops_at="p4")
    one_at_a_time = {"leads_in_work": dict.fromkeys(LEAD_STAGES, 1)}
    alone = book_policy(policy, limits=one_at_a_time, runtime={"settle_seconds": 1})
    world = World(sqlite_database, alone, clock, tmp_path, vendor=vendor)
    key = world.create().key
    await world.run(key, Stage.DISCOVERED)
    await die(world, key, Stage.SCREENED)
    assert world.codes(Stage.SCREENED) == {"passed": 3}

    vendor.stops_at, vendor.stopped = "J", asyncio.Event()
    await world.run(key, Stage.SCREENED)
    assert vendor.done == {f"p{number}": 1 for number in range(1, 7)}, "no lead is done again"
    await die(world, key, Stage.ENRICHED)
    with world.database.read() as connection:
        stored = defaultdict(set)
        for lead, step in connection.execute(select(StepResultRow.lead_uid, StepResultRow.step)):
            stored[lead].add(step)
    assert list(stored.values()) == [set("ABCDEFGHI")] * 6

    vendor.stops_at = None
    await world.run(key, Stage.ENRICHED)
    assert vendor.seen == {f"p{number}": set("ABCDEFGHI") for number in range(1, 7)}
    assert {step: vendor.done[step] for step in STEPS} == dict.fromkeys(STEPS, 1), "no step is done again"
    assert world.codes(Stage.ENRICHED) == {"passed": 6}


def test_i_57_a_lead_is_never_a_partition_a_step_or_an_asset() -> None:
    definitions = build_definitions()
    graph = definitions.resolve_asset_graph()
    names = {key.to_user_string() for key in graph.get_all_asset_keys()}
    assert {f"{stage}_leads" for stage in Stage} <= names, "one asset for a stage, however many leads there are"
    dynamic = {
        definition.name
        for key in graph.get_all_asset_keys()
        if isinstance(definition := graph.get(key).partitions_def, dg.DynamicPartitionsDefinition)
    }
    assert dynamic == {LEAD_BATCHES.name}, "what grows is the number of batches"
    for job in definitions.resolve_all_job_defs():
        for node in job.all_node_defs:
            assert not any(output.is_dynamic for output in node.output_defs), "no step is made at run time"


async def test_i_58_time_and_cost_of_a_lead_are_published_by_stage_and_platform(
    sqlite_database, policy, clock, tmp_path
) -> None:
    world = World(sqlite_database, book_policy(policy), clock, tmp_path)
    key = world.create().key
    reports = await world.run(key)
    assert key.split(".")[1] == world.vendor.platform.key, "the partition names the platform"
    for stage in LEAD_STAGES:
        shown = stage_metadata(reports[stage], [], "1.0.0")
        per_lead = reports[stage].spend_micros / reports[stage].counters.passed / 1_000_000
        assert shown["usd_per_lead"].value == pytest.approx(per_lead), stage
        assert shown["usd_per_lead"].value > 0
        assert {"seconds_per_lead_p50", "seconds_per_lead_p95"} <= set(shown), stage
