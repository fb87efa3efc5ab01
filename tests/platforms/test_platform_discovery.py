"""Discovery: requests show every accepted filter, results become records with candidates, unknown stays unknown."""

from datetime import UTC, datetime

import pytest

from socialanalyzer_dagster.domain.creator_lists import ListRow, UnusableRow
from socialanalyzer_dagster.domain.filters import validate_filters
from socialanalyzer_dagster.domain.outcomes import ItemResult
from socialanalyzer_dagster.domain.policy import Policy, shipped_policy
from socialanalyzer_dagster.platforms import facebook_discovery, instagram_discovery, patreon_discovery
from socialanalyzer_dagster.platforms.facebook_filters import FacebookFilters
from socialanalyzer_dagster.platforms.instagram_filters import InstagramFilters
from socialanalyzer_dagster.platforms.list_items import placed
from socialanalyzer_dagster.platforms.patreon_filters import PatreonFilters
from socialanalyzer_dagster.platforms.registry import PLATFORMS, platform
from socialanalyzer_dagster.vendors.apify_items import GoogleResult, patreon_creators
from socialanalyzer_dagster.vendors.insightiq import Profile
from tests.platforms.runs import Bench, discovered

NOW = datetime(2026, 11, 16, tzinfo=UTC)


def body(policy: Policy, **filters: object) -> dict[str, object]:
    typed = validate_filters(InstagramFilters, {"max_results": 40, **filters}, policy)
    return dict(instagram_discovery.search_body(typed, policy))


def test_the_instagram_request_has_the_fixed_part_and_the_filters(policy: Policy) -> None:
    sent = body(policy, creator_interests=["yoga"], hashtags=["#hiking"], bio_phrase="retreat")
    assert sent["work_platform_id"] == "9bb8913b-ddd9-430b-a66a-d74d846e6c66"
    assert sent["specific_contact_details"] == [{"type": "EMAIL", "preference": "MUST_HAVE"}]
    assert sent["creator_language"] == {"code": "en"}
    assert sent["sort_by"] == {"field": "FOLLOWER_COUNT", "order": "DESCENDING"}
    assert sent["follower_count"] == {"min": 20000, "max": 900000}
    assert sent["max_results"] == 40
    assert sent["creator_interests"] == ["Fitness & Yoga"]
    assert sent["hashtags"] == [{"name": "hiking"}]
    assert sent["bio_phrase"] == "retreat"
    assert "audience_interests" not in sent
    assert "audience_lookalike_at_sign" not in sent


@pytest.mark.parametrize(
    ("filters", "key", "value"),
    [
        ({"lookalike_type": "creator", "lookalike_username": "@trailada"}, "creator_lookalikes", "@trailada"),
        ({"lookalike_type": "audience", "lookalike_username": "trailada"}, "audience_lookalikes", "trailada"),
        ({"audience_interests": ["travel"]}, "audience_interests", ["Travel, Tourism & Aviation"]),
        ({"follower_count": {"min": 1, "max": 2}}, "follower_count", {"min": 1, "max": 2}),
        (
            {"bio_phrase": "a", "bio_phrase_advanced": [{"bio_phrase": "b", "action": "NOT"}]},
            "bio_phrase_advanced",
            [{"bio_phrase": "a", "action": "AND"}, {"bio_phrase": "b", "action": "NOT"}],
        ),
    ],
)
def test_every_instagram_filter_is_visible_in_the_request(
    filters: dict[str, object], key: str, value: object, policy: Policy
) -> None:
    assert body(policy, **filters)[key] == value


def test_the_at_sign_of_audience_lookalikes_is_policy(policy: Policy) -> None:
    document = shipped_policy().document()
    document["discovery"]["fixed"]["instagram"]["audience_lookalike_at_sign"] = True
    changed = Policy.model_validate(document)
    sent = body(changed, lookalike_type="audience", lookalike_username="trailada")
    assert sent["audience_lookalikes"] == "@trailada"


def test_every_listed_contact_becomes_a_candidate(policy: Policy) -> None:
    details = [
        {"type": "EMAIL", "value": "Ada@TrailRetreats.com"}, {"type": "email", "value": "ada.trail@gmail.com"},
        {"type": "phone", "value": "+1 303 555 0100"}, {"type": "tiktok", "value": "trailada"},
        {"type": "youtube", "value": "https://www.youtube.com/@trailada"}, {"type": "fax", "value": "1"},
    ]  # fmt: skip
    profile = Profile.model_validate(
        {"platform_username": "@TrailAda", "contact_details": details, "follower_count": 5}
    )
    item = instagram_discovery.found_item(1, profile, policy, NOW)
    assert item.record is not None
    assert item.record.platform_id == "trailada"
    assert item.record.bio is None
    assert [one.value for one in item.candidates if one.field == "email"] == [
        "Ada@TrailRetreats.com", "ada.trail@gmail.com",
    ]  # fmt: skip
    assert item.record.links == {
        "tiktok": "https://www.tiktok.com/@trailada", "youtube": "https://www.youtube.com/@trailada",
    }  # fmt: skip


def test_a_profile_without_identity_says_so(policy: Policy) -> None:
    nobody = instagram_discovery.found_item(1, Profile(full_name="Ada"), policy, NOW)
    assert nobody.problem == ItemResult.NO_IDENTITY
    assert instagram_discovery.found_item(2, Profile(), policy, NOW).problem == ItemResult.MALFORMED_ITEM


def test_patreon_queries_are_keyword_and_location(policy: Policy) -> None:
    filters = validate_filters(PatreonFilters, {"search_keywords": 'hiking, "yoga" site:x'}, policy)
    assert patreon_discovery.search_queries(filters) == ("hiking United States", "yoga United States")


def test_patreon_fields_are_the_first_present_and_counts_may_be_text(policy: Policy) -> None:
    raw = {
        "id": 77, "vanity": "TrailStories", "creator_name": "Ada", "summary": "Write ada@trailstories.com",
        "tiers": [{}], "total_members": "1.2K", "paid_patrons": "310", "posts_count": "88",
        "instagram_url": "instagram.com/trailada",
        "personal_website": "https://linktr.ee/trailada", "is_nsfw": False,
    }  # fmt: skip
    creator = patreon_creators([raw]).items[0]
    record = patreon_discovery.found_item(1, creator, policy, NOW).record
    assert record is not None
    assert (record.platform_id, record.handle) == ("77", "trailstories")
    assert (record.audience_size, record.paid_audience_size, record.post_count, record.tier_count) == (1200, 310, 88, 1)
    assert record.links["instagram"] == "https://www.instagram.com/trailada"
    assert record.links["link_aggregator"] == "https://linktr.ee/trailada"


def test_a_patreon_page_that_hides_its_counts_has_unknown_counts(policy: Policy) -> None:
    creator = patreon_creators([{"vanity": "a", "patron_count": None, "post_count": ""}]).items[0]
    record = patreon_discovery.found_item(1, creator, policy, NOW).record
    assert record is not None
    assert (record.audience_size, record.post_count, record.tier_count, record.is_nsfw) == (None, None, None, None)


def test_facebook_asks_three_queries_per_keyword(policy: Policy) -> None:
    filters = validate_filters(FacebookFilters, {"keywords": ['hi"king'], "visibility": "private"}, policy)
    assert facebook_discovery.search_queries(filters) == (
        'site:facebook.com/groups "hi king" "private group"',
        'site:facebook.com/groups hi king community "private group"',
        'site:facebook.com/groups hi king group "private group"',
    )


def test_facts_of_a_group_are_read_from_title_and_snippet(policy: Policy) -> None:
    result = GoogleResult(
        title="Boulder Hikers | Facebook", url="https://m.facebook.com/groups/BoulderHikers/posts/1/",
        description="12.4K members. Private group. 5 posts per week. Write to hi@boulderhikers.com",
    )  # fmt: skip
    item = facebook_discovery.found_item(1, result, policy, NOW)
    assert item.record is not None
    assert item.record.profile_url == "https://www.facebook.com/groups/boulderhikers"
    assert item.record.display_name == "Boulder Hikers"
    assert (item.record.audience_size, item.record.visibility) == (12400, "private")
    assert str(item.record.posts_per_month) == "21.5"
    assert [one.value for one in item.candidates] == ["hi@boulderhikers.com"]


def test_a_result_that_is_no_group_is_accounted_for(policy: Policy) -> None:
    page = facebook_discovery.found_item(1, GoogleResult(url="https://www.facebook.com/boulder"), policy, NOW)
    assert page.problem == ItemResult.NO_IDENTITY


def test_list_rows_become_leads_with_list_provenance(policy: Policy) -> None:
    row = ListRow(line=7, handle="18+", name="Ada", audience_size=36866, about="me: ada(at)trail-stories(dot)com")
    item = platform("patreon").from_list_row(row, policy, NOW)
    assert item.record is not None
    assert (item.item_no, item.record.platform_id, item.record.audience_size) == (7, "18+", 36866)
    mail = next(one for one in item.candidates if one.field == "email")
    assert (mail.value, mail.step, mail.source_url) == ("ada@trail-stories.com", "list", "list:row-7")


@pytest.mark.parametrize("key", list(PLATFORMS))
def test_a_row_without_identity_is_no_lead(key: str, policy: Policy) -> None:
    item = platform(key).from_list_row(ListRow(line=1, url="https://example.org/x"), policy, NOW)
    assert item.problem == ItemResult.NO_IDENTITY


@pytest.mark.parametrize(
    ("key", "filters"),
    [
        ("instagram", {"max_results": 30}),
        ("patreon", {"search_keywords": ["yoga"], "max_results": 30}),
        ("facebook", {"keywords": ["yoga"], "max_results": 30}),
    ],
)
async def test_the_same_search_gives_the_same_leads(key: str, filters: dict[str, object], bench: Bench) -> None:
    chosen = platform(key)
    first = await discovered(chosen, bench.context(chosen, filters))
    bench.gate._answers.clear()
    second = await discovered(chosen, bench.context(chosen, filters))
    assert [work.record for work in first] == [work.record for work in second]
    assert first


@pytest.mark.parametrize("key", ["instagram", "patreon", "facebook"])
def test_a_list_row_of_another_site_is_unusable_and_says_what_it_holds(key: str, policy: Policy) -> None:
    row = ListRow(line=9, url="https://example.org/x", about="x" * 1000)
    refused = placed(row, platform(key), policy, NOW)
    assert isinstance(refused, UnusableRow)
    assert (refused.line, refused.result) == (9, ItemResult.NO_IDENTITY)
    assert refused.reason.startswith("'https://example.org/x' is not ")


def test_a_list_row_that_names_somebody_stays_as_it_is(policy: Policy) -> None:
    row = ListRow(line=9, handle="18+", about="text", email="a@b.co")
    assert placed(row, platform("patreon"), policy, NOW) is row
