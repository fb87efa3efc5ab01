"""What must be true of results, whatever happens on the way: invariants I-1 to I-19 (spec 21.1)."""

import hashlib
import itertools
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from batch_world import World
from crm_world import CrmWorld
from hypothesis import given, settings
from hypothesis import strategies as st

from socialanalyzer_dagster.domain.category_examples import ExamplesError, parse_examples, shipped_examples
from socialanalyzer_dagster.domain.contact_choice import ChoiceContext, resolve
from socialanalyzer_dagster.domain.content_items import ContentItem, MediaKind
from socialanalyzer_dagster.domain.crm_table import crm_properties
from socialanalyzer_dagster.domain.emails import EmailStatus
from socialanalyzer_dagster.domain.engagement import engagement_metrics
from socialanalyzer_dagster.domain.filters import FilterProblems, validate_filters
from socialanalyzer_dagster.domain.hosts import registered_domain
from socialanalyzer_dagster.domain.leads import CandidateKind, Evidence, LeadRecord
from socialanalyzer_dagster.domain.links import social_link
from socialanalyzer_dagster.domain.outcomes import StepState
from socialanalyzer_dagster.domain.policy import Policy, PolicyError, parse_policy, shipped_policy
from socialanalyzer_dagster.domain.scores import DIMENSIONS, ScoreInputs, ScoreRecord
from socialanalyzer_dagster.domain.scoring import compute_score, recompute
from socialanalyzer_dagster.domain.travel_flag import TextUnit, travel_flag
from socialanalyzer_dagster.domain.types import LeadUid, PlatformKey, Stage
from socialanalyzer_dagster.pipeline.batch_actions import Deed, find_batch, retry, stop
from socialanalyzer_dagster.pipeline.batch_finish import Ending, finish_batch
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.batch_view import batch_view
from socialanalyzer_dagster.platforms import (
    facebook,
    facebook_discovery,
    instagram_discovery,
    patreon,
    patreon_discovery,
)
from socialanalyzer_dagster.platforms.enrichment import STEPS, enrich
from socialanalyzer_dagster.platforms.evidence_kinds import PATREON_PROFILE
from socialanalyzer_dagster.platforms.registry import PLATFORMS, platform
from socialanalyzer_dagster.storage import searches
from socialanalyzer_dagster.vendors.media_store import FolderStore, keeper
from tests.platforms.gate import RememberingGate
from tests.platforms.leads import candidate, creators, record_of, work_of
from tests.platforms.runs import Bench, run
from tests.platforms.scripted import SCORE, completion, scripted_model

pytestmark = pytest.mark.xdist_group("invariants")  # their town is built once, not in every test process
POLICY = shipped_policy()
NOW = datetime(2026, 11, 20, tzinfo=UTC)
BY = Deed(by="Ada")


def a_record(key: str = "patreon", **facts) -> LeadRecord:
    kinds = {"instagram": "followers", "patreon": "patrons", "facebook": "members"}
    known = {
        "platform": PlatformKey(key), "platform_id": "adatrail", "handle": "adatrail",
        "profile_url": "https://www.example-host.com/adatrail", "audience_kind": kinds[key],
    }  # fmt: skip
    return LeadRecord.model_validate({**known, **facts})


def inputs(level: str = "0.5", **facts) -> ScoreInputs:
    known = {
        "platform": "instagram", "answers": (dict.fromkeys(DIMENSIONS, Decimal(level)),), "category": "learning",
        "audience_size": None, "posts_above": None, "posts_below": None, "posts_hidden": None, "travel_flag": False,
    }  # fmt: skip
    return ScoreInputs.model_validate({**known, **facts})


def test_i_01_bio_and_links_reach_the_scoring_prompt_and_the_audience_its_boost_unchanged(town):
    prompts = [asked for asked in town.asked if "niche" in asked and "engagement_metrics" in asked]
    found = {row.lead_uid: row for row in town.leads()}
    scores = town.scores()
    assert {found[score.lead_uid].platform for score in scores} == set(PLATFORMS)
    for score in scores:
        lead = found[score.lead_uid]
        record, stored = lead.as_found, ScoreRecord.model_validate(score.record)
        (prompt,) = [asked for asked in prompts if f"handle: {record.handle}\n" in asked][:1]
        if record.bio and not any(char.isdigit() for char in record.bio):
            assert record.bio[:500].strip() in prompt
        for kind, url in record.links.items():
            assert f"{kind} {url}" in prompt
        assert stored.inputs.audience_size == (record.audience_size or lead.record.audience_size)
        size = stored.inputs.audience_size or 0
        assert stored.boost == next((step.add for step in POLICY.scoring.boosts if size >= step.at_least), Decimal(0))


async def test_i_02_object_keys_hold_lead_and_content_hash_and_foreign_evidence_stops_a_prompt(town, bench, tmp_path):
    kept = [path for folder in ("media", "grids") for path in (town.home / "media" / folder).rglob("*.*")]
    uids = {row.lead_uid for row in town.leads()}
    assert kept
    for path in kept:
        assert path.parent.name in uids
        assert path.stem == hashlib.sha256(path.read_bytes()).hexdigest()
    store = FolderStore(tmp_path)
    keys = [await keeper(store, LeadUid(uid))(b"same", "image/png") for uid in ("lead-a", "lead-b")]
    assert len(set(keys)) == 2

    model, channel = scripted_model(lead_score_v1=[completion(SCORE)])
    bench.vendors = replace(bench.vendors, llm=model)
    mine, theirs = a_record(), a_record(platform_id="somebody-else")
    foreign = Evidence(lead=theirs.uid, kind=PATREON_PROFILE, body={})
    work = replace(work_of(mine), evidence={PATREON_PROFILE: foreign})
    result = (await run(platform("patreon").score, [work], bench.context(platform("patreon"))))[mine.uid]
    assert (result.outcome.result, result.outcome.code, channel.asked) == ("failed", "evidence_mismatch", [])


def test_i_03_leads_of_every_platform_are_stored_once_and_reach_the_crm_with_their_judgement(town):
    identities = [(row.platform, row.platform_id) for row in town.leads()]
    assert len(identities) == len(set(identities))
    synced = {row.platform for row in town.outcomes() if (row.stage, row.result) == (Stage.SYNCED, "passed")}
    assert synced == set(PLATFORMS)
    ours = {each["creator_uid"]: each for each in town.contacts if each.get("creator_uid")}
    scores = {score.lead_uid: ScoreRecord.model_validate(score.record) for score in town.scores() if score.tier}
    assert ours
    for uid, contact in ours.items():
        score = scores[uid]
        assert contact["priority_tier"] == score.tier
        assert Decimal(contact["lead_score"]) == score.lead_score
        assert contact["score_reasoning"] == score.reasoning
        assert contact["email_verification_status"] in ("valid", "catch_all", "unknown")
        assert contact["email"]


async def test_i_04_every_outcome_is_stored_with_its_reason_also_in_stopped_and_failed_batches(world: World):
    world.vendor.names = ["p1", "r1", "p2"]
    world.vendor.bugs["screened:p2"] = ValueError("private")
    key = world.create().key
    await world.run(key, Stage.DISCOVERED, Stage.SCREENED)
    now = {name: found[-1] for (stage, name), found in world.outcomes().items() if stage == Stage.SCREENED}
    assert now == {"p1": ("passed", None), "r1": ("rejected", "inactive"), "p2": ("failed", "internal_error")}
    stop(world.workplace, key, BY)
    after = world.outcomes()
    assert {name: after["screened", name][-1] for name in now} == now
    assert after["enriched", "p1"] == [("skipped", "batch_stopped")]
    assert after["enriched", "r1"] == [("skipped", "upstream_rejected")]
    assert after["scored", "p2"] == [("skipped", "upstream_skipped")] or after["scored", "p2"][0][0] == "skipped"

    world.vendor.names = ["q1", "r2"]
    key = world.create().key
    await world.run(key, Stage.DISCOVERED, Stage.SCREENED)
    batch = find_batch(world.workplace, key)
    finish_batch(world.workplace, batch, Ending(status=BatchStatus.FAILED, cause="x", now=world.clock.now()))
    assert world.outcomes()["screened", "r2"] == [("rejected", "inactive")]


@pytest.mark.parametrize(
    "answer",
    [
        {name: value for name, value in SCORE.items() if name != DIMENSIONS[0]},
        {**SCORE, DIMENSIONS[0]: 1.01},
        {**SCORE, DIMENSIONS[0]: None},
        {**SCORE, DIMENSIONS[0]: float("nan")},
    ],
)
async def test_i_05_a_missing_or_out_of_range_score_is_a_failed_lead_never_zero(bench: Bench, answer, town):
    profile = next(row for row in town.evidence(PATREON_PROFILE))
    model, _ = scripted_model(lead_score_v1=[completion(answer)])
    bench.vendors = replace(bench.vendors, llm=model)
    record = a_record()
    seen = Evidence(lead=record.uid, kind=PATREON_PROFILE, body=profile.body)
    chosen = platform("patreon")
    work = replace(work_of(record), evidence={PATREON_PROFILE: seen})
    result = (await run(chosen.score, [work], bench.context(chosen)))[record.uid]
    assert result.outcome.result == "failed"
    assert result.score is None


def test_i_06_unknown_is_null_and_triggers_no_minimum_no_penalty_and_no_constant(policy: Policy):
    asked = {"min_patrons": 5, "max_patrons": 9, "min_posts": 3, "search_keywords": ["yoga"]}
    filters = validate_filters(patreon.PATREON.filter_model, asked, policy)
    assert patreon.rule_problem(a_record(), filters) is None
    groups = validate_filters(facebook.FACEBOOK.filter_model, {"keywords": ["yoga"], "min_posts_per_month": 4}, policy)
    assert facebook.rule_problem(a_record("facebook"), groups) is None
    score = compute_score(inputs(category="unknown"), "because it is so", policy)
    assert (score.boost, score.adjustment, score.penalty) == (0, 0, 0)
    item = patreon_discovery.from_list_row(list_row(handle="adatrail"), policy, NOW)
    assert item.record is not None
    facts = item.record.model_dump(exclude={"platform", "platform_id", "handle", "profile_url", "audience_kind"})
    assert {value for name, value in facts.items() if name != "links"} == {None}


async def test_i_07_the_state_of_an_address_decides_about_its_sync(crm: CrmWorld):
    crm.vendor.statuses = {
        "p1": "valid", "p2": "catch_all", "p3": "unknown", "p4": "unverified", "p5": "invalid", "p6": "disposable",
    }  # fmt: skip
    key = await crm.scored("p1", "p2", "p3", "p4", "p5", "p6")
    await crm.plan(key)
    assert crm.actions(key) == {
        "p1": ("create", None), "p2": ("create", None), "p3": ("create", None), "p4": ("held", "held_email_unverified"),
        "p5": ("rejected", "email_invalid"), "p6": ("rejected", "email_disposable"),
    }  # fmt: skip
    marks = {name: row.planned.changes["email_verification_status"].new for name, row in crm.rows(key).items()
             if row.planned.changes}  # fmt: skip
    assert (marks["p2"], marks["p3"]) == ("catch_all", "unknown")


def test_i_08_the_order_of_execution_and_the_time_of_reading_choose_nothing(policy: Policy):
    found = [
        candidate("email", "info@adatrail.com", CandidateKind.TEXT), candidate("email", "ada@adatrail.com"),
        candidate("email", "ada@gmail.com", CandidateKind.MAILTO), candidate("youtube", "https://www.youtube.com/@ada"),
        replace(candidate("youtube", "https://www.youtube.com/@trail", CandidateKind.TEXT), step="D"),
        candidate("personal_website", "https://adatrail.com"), candidate("name", "Ada Trail"),
    ]  # fmt: skip
    statuses = {"ada@adatrail.com": EmailStatus.INVALID, "ada@gmail.com": EmailStatus.VALID}
    context = ChoiceContext(names=("Ada Trail",), email_statuses=statuses)
    orders = itertools.islice(itertools.permutations(found), 0, None, 97)
    dice = random.Random(7)
    chosen = set()
    for order in orders:
        aged = [replace(one, fetched_at=NOW + timedelta(days=dice.randint(0, 9))) for one in order]
        chosen.add(tuple((name, one.value) for name, one in resolve(aged, context, policy).items()))
    assert len(chosen) == 1
    assert dict(chosen.pop())["email"] == "ada@gmail.com"


async def test_i_08_leads_worked_on_in_another_order_get_the_same_contacts(bench: Bench, server):
    people = [one for one in creators(server.state.world, "patreon") if one.links.aggregator or one.links.rss][:6]
    works = [
        work_of(record_of(one, {"link_aggregator": one.links.aggregator} if one.links.aggregator else
                          {"rss": one.links.rss}), place)
        for place, one in enumerate(people, start=1)
    ]  # fmt: skip
    chosen = platform("patreon")
    values = []
    for order in (works, works[::-1]):
        fresh = replace(bench, gate=RememberingGate(policy=bench.policy, clock=bench.clock))
        fresh.checkpoint.steps.clear()
        results = await run(enrich, order, fresh.context(chosen))
        values.append({uid: {name: one.value for name, one in each.values.items()} for uid, each in results.items()})
    assert values[0] == values[1]
    assert any("email" in each for each in values[0].values())


@pytest.mark.parametrize(
    "url",
    [
        "https://twitter.com/share?url=x", "https://x.com/intent/post", "https://www.facebook.com/sharer/sharer.php",
        "https://www.instagram.com/p/abc", "https://www.youtube.com/watch?v=1", "https://www.linkedin.com/feed",
        "https://wix.com/ada", "https://travelfox.com/ada", "https://x.com.evil.example/ada", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_i_09_hosts_are_compared_whole_and_share_links_are_no_profiles(url: str):
    assert social_link(url) is None
    assert registered_domain(url) != "x.com" or "x.com/intent" in url


def test_i_10_category_keys_are_one_enum_everywhere_and_lists_are_checked_at_load(policy: Policy):
    labels = dict(policy.categories.labels)
    assert set(shipped_examples(labels).examples) == set(labels) - {"unknown"}
    assert set(policy.scoring.penalties) <= set(labels)
    assert set(crm_properties(policy)["primary_category"].options) == set(labels.values())
    from socialanalyzer_dagster.domain.answer_schemas import creator_profile_schema

    schema = creator_profile_schema(a_record("instagram"), policy).json_schema
    assert set(schema["properties"]["primary_category"]["enum"]) == set(labels)
    with pytest.raises(ExamplesError):
        parse_examples("patterns: {}\nexamples: {}", labels)
    for section, wrong in (
        ("scoring", {"penalties": {"sports": "-0.1"}}),
        ("screening", {"reject_topics": {"x": "y"}}),
    ):
        document = policy.document()
        document[section] |= wrong
        with pytest.raises(PolicyError):
            parse_policy(document)


def instagram_shown(filters):
    return instagram_discovery.search_body(filters, POLICY)


def patreon_shown(filters):
    rules = [patreon.rule_problem(a_record(audience_size=size, post_count=size), filters) for size in (1, 50, 10**7)]
    return patreon_discovery.search_queries(filters), filters.max_results, rules


def facebook_shown(filters):
    rates = [Decimal(1), Decimal(90)]
    rules = [
        facebook.rule_problem(a_record("facebook", audience_size=size, posts_per_month=rate, visibility=seen), filters)
        for size in (1, 1000, 10**7) for rate in rates for seen in ("public", "private")
    ]  # fmt: skip
    return facebook_discovery.search_queries(filters), filters.max_results, rules


FILTER_CHANGES = {
    "instagram": (instagram_shown, {}, {
        "max_results": 41, "follower_count": {"min": 1, "max": 2}, "creator_interests": ["yoga"],
        "audience_interests": ["yoga"], "hashtags": ["sea"], "bio_phrase": "sea",
        "bio_phrase_advanced": [{"bio_phrase": "sea", "action": "NOT"}],
        "lookalike_type": "creator", "lookalike_username": "ada",
    }),
    "patreon": (patreon_shown, {"search_keywords": ["tea"]}, {
        "search_keywords": ["sea"], "location": "Peru", "max_results": 41, "min_patrons": 9, "max_patrons": 10,
        "min_posts": 9,
    }),
    "facebook": (facebook_shown, {"keywords": ["tea"]}, {
        "keywords": ["sea"], "max_results": 41, "min_members": 1, "max_members": 600, "visibility": "private",
        "min_posts_per_month": 9,
    }),
}  # fmt: skip


@pytest.mark.parametrize("key", list(PLATFORMS))
def test_i_11_every_accepted_filter_is_visible_in_the_request_or_a_local_rule(key: str):
    shown, base, changes = FILTER_CHANGES[key]
    model = platform(key).filter_model
    assert set(changes) == set(model.model_fields), "a new filter must be seen somewhere"
    before = shown(validate_filters(model, base, POLICY))
    for name, value in changes.items():
        pair = {"lookalike_type": "creator", "lookalike_username": "ada"} if name.startswith("lookalike") else {}
        assert shown(validate_filters(model, {**base, **pair, name: value}, POLICY)) != before, name
    with pytest.raises(FilterProblems):
        validate_filters(model, {**base, "unheard_of": 1}, POLICY)


@pytest.mark.parametrize(
    ("text", "flagged"),
    [
        ("Stripe checkout, register now", False), ("A tourniquet course: sign up", False),
        ("15 years of experience, spots left", False), ("Hosted retreats", False), ("Book now", False),
        ("My next retreat: spots available", True), ("Tours! Registration open", True),
    ],
)  # fmt: skip
def test_i_12_keyword_flags_need_whole_words_of_two_classes(text: str, flagged: bool, policy: Policy):
    assert (travel_flag([TextUnit("bio", text)], policy.screening) is not None) is flagged


TEXTS = st.none() | st.text(max_size=120) | st.sampled_from(["", "\x00", "\ud800", "旅" * 3000, "مرحبا", "http://[::1"])


@settings(max_examples=25, deadline=None)
@given(TEXTS, TEXTS, TEXTS)
def test_i_13_any_text_from_outside_is_read_without_a_crash(one, two, three):
    from socialanalyzer_dagster.vendors.apify_items import GoogleResult, patreon_creators
    from socialanalyzer_dagster.vendors.insightiq import Profile

    profile = Profile.model_validate({"platform_username": one, "full_name": two, "introduction": three})
    instagram_discovery.found_item(1, profile, POLICY, NOW)
    for creator in patreon_creators([{"vanity": one, "about": two, "personal_website": three}]).items:
        patreon_discovery.found_item(1, creator, POLICY, NOW)
    facebook_discovery.found_item(1, GoogleResult(title=one, url=two, description=three), POLICY, NOW)
    for each in PLATFORMS.values():
        each.from_list_row(list_row(handle=one, url=two, about=three), POLICY, NOW)


async def test_i_13_odd_text_goes_through_every_stage_and_is_stored(world: World):
    world.vendor.names = ["\x00nul", "\ud800half", "旅" * 200, "مرحبا", "e\u0301\u202e", " spaced name ", "a" * 250]
    key = world.create().key
    await world.run(key)
    assert world.codes(Stage.SCORED) == {"passed": 7}


def list_row(**values):
    from socialanalyzer_dagster.domain.creator_lists import ListRow

    return ListRow(line=1, **values)


KNOWN = {
    "rss": lambda one: one.links.rss, "link_aggregator": lambda one: one.links.aggregator,
    "youtube": lambda one: one.links.youtube, "instagram": lambda one: one.links.instagram,
    "twitter": lambda one: one.links.twitter, "personal_website": lambda one: one.links.website,
    "email": lambda one: one.contact.email, "": lambda one: one.handle,
}  # fmt: skip
"""What is known of some leads at first, and where the world has it; the last know their name alone."""


@pytest.mark.parametrize("key", list(PLATFORMS))
async def test_i_14_every_enrichment_step_that_is_on_fires(key: str, bench: Bench, server):
    wanted = set(POLICY.enrichment.steps[key])
    assert wanted <= set(STEPS)
    works, people = [], list(creators(server.state.world, key))
    for kind, known in KNOWN.items():
        for one in [each for each in people if known(each)][: 3 if kind else 10]:
            people.remove(one)
            record = record_of(one, {kind: known(one)} if kind not in ("", "email") else {})
            mail = (candidate("email", str(known(one))),) if kind == "email" else ()
            works.append(work_of(record, len(works) + 1, *mail))
    await run(enrich, works, bench.context(platform(key)))
    fired = {
        letter for steps in bench.checkpoint.steps.values() for letter, result in steps.items()
        if result.state in (StepState.FILLED, StepState.NOTHING_FOUND)
    }  # fmt: skip
    assert wanted <= fired


class ShufflingGate(RememberingGate):
    """A vendor that answers in another order and from redirected addresses."""

    async def _work_off(self, job):
        items, cost = await super()._work_off(job)
        moved = [{**item, "url": "https://moved.example-host.com/x"} if "label" in item else item for item in items]
        return moved[::-1], cost


async def test_i_15_results_are_joined_by_our_label_never_by_order_or_address(bench: Bench, server):
    people = [one for one in creators(server.state.world, "patreon") if one.links.aggregator][:8]
    works = [work_of(record_of(one, {"link_aggregator": one.links.aggregator}), at) for at, one in enumerate(people, 1)]
    steps = {**bench.policy.enrichment.steps, "patreon": ("C",)}
    policy = bench.policy.model_copy(update={"enrichment": bench.policy.enrichment.model_copy(update={"steps": steps})})
    emails = []
    for gate in (RememberingGate, ShufflingGate):
        fresh = replace(bench, policy=policy, gate=gate(policy=policy, clock=bench.clock))
        fresh.checkpoint.steps.clear()
        results = await run(enrich, works, fresh.context(platform("patreon")))
        emails.append({uid: each.values["email"].value for uid, each in results.items() if "email" in each.values})
    assert emails[0] == emails[1]
    assert len(emails[0]) > 1


def test_i_17_the_tier_comes_last_and_equals_a_later_recomputation(town, policy: Policy):
    floored = compute_score(inputs("0.05", travel_flag=True), "because it is so", policy)
    assert (floored.floor_applied, floored.lead_score, floored.tier) == (True, Decimal("0.5000"), "standard_review")
    lifted = compute_score(inputs("0.15", audience_size=200_000), "because it is so", policy)
    assert (lifted.base, lifted.tier) == (Decimal("0.1500"), "standard_review")
    stored = town.scores()
    assert stored
    for row in stored:
        record = ScoreRecord.model_validate(row.record)
        again = recompute(record, policy)
        assert again.model_dump_json() == record.model_dump_json()
        assert again.tier == row.tier


def item(likes: int | None, comments: int | None) -> ContentItem:
    return ContentItem(
        item_id="1", published_at=NOW, is_pinned=False, is_story=False, kind=MediaKind.IMAGE, likes=likes,
        comments=comments,
    )  # fmt: skip


async def test_i_18_each_counter_has_one_meaning_and_thresholds_are_literal(world: World, policy: Policy):
    world.vendor.names = ["p1", "p2", "p2", "r1", "?"]
    first = world.create(filters={"keyword": "same"})
    await world.run(first.key)
    finish_batch(world.workplace, find_batch(world.workplace, first.key),
                 Ending(status=BatchStatus.COMPLETED, cause=None, now=world.clock.now()))  # fmt: skip
    world.vendor.names = ["p1", "p2", "p2", "r1", "p9"]
    second = world.create(filters={"keyword": "other"})
    report = (await world.run(second.key, Stage.DISCOVERED))[Stage.DISCOVERED]
    assert report.items == {"lead": 4, "duplicate_in_batch": 1}
    assert batch_view(world.workplace, second.key)["stages"]["discovered"]["reasons"] == {"known_recent": 3}
    with world.database.read() as connection:
        run_ = searches.run_of_batch(connection, second.batch_id)
    assert (run_.total_found, run_.new_found, run_.novelty_rate) == (4, 1, "0.250")
    for view in (batch_view(world.workplace, each.key) for each in (first, second)):
        for counts in view["stages"].values():
            parts = ("passed", "rejected", "failed", "skipped", "pending")
            assert counts["in"] == sum(counts[part] for part in parts)

    pairs = [(150, 15), (149, 14), (150, 14), (149, 15), (None, 14), (149, None)]
    seen = engagement_metrics([item(*pair) for pair in pairs], policy.analysis)
    assert (seen.posts_above_threshold, seen.posts_below_threshold, seen.posts_mixed, seen.posts_unknown) == (
        1,
        1,
        2,
        2,
    )


async def test_i_19_a_retry_keeps_counts_tiers_cost_and_lineage(world: World):
    world.vendor.names = ["p1", "p2", "r1"]
    world.vendor.bugs["analyzed:p2"] = ValueError("private")
    made = world.create()
    await world.run(made.key)
    before = batch_view(world.workplace, made.key)
    batch = find_batch(world.workplace, made.key)
    finish_batch(world.workplace, batch, Ending(status=BatchStatus.FAILED, cause="x", now=world.clock.now()))
    world.vendor.bugs.clear()
    sent = world.vendor.sent
    retry(world.workplace, made.key, BY)
    await world.run(made.key)
    after = batch_view(world.workplace, made.key)
    assert after["stages"]["discovered"] == before["stages"]["discovered"], "its own leads are not foreign to it"
    assert after["items"] == before["items"]
    assert (before["tiers"], after["tiers"]) == ({"auto_enroll": 1}, {"auto_enroll": 2})
    assert world.vendor.sent == sent + 1, "only the score of the mended lead is bought"
    assert after["spend_micros"] == before["spend_micros"] + 40_000
    assert find_batch(world.workplace, made.key).batch_id == made.batch_id
    assert world.costs_agree()


def test_every_result_invariant_has_a_test():
    names = [name for name in globals() if name.startswith("test_i_")]
    text = Path(__file__).with_name("test_policy_keys.py").read_text(encoding="utf-8")
    numbers = {int(name[7:9]) for name in names} | ({16} if "def test_i_16_" in text else set())
    assert numbers == set(range(1, 20))
