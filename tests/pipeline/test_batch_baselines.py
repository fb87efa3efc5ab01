"""A batch stands beside those that completed before it: of its preset where there are enough, else of its platform."""

from typing import Any

import pytest
from batch_world import FETCH_MICROS, FOUND_MICROS, PLATFORM, World, book_policy
from sqlalchemy import update

from socialanalyzer_dagster.domain.baselines import Comparison, Grade
from socialanalyzer_dagster.domain.batch_metrics import JUDGED_STAGES
from socialanalyzer_dagster.domain.policy import parse_policy
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.baselines import comparisons, of_stage, stage_comparisons
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.batch_view import batch_view
from socialanalyzer_dagster.pipeline.presets import PresetForm, save_preset
from socialanalyzer_dagster.pipeline.rescore import rescore
from socialanalyzer_dagster.pipeline.summaries import summarize
from socialanalyzer_dagster.storage.batch_totals import completed_between, totals_of
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow
from socialanalyzer_dagster.storage.models_results import ScoreRow
from socialanalyzer_dagster.storage.scores import REDUCED


@pytest.fixture
def world(sqlite_database: Database, policy: Any, clock: Any, tmp_path: Any) -> World:
    return World(sqlite_database, book_policy(policy), clock, tmp_path)


@pytest.fixture
def world_on_each(database: Database, policy: Any, clock: Any, tmp_path: Any) -> World:
    """The same over each engine, for what sums and JSON columns decide."""
    return World(database, book_policy(policy), clock, tmp_path)


async def went_through(world: World, number: int, **request: Any) -> str:
    """A batch of six new leads that completed, a day after the one before."""
    world.clock.advance(days=1)
    world.vendor.names = [f"n{number}p{at}" for at in range(6)]
    key = world.create(**request).key
    await world.run_at_once(key)
    with world.database.write() as connection:
        of_key = LeadBatchRow.partition_key == key
        ended = {"status": "completed", "finished_at": world.clock.now()}
        connection.execute(update(LeadBatchRow).where(of_key).values(**ended))
    return key


def found_for(world: World, key: str) -> dict[str, Comparison]:
    with world.database.read() as connection:
        return {
            each.figure.name: each for each in comparisons(connection, find_batch(world.workplace, key), world.policy)
        }


async def test_totals_are_what_the_batch_came_to(world_on_each: World) -> None:
    key = await went_through(world_on_each, 1)
    batch = find_batch(world_on_each.workplace, key)
    with world_on_each.database.read() as connection:
        totals = totals_of(connection, [batch.batch_id])[batch.batch_id]
    assert (totals.found, totals.new, totals.scored) == (6, 6, 6)
    assert totals.mean_score == pytest.approx(0.8)
    assert totals.score_spread == pytest.approx(0.0, abs=1e-6)
    assert totals.tiers == {"auto_enroll": 6}
    paid_stages = sum(totals.of(stage).judged for stage in (Stage.SCREENED, Stage.ENRICHED, Stage.ANALYZED))
    assert paid_stages == 18
    assert totals.cost_micros % FETCH_MICROS == 6 * FOUND_MICROS % FETCH_MICROS
    assert totals.of(Stage.SCREENED).failed == 0


async def test_what_another_policy_would_have_made_of_a_batch_is_in_no_figure_even_when_people_are_erased(
    world_on_each: World,
) -> None:
    key = await went_through(world_on_each, 1)
    batch = find_batch(world_on_each.workplace, key)
    document = world_on_each.policy.document()
    document["tiers"]["rows"][0]["at_least"] = "0.99"
    rescore(world_on_each.database, parse_policy(document), batch_id=batch.batch_id, now=world_on_each.clock.now())
    with world_on_each.database.write() as connection:
        connection.execute(update(ScoreRow).values(kind=REDUCED, lead_score="", base="", record={}))
    with world_on_each.database.read() as connection:
        assert totals_of(connection, [batch.batch_id])[batch.batch_id].tiers == {"auto_enroll": 6}


async def test_three_batches_of_a_platform_make_a_baseline_and_those_of_a_preset_one_of_its_own(world: World) -> None:
    form = PresetForm(platform=PLATFORM, name="Walkers", filters={"keyword": "walk"}, by="Mara")
    save_preset(world.workplace, form)
    for number in range(3):
        await went_through(world, number)
    first = await went_through(world, 3, preset="walkers")
    found = found_for(world, first)
    assert found["screened_yield"].grade is Grade.USUAL
    assert found["screened_yield"].baseline is not None
    assert found["screened_yield"].baseline.of == f"all batches on {PLATFORM}"
    for number in (4, 5):
        await went_through(world, number, preset="walkers")
    last = await went_through(world, 6, preset="walkers")
    own = found_for(world, last)
    assert own["screened_yield"].baseline is not None
    assert own["screened_yield"].baseline.of == "preset Walkers"
    assert own["screened_yield"].baseline.is_young
    scored = {each.figure.name for each in of_stage(list(own.values()), Stage.SCORED)}
    assert {"scored_yield", "average_score", "cost_per_scored_lead", "auto_enroll_share"} <= scored
    assert "novelty" not in scored
    assert [each.figure.name for each in of_stage(list(own.values()), Stage.DISCOVERED)] == ["novelty"]
    batch = find_batch(world.workplace, last)
    with world.database.read() as connection:
        for stage in (Stage.DISCOVERED, *JUDGED_STAGES):
            alone = stage_comparisons(connection, batch, world.policy, stage)
            assert alone == of_stage(list(own.values()), stage)
            assert alone


def told_worse(world: World, key: str) -> list[str]:
    return [each for each in summarize(world.workplace, find_batch(world.workplace, key)).warnings if "usual" in each]


async def test_the_summary_warns_of_what_is_worse_than_usual_beyond_chance(
    sqlite_database: Database, policy: Any, clock: Any, tmp_path: Any
) -> None:
    world = World(sqlite_database, book_policy(policy), clock, tmp_path)
    healthy = [await went_through(world, number) for number in range(3)]
    world.clock.advance(days=1)
    world.vendor.names = [f"{'r' if at else 'p'}{at}" for at in range(10)]
    key = world.create().key
    await world.run_at_once(key)
    usual = f"the usual 100% of all batches on {PLATFORM} (median of 3 batches, a young baseline)"
    warning = f"Screened yield is 10%, 90% below {usual}: significant and bad."
    assert told_worse(world, healthy[-1]) == []
    assert warning in told_worse(world, key)
    assert warning in batch_view(world.workplace, key)["summary"]
    with world.database.write() as connection:
        connection.execute(update(LeadBatchRow).where(LeadBatchRow.partition_key == key).values(status="stopped"))
    assert told_worse(world, key) == []


async def test_batches_of_other_times_and_capped_ones_are_no_baseline(world: World) -> None:
    old = await went_through(world, 1)
    world.clock.advance(days=40)
    capped = await went_through(world, 2)
    with world.database.write() as connection:
        connection.execute(update(LeadBatchRow).where(LeadBatchRow.partition_key == capped).values(capped=True))
    newest = await went_through(world, 3)
    batch = find_batch(world.workplace, newest)
    with world.database.read() as connection:
        everything = completed_between(
            connection, PLATFORM, find_batch(world.workplace, old).created_at, batch.created_at
        )
    assert [each.batch_id for each in everything] == [find_batch(world.workplace, old).batch_id]
    assert found_for(world, newest)["screened_yield"].grade is Grade.NO_BASELINE
