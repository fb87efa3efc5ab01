"""Filters of the three platforms, batch fields and the fingerprint (spec 5.1 to 5.6, I-11, I-39)."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socialanalyzer_dagster.domain.batch_fields import BatchContext, validate_batch_fields, validate_search
from socialanalyzer_dagster.domain.filters import FilterProblems, fingerprint, validate_filters
from socialanalyzer_dagster.domain.policy import shipped_policy
from socialanalyzer_dagster.platforms.facebook_filters import FacebookFilters
from socialanalyzer_dagster.platforms.instagram_filters import InstagramFilters
from socialanalyzer_dagster.platforms.patreon_filters import PatreonFilters

POLICY = shipped_policy()


def problems(model, **raw):
    with pytest.raises(FilterProblems) as refused:
        validate_filters(model, raw, POLICY)
    return {problem.field: problem.message for problem in refused.value.problems}


def instagram(**raw):
    return validate_filters(InstagramFilters, raw, POLICY)


def patreon(**raw):
    return validate_filters(PatreonFilters, {"search_keywords": ["hiking"], **raw}, POLICY)


def facebook(**raw):
    return validate_filters(FacebookFilters, {"keywords": ["hiking"], **raw}, POLICY)


def test_the_policys_defaults_fill_what_is_not_given():
    filters = instagram()
    assert (filters.max_results, filters.follower_count.min, filters.follower_count.max) == (500, 20_000, 900_000)
    assert (patreon().location, patreon().max_results) == ("United States", 100)
    assert (facebook().min_members, facebook().max_members, facebook().visibility.value) == (500, 50_000, "all")
    assert instagram(follower_count={"min": 5}).follower_count.max == 900_000


def test_all_problems_are_listed_at_once():
    found = problems(
        InstagramFilters,
        max_results="500",
        follower_count={"min": 9, "max": 3},
        creator_interests=["Travel", "Knitting"],
        lookalike_username="ada",
        bio_phrase="x" * 101,
        colour="red",
    )
    assert set(found) == {
        "max_results",
        "follower_count.max",
        "creator_interests",
        "lookalike_username",
        "bio_phrase",
        "colour",
    }


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({"max_results": 0}, "max_results"),
        ({"max_results": 4001}, "max_results"),
        ({"max_results": True}, "max_results"),
        ({"max_results": 10.0}, "max_results"),
        ({"follower_count": {"min": 5, "max": 5}}, "follower_count.max"),
        ({"follower_count": {"max": 10_000_001}}, "follower_count.max"),
        ({"follower_count": "20k"}, "follower_count"),
        ({"lookalike_type": "creator"}, "lookalike_username"),
        ({"lookalike_type": "twin", "lookalike_username": "ada"}, "lookalike_type"),
        ({"lookalike_username": "ada"}, "lookalike_username"),
        ({"audience_interests": ["Home Decor, Furniture & Garden"]}, "audience_interests"),
        ({"hashtags": [f"tag{number}" for number in range(21)]}, "hashtags"),
        ({"hashtags": ["#"]}, "hashtags"),
        ({"hashtags": 5}, "hashtags"),
        ({"bio_phrase_advanced": [{"bio_phrase": "a", "action": "XOR"}]}, "bio_phrase_advanced.0.action"),
        ({"bio_phrase_advanced": [{"bio_phrase": "", "action": "OR"}]}, "bio_phrase_advanced.0.bio_phrase"),
    ],
)
def test_invalid_instagram_filters_are_refused(raw, field):
    assert field in problems(InstagramFilters, **raw)


def test_at_most_fourteen_clauses_including_the_base_phrase():
    clauses = [{"bio_phrase": f"word {number}", "action": "OR"} for number in range(14)]
    assert len(instagram(bio_phrase_advanced=clauses).clauses) == 14
    assert (
        "at most 14"
        in problems(InstagramFilters, bio_phrase="base", bio_phrase_advanced=clauses)["bio_phrase_advanced"]
    )
    with_base = instagram(bio_phrase="base", bio_phrase_advanced=clauses[:13])
    assert (with_base.clauses[0].bio_phrase, with_base.clauses[0].action.value) == ("base", "AND")


def test_a_base_phrase_alone_makes_no_clauses():
    assert instagram(bio_phrase="base").clauses == ()


def test_handles_and_hashtags_lose_their_sign():
    filters = instagram(lookalike_type="audience", lookalike_username="@Ada", hashtags=["#VanLife", "vanlife", "trip"])
    assert filters.lookalike_username == "ada"
    assert filters.hashtags == ["VanLife", "trip"]
    assert instagram(hashtags="#a, b").hashtags == ["a", "b"]


def test_interests_match_by_value_alias_and_case_in_order():
    filters = instagram(creator_interests=["YOGA", "travel, tourism & aviation", "Fitness & Yoga", "tech"])
    assert filters.creator_interests == ["Fitness & Yoga", "Travel, Tourism & Aviation", "Electronics & Computers"]
    assert len(POLICY.interests.values) == 26


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({"search_keywords": []}, "search_keywords"),
        ({"search_keywords": " , "}, "search_keywords"),
        ({"search_keywords": ["a"]}, "search_keywords"),
        ({"search_keywords": ["x" * 81]}, "search_keywords"),
        ({"search_keywords": [f"key {number}" for number in range(21)]}, "search_keywords"),
        ({"search_keywords": [5]}, "search_keywords.0"),
        ({"min_patrons": 0}, "min_patrons"),
        ({"min_patrons": 5, "max_patrons": 5}, "max_patrons"),
        ({"min_posts": "3"}, "min_posts"),
        ({"max_results": 501}, "max_results"),
    ],
)
def test_invalid_patreon_filters_are_refused(raw, field):
    assert field in problems(PatreonFilters, **{"search_keywords": ["hiking"], **raw})


def test_keywords_are_required():
    assert set(problems(PatreonFilters)) == {"search_keywords"}
    assert set(problems(FacebookFilters)) == {"keywords"}


def test_keywords_may_be_separated_by_commas():
    assert patreon(search_keywords="hiking,  yoga retreat ,").search_keywords == ["hiking", "yoga retreat"]


def test_an_empty_location_is_allowed():
    assert patreon(location="").location == ""


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({"keywords": [f"key {number}" for number in range(6)]}, "keywords"),
        ({"keywords": ['"":']}, "keywords"),
        ({"min_members": 9, "max_members": 3}, "max_members"),
        ({"min_members": 60_000}, "max_members"),
        ({"visibility": "secret"}, "visibility"),
        ({"min_posts_per_month": 0}, "min_posts_per_month"),
    ],
)
def test_invalid_facebook_filters_are_refused(raw, field):
    assert field in problems(FacebookFilters, **{"keywords": ["hiking"], **raw})


def test_member_bounds_can_be_switched_off():
    assert facebook(min_members=None, max_members=None).min_members is None


def context(**changes):
    fields = {
        "platform": "instagram",
        "policy": POLICY,
        "known_bdrs": {"Bea", "Cal", "Dov"},
        "active_bdrs": {"Bea", "Cal"},
        "default_max_leads": 500,
    }
    return BatchContext(**{**fields, **changes})


def test_batch_fields_default_to_all_active_people_the_platforms_budget_and_all_results():
    fields = validate_batch_fields({}, context())
    assert (fields.bdr_names, fields.max_budget_usd, fields.max_leads) == (["Bea", "Cal"], 100, 500)
    assert validate_batch_fields({}, context(default_max_leads=9000)).max_leads == 4000


@pytest.mark.parametrize(
    ("raw", "field", "words"),
    [
        ({"max_budget_usd": "100"}, "max_budget_usd", "not text"),
        ({"max_budget_usd": 200.01}, "max_budget_usd", "at most 200"),
        ({"max_budget_usd": 0}, "max_budget_usd", "greater than 0"),
        ({"max_budget_usd": float("nan")}, "max_budget_usd", ""),
        ({"max_budget_usd": True}, "max_budget_usd", ""),
        ({"max_leads": 0}, "max_leads", ""),
        ({"max_leads": 4001}, "max_leads", ""),
        ({"max_leads": "10"}, "max_leads", "integer"),
        ({"bdr_names": []}, "bdr_names", "at least one"),
        ({"bdr_names": ["Eve"]}, "bdr_names", "'Eve' is not on the roster"),
        ({"bdr_names": ["Dov"]}, "bdr_names", "'Dov' is not active"),
        ({"note": "x" * 501}, "note", "500"),
        ({"idempotency_key": "x" * 81}, "idempotency_key", "80"),
        ({"confirm_estimate_micro": "1"}, "confirm_estimate_micro", "integer"),
        ({"goal": 1}, "goal", ""),
    ],
)
def test_invalid_batch_fields_are_refused(raw, field, words):
    with pytest.raises(FilterProblems) as refused:
        validate_batch_fields(raw, context())
    found = {problem.field: problem.message for problem in refused.value.problems}
    assert set(found) == {field}
    assert words in found[field]


def test_the_problems_of_filters_and_fields_come_together():
    with pytest.raises(FilterProblems) as refused:
        validate_search(PatreonFilters, {"search_keywords": []}, {"max_budget_usd": "50"}, context(platform="patreon"))
    assert {problem.field for problem in refused.value.problems} == {"search_keywords", "max_budget_usd"}


def test_the_leads_of_a_search_default_to_its_max_results():
    filters, fields = validate_search(InstagramFilters, {"max_results": 42}, {"max_budget_usd": 1.1}, context())
    assert (filters.max_results, fields.max_leads) == (42, 42)
    assert str(fields.max_budget_usd) == "1.1"


def same(left, right):
    return fingerprint(left, POLICY) == fingerprint(right, POLICY)


def test_spelling_order_and_size_do_not_change_the_fingerprint():
    left = instagram(hashtags=["#Van  Life", "Trip"], creator_interests=["yoga", "travel"], max_results=10)
    right = instagram(hashtags=["trip", "van life"], creator_interests=["Travel, Tourism & Aviation", "Fitness & Yoga"])
    assert same(left, right)
    assert fingerprint(left, POLICY).startswith("fp1:")
    assert len(fingerprint(left, POLICY)) == 4 + 64


def test_given_defaults_and_omitted_ones_are_one_search():
    assert same(instagram(follower_count={"min": 20_000, "max": 900_000}, bio_phrase=" "), instagram())
    assert same(patreon(location="united states"), patreon())
    assert same(facebook(min_members=500), facebook())


def test_the_order_of_clauses_does_not_matter_but_their_action_does():
    first, second = {"bio_phrase": "a b", "action": "AND"}, {"bio_phrase": "c", "action": "NOT"}
    assert same(instagram(bio_phrase_advanced=[first, second]), instagram(bio_phrase_advanced=[second, first]))
    changed = instagram(bio_phrase_advanced=[first, {**second, "action": "OR"}])
    assert not same(instagram(bio_phrase_advanced=[first, second]), changed)


def test_switching_a_default_off_is_another_search():
    assert not same(facebook(min_members=None), facebook())
    assert not same(patreon(location=""), patreon())


def test_every_filter_and_the_defaults_revision_count():
    base = fingerprint(facebook(), POLICY)
    changed = [facebook(keywords=["biking"]), facebook(max_members=60_000), facebook(visibility="public")]
    changed += [facebook(min_posts_per_month=3)]
    assert len({base, *(fingerprint(filters, POLICY) for filters in changed)}) == 5
    assert fingerprint(facebook(), POLICY.model_copy(update={"defaults_rev": 2})) != base


@given(st.lists(st.sampled_from(["Hiking", "yoga retreat", "VAN life", "art"]), min_size=1, max_size=8), st.data())
def test_any_order_and_repetition_of_keywords_is_one_search(keywords, data):
    shuffled = data.draw(st.permutations(keywords + keywords[:1]))
    spelled = [f" {keyword.swapcase()} " for keyword in shuffled]
    assert same(patreon(search_keywords=keywords), patreon(search_keywords=spelled))


@given(
    st.dictionaries(
        st.sampled_from([*InstagramFilters.model_fields]),
        st.one_of(st.none(), st.text(), st.integers(), st.lists(st.text())),
    )
)
def test_any_input_is_typed_filters_or_a_list_of_problems(raw):
    with suppress(FilterProblems):
        assert fingerprint(validate_filters(InstagramFilters, raw, POLICY), POLICY).startswith("fp1:")


@pytest.mark.parametrize(("model", "field"), [(PatreonFilters, "search_keywords"), (FacebookFilters, "keywords")])
def test_a_keyword_of_search_operators_alone_is_refused(model, field):
    assert "without search operators" in problems(model, **{field: ["hiking", "site:"]})[field]


def test_all_problems_of_one_keyword_list_are_told_together():
    told = problems(FacebookFilters, keywords=["a", "bb", "cc", "dd", "ee", "site:"])["keywords"]
    assert "1 to 5 keywords, not 6" in told
    assert "which 'a' has not" in told
    assert "left of 'site:'" in told
