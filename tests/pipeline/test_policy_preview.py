"""A policy is previewed on stored judgements: nothing is asked, paid or written, and what nobody knows is said so."""

from dataclasses import replace

import pytest
from batch_world import PLATFORM, World, book_policy, score_of
from sqlalchemy import func, select, update

from socialanalyzer_dagster.domain.policy import Policy, parse_policy
from socialanalyzer_dagster.domain.policy_preview import unseen_changes
from socialanalyzer_dagster.domain.rescreening import PASSES, rejects
from socialanalyzer_dagster.domain.scoring import compute_score
from socialanalyzer_dagster.pipeline.policies import Authorship, activate
from socialanalyzer_dagster.pipeline.policy_preview import PreviewRequest, preview_policy
from socialanalyzer_dagster.pipeline.rescore import rescore
from socialanalyzer_dagster.storage.columns import Base
from socialanalyzer_dagster.storage.models_leads import LeadRow
from socialanalyzer_dagster.storage.models_results import ScoreRow
from socialanalyzer_dagster.storage.scores import REDUCED, ScoresOf, write_scores


@pytest.fixture
def world(sqlite_database, policy, clock, tmp_path):
    return World(sqlite_database, book_policy(policy), clock, tmp_path)


def changed(policy: Policy, section: str, **values: object) -> Policy:
    document = policy.document()
    document[section] |= values
    return parse_policy(document)


def stricter(policy: Policy) -> Policy:
    rows = policy.document()["tiers"]["rows"]
    return changed(
        policy, "tiers", rows=[row | {"at_least": "0.99"} if row["tier"] == "auto_enroll" else row for row in rows]
    )


def tables(database):
    with database.read() as connection:
        return {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in Base.metadata.tables.items()
        }


def previewed(world: World, policy: Policy, rescreen=None, **request):
    platform = world.vendor.platform
    platform = platform if rescreen is None else replace(platform, rescreen=rescreen)
    asked = PreviewRequest(policy=policy, now=world.clock.now(), **request)
    return preview_policy(world.database, {PLATFORM: platform}, asked).as_json()


async def test_the_effect_is_shown_and_nothing_is_asked_paid_or_written(database, policy, clock, tmp_path):
    world = World(database, book_policy(policy), clock, tmp_path)
    await world.run_at_once(world.create().key)
    sent, before = world.vendor.sent, tables(database)
    found = previewed(world, stricter(world.policy), most_named=2)
    assert found["tier_flow"] == [{"from": "auto_enroll", "to": "standard_review", "leads": 6}]
    assert [each["handle"][0] for each in found["moved"]] == ["p", "p"]
    assert (found["moved_count"], found["moved_left_off"], found["cost_micros"]) == (6, 4, 0)
    assert found["headline"].startswith("6 of 6 leads scored in the last 30 days would change tier, 6 from auto_enroll")
    assert (world.vendor.sent, tables(database)) == (sent, before)


async def test_leads_that_leave_the_enrolled_tier_load_the_bdrs(world):
    await world.run_at_once(world.create().key)
    found = previewed(world, stricter(world.policy))
    assert {each["bdr"]: (each["now"], each["then"]) for each in found["bdrs"]} in (
        {"(enrolled, no BDR)": (6, 0), "Ada": (0, 6)},
        {"(to be dealt)": (6, 6)},
    )
    (day,) = found["per_working_day"]["platforms"]
    assert (day["scored"], day["enrolled"]) == ({"now": 6.0, "then": 6.0}, {"now": 6.0, "then": 0.0})


async def test_days_are_held_against_the_targets_of_both_policies(world):
    await world.run_at_once(world.create().key)
    asked = changed(stricter(world.policy), "targets", scored_leads={PLATFORM: {"thursday": 1, "friday": 7}})
    (day,) = previewed(world, asked)["per_working_day"]["platforms"]
    assert (day["target"], day["working_days"]) == ({"now": 0.0, "then": 7.0}, {"now": 0, "then": 1})
    assert day["days_met"] == {"now": 0, "then": 0}
    activate(world.database, asked, Authorship(author="test", note="", at=world.clock.now()))
    less = changed(asked, "targets", scored_leads={PLATFORM: {"friday": 6}})
    (day,) = previewed(world, less)["per_working_day"]["platforms"]
    assert day["days_met"] == {"now": 0, "then": 1}


async def test_a_lead_counts_once_with_its_newest_judgement_and_old_ones_not_at_all(world, clock):
    await world.run_at_once(world.create().key)
    clock.advance(days=20)
    again = world.create()
    with world.database.write() as connection:
        (uid,) = connection.execute(select(LeadRow.lead_uid).where(LeadRow.handle == "p1")).one()
        better = compute_score(score_of(PLATFORM).inputs, "again", stricter(world.policy))
        of = ScoresOf(batch_id=again.batch_id, policy_hash=stricter(world.policy).digest)
        write_scores(connection, of, {uid: better}, clock.now())
    found = previewed(world, stricter(world.policy))
    assert (found["scores"], found["decided_by_earlier_versions"]) == (6, 1)
    assert previewed(world, stricter(world.policy), days=1)["scores"] == 1
    clock.advance(days=2)
    empty = previewed(world, stricter(world.policy), days=1)
    assert (empty["scores"], empty["per_working_day"]) == (0, {"since": None, "platforms": []})


async def test_rules_that_are_the_same_are_not_judged_again(world):
    world.vendor.names = ["p1", "r1"]
    await world.run_at_once(world.create().key)
    flow = previewed(world, stricter(world.policy))["screening"]["flow"]
    assert flow == [
        {"from": "passed", "to": "passed", "leads": 1},
        {"from": "rejected", "to": "rejected", "leads": 1},
    ]


async def test_what_screening_would_say_is_told_or_not_known(world):
    world.vendor.names = ["p1", "r1"]
    await world.run_at_once(world.create().key)
    other = changed(world.policy, "screening", max_inactive_days=10)
    found = previewed(world, other)["screening"]
    assert (found["moved_count"], found["unclear"]) == (1, 1)
    (moved,) = found["moved"]
    assert (moved["handle"], moved["from"], moved["to"], moved["code"]) == ("r1", "rejected", "not_known", "inactive")
    swapped = previewed(world, other, lambda case, _policy: PASSES if case.code else rejects("inactive"))
    assert [(each["from"], each["to"]) for each in swapped["screening"]["flow"]] == [
        ("passed", "rejected"), ("rejected", "passed"),
    ]  # fmt: skip
    assert swapped["tier_flow"] == [{"from": "auto_enroll", "to": "screened_out", "leads": 1}]
    (day,) = swapped["per_working_day"]["platforms"]
    assert (day["may_enter"], day["scored"]) == (1, {"now": 1.0, "then": 0.0})


async def test_nothing_is_said_about_a_lead_whose_record_is_gone(world, clock):
    await world.run_at_once(world.create().key)
    with world.database.write() as connection:
        connection.execute(update(LeadRow).values(reduced_at=clock.now()))
    found = previewed(world, changed(world.policy, "screening", max_gap_days=10), lambda *_: PASSES)
    assert found["screening"]["flow"] == [{"from": "passed", "to": "not_known", "leads": 6}]


async def test_scores_of_which_the_tier_alone_is_left_are_counted_as_not_known(world, clock):
    await world.run_at_once(world.create().key)
    rescore(world.database, stricter(world.policy), batch_id=None, now=clock.now())
    with world.database.write() as connection:
        connection.execute(update(ScoreRow).values(kind=REDUCED, lead_score="", base="", record={}))
    found = previewed(world, stricter(world.policy))
    assert (found["scores"], found["scores_not_known"]) == (0, 6)


async def test_scores_of_earlier_versions_are_compared_under_the_active_one(world, clock):
    await world.run_at_once(world.create().key)
    activate(world.database, stricter(world.policy), Authorship(author="test", note="", at=clock.now()))
    found = previewed(world, world.policy)
    assert found["tier_flow"] == [{"from": "standard_review", "to": "auto_enroll", "leads": 6}]
    assert found["decided_by_earlier_versions"] == 6


def test_changes_whose_effect_cannot_be_told_are_named():
    paths = ["tiers.rows", "prompts.triage_v1.instructions", "limits.buckets.openai.concurrent", "models.vision"]
    assert unseen_changes(paths) == ["models.vision", "prompts.triage_v1.instructions"]
