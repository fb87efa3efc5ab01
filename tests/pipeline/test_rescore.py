"""Scores under another policy: $0, no vendor, stored beside the live ones, equal to the byte under the same (I-31)."""

import json
from datetime import timedelta

import pytest
from batch_world import World, book_policy
from sqlalchemy import select, update

from socialanalyzer_dagster.domain.policy import parse_policy
from socialanalyzer_dagster.pipeline.lead_view import lead_view
from socialanalyzer_dagster.pipeline.policies import Authorship, remember
from socialanalyzer_dagster.pipeline.policy_versions import version_to_use
from socialanalyzer_dagster.pipeline.rescore import rescore
from socialanalyzer_dagster.pipeline.rescored_history import history_since, rescored_batches
from socialanalyzer_dagster.storage import score_views
from socialanalyzer_dagster.storage.models_leads import LeadRow
from socialanalyzer_dagster.storage.models_results import ScoreRow


@pytest.fixture
def world(sqlite_database, policy, clock, tmp_path):
    return World(sqlite_database, book_policy(policy), clock, tmp_path)


def stricter(policy):
    """No score reaches the best tier any more."""
    document = policy.document()
    for row in document["tiers"]["rows"]:
        if row["tier"] == "auto_enroll":
            row["at_least"] = "0.99"
    return parse_policy(document)


def stored(world, kind):
    query = select(ScoreRow.lead_uid, ScoreRow.tier, ScoreRow.record).where(ScoreRow.kind == kind)
    with world.database.read() as connection:
        return sorted(json.dumps(list(row)) for row in connection.execute(query.order_by(ScoreRow.lead_uid)))


async def scored_batch(world):
    created = world.create()
    await world.run(created.key)
    return created


async def test_the_tier_flow_shows_who_moves_and_costs_nothing(world, clock):
    await scored_batch(world)
    calls = world.vendor.sent
    result = rescore(world.database, stricter(world.policy), batch_id=None, now=clock.now()).as_json()
    assert result["tier_flow"] == [{"from": "auto_enroll", "to": "standard_review", "leads": 6}]
    assert [moved["lead"] for moved in result["moved"]] == [f"testbook:p{n}" for n in range(1, 7)]
    assert (result["cost_micros"], result["scores"]) == (0, 6)
    assert world.vendor.sent == calls


async def test_live_scores_stay_and_rescored_ones_stand_beside_them(world, clock):
    await scored_batch(world)
    before = stored(world, "live")
    for _ in range(2):
        rescore(world.database, stricter(world.policy), batch_id=None, now=clock.now())
    assert stored(world, "live") == before
    assert len(stored(world, "rescored")) == 6


async def test_nothing_is_stored_about_a_person_who_is_erased_meanwhile(world, clock):
    await scored_batch(world)

    def erased(_done):
        with world.database.write() as connection:
            connection.execute(update(LeadRow).where(LeadRow.handle == "p1").values(reduced_at=clock.now()))

    rescore(world.database, stricter(world.policy), batch_id=None, now=clock.now(), tell=erased)
    assert len(stored(world, "rescored")) == 5


async def test_the_same_policy_gives_the_same_tiers_and_stores_nothing(world, clock):
    await scored_batch(world)
    before = stored(world, "live")
    result = rescore(world.database, world.policy, batch_id=None, now=clock.now())
    assert result.moved == []
    assert stored(world, "live") == before
    assert stored(world, "rescored") == []


async def test_one_batch_can_be_rescored_alone(world, clock):
    first = await scored_batch(world)
    world.vendor.names = ["q1", "q2"]
    await scored_batch(world)
    assert rescore(world.database, stricter(world.policy), batch_id=first.batch_id, now=clock.now()).scores == 6
    assert rescore(world.database, stricter(world.policy), batch_id=None, now=clock.now()).scores == 8


async def test_history_is_rescored_batch_by_batch_and_shown_beside_what_decided(database, policy, clock, tmp_path):
    world = World(database, book_policy(policy), clock, tmp_path)
    old = await scored_batch(world)
    clock.advance(days=3)
    world.vendor.names = ["p7"]
    new = await scored_batch(world)
    unscored = world.create()
    assert history_since(database, clock.now() - timedelta(days=1)) == [new.key]
    keys = history_since(database, clock.now() - timedelta(days=9))
    assert keys == [old.key, new.key]
    number = remember(database, stricter(world.policy), Authorship(author="Kai", note="what if", at=clock.now()))
    version = version_to_use(database, str(number), clock.now())
    found = {key: result.scores for key, result in rescored_batches(database, keys, version, clock.now())}
    assert found == {old.key: 6, new.key: 1}
    with database.read() as connection:
        assert score_views.rescored_tiers(connection, old.batch_id) == {number: {"standard_review": 6}}
        assert score_views.rescored_tiers(connection, unscored.batch_id) == {}
        (shown,) = lead_view(connection, "p1")["rescored"]
    assert (shown["batch"], shown["policy"], shown["note"], shown["tier"]) == (
        old.key, number, "what if", "standard_review",
    )  # fmt: skip
