"""Facts about the actors in use: what we send and how their items are read (vendor-contracts section 4.3)."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from wire_answers import answering

from socialanalyzer_dagster.vendors.apify import RunLimits
from socialanalyzer_dagster.vendors.apify_actors import (
    Apify,
    Crawl,
    CrawlStart,
    Extract,
    GoogleSearch,
    PatreonSearch,
    page_function,
)
from socialanalyzer_dagster.vendors.apify_bills import billed_units
from socialanalyzer_dagster.vendors.apify_inputs import CheerioInput, GoogleSearchInput
from socialanalyzer_dagster.vendors.apify_items import (
    crawled_pages,
    found_contacts,
    google_pages,
    instagram_profiles,
    patreon_creators,
    twitter_users,
)
from socialanalyzer_dagster.vendors.counts import parse_count

LIMITS = RunLimits(timeout_seconds=120)
SCHEMAS = Path(__file__).parents[3] / "shared" / "vendor-specs" / "apify" / "actors.transcribed.schema.json"


def apify() -> Apify:
    return Apify(answering(200))


def crawl(extract: Extract = Extract.SITE, **change: Any) -> Crawl:
    facts: dict[str, Any] = {
        "extract": extract,
        "starts": (CrawlStart("lead-1", "https://www.one-host.com"), CrawlStart("lead-2", "https://www.two-host.com")),
        "max_concurrency": 6,
        "text_chars": 100,
        "max_links": 10,
        "pages_per_start": 8,
        "crawl_words": ("contact",),
        "crawl_paths": ("contact", "about"),
    }
    return Crawl(**{**facts, **change})


def all_jobs() -> dict[str, Any]:
    search = PatreonSearch(
        queries=("yoga United States",),
        max_results=50,
        proxy_groups=("RESIDENTIAL",),
        max_concurrency=1,
        max_request_retries=5,
        request_handler_timeout_seconds=180,
    )
    return {
        "google-search-scraper": apify().google_search(
            GoogleSearch(queries=('"a  b"\n', "c"), pages_per_query=5), LIMITS
        ),
        "cheerio-scraper": apify().cheerio(crawl(), LIMITS),
        "instagram-profile-scraper": apify().instagram_profiles(["@ann", "ann", "bo"], LIMITS),
        "twitter-user-scraper": apify().twitter_users(["@ann"], LIMITS),
        "leads-finder": apify().leads_finder(["One.example"], fetch_count=5, limits=LIMITS),
        "patreon-scraper": apify().patreon(search, LIMITS),
    }


def test_what_was_billed_is_read_from_the_rows_of_a_run_as_its_actor_bills() -> None:
    rows: list[Any] = [{"name": "a"}, {"name": "b"}, {"error": "not_found"}, {"noResults": True}]
    for job in all_jobs().values():
        assert billed_units(job.operation, rows) == job.units(2)
        assert billed_units(job.operation, rows[2:]) == {}


@pytest.mark.parametrize("actor", sorted(all_jobs()))
def test_inputs_have_no_key_the_actor_does_not_know(actor):
    if not SCHEMAS.exists():
        pytest.skip("the vendors' schemas are not beside the repository")
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(SCHEMAS.read_text())["$defs"][f"{actor}.input"]
    jsonschema.validate(all_jobs()[actor].request["input"], {**schema, "additionalProperties": False})


def test_the_most_a_run_can_bill_is_known_before_it_starts():
    assert {name: dict(job.max_units) for name, job in all_jobs().items()} == {
        "google-search-scraper": {"apify.google_search": 10},
        "cheerio-scraper": {"apify.cheerio": 16},
        "instagram-profile-scraper": {"apify.instagram_profile": 2},
        "twitter-user-scraper": {"apify.twitter_user": 1},
        "leads-finder": {"apify.leads_finder": 5, "apify.leads_finder.start": 1},
        "patreon-scraper": {"apify.patreon": 50},
    }


def test_queries_are_one_text_with_a_line_each():
    assert all_jobs()["google-search-scraper"].request["input"]["queries"] == '"a b"\nc'


def test_a_crawl_always_has_its_limits_and_obeys_robots():
    sent = all_jobs()["cheerio-scraper"].request["input"]
    expected = {"maxPagesPerCrawl": 16, "maxConcurrency": 6, "maxRequestRetries": 1, "respectRobotsTxtFile": True}
    assert {key: sent[key] for key in expected} == expected
    assert sent["pageLoadTimeoutSecs"] > 0
    assert [start["userData"]["label"] for start in sent["startUrls"]] == ["lead-1", "lead-2"]


def test_only_feeds_need_other_content_types():
    feed = apify().cheerio(crawl(Extract.FEED), LIMITS).request["input"]
    assert "application/rss+xml" in feed["additionalMimeTypes"]
    assert "additionalMimeTypes" not in all_jobs()["cheerio-scraper"].request["input"]


@pytest.mark.parametrize("wrong", [{"maxCrawlPages": 5}, {"requestTimeoutSecs": 5}, {"max_pages_per_crawl": "8"}])
def test_misspelt_and_mistyped_inputs_are_refused(wrong):
    good = {
        "start_urls": ({"url": "https://www.one-host.com", "userData": {}},),
        "page_function": "f",
        "proxy_configuration": {},
        "max_pages_per_crawl": 1,
        "max_concurrency": 1,
        "page_load_timeout_secs": 1,
        "custom_data": {},
    }
    CheerioInput.model_validate(good)
    with pytest.raises(ValidationError):
        CheerioInput.model_validate({**good, **wrong})


def test_a_list_of_queries_is_refused():
    with pytest.raises(ValidationError):
        GoogleSearchInput.model_validate({"queries": ["a"]})


@pytest.mark.parametrize("empty", [lambda a: a.instagram_profiles([], LIMITS), lambda a: a.twitter_users([], LIMITS)])
def test_a_run_about_nobody_is_never_described(empty):
    with pytest.raises(ValueError, match="at least 1 item"):
        empty(apify())


def test_the_page_function_knows_every_reading():
    assert all(f"{extract.value}:" in page_function() for extract in Extract)


def test_google_pages_are_joined_by_the_query_we_sent():
    rows = [
        {"searchQuery": {"term": "Yoga  retreat", "page": 1}, "organicResults": [{"title": "A", "url": "u"}, "x"]},
        {"searchQuery": {"term": "other", "page": 1}, "organicResults": []},
        {"searchQuery": {"term": "yoga retreat", "page": 2}, "organicResults": None, "error": "blocked"},
    ]
    found = google_pages(rows, ("yoga retreat", "silent"))
    assert [(page.query, page.page, [one.title for one in page.results]) for page in found.items] == [
        ("yoga retreat", 1, ["A"])
    ]
    assert found.unmapped == 2
    assert found.unmapped_share == pytest.approx(2 / 3)


def test_pages_come_back_under_our_label_and_failed_loads_under_none():
    rows = [
        {"label": "lead-1", "url": "https://one.example/x", "requestedUrl": "https://www.one-host.com", "text": "t",
         "links": ["https://a.example", {"url": "https://b.example"}, None], "mailto": ["a@b.example", 3],
         "feed": {"owner_email": " o@b.example ", "author": ""}},
        {"#error": True, "#debug": {"url": "https://www.two-host.com", "statusCode": 404}},
        {"url": "https://three.example"},
    ]  # fmt: skip
    found = crawled_pages(rows)
    (page,) = found.items
    assert (page.label, page.links, page.mailto) == (
        "lead-1",
        ("https://a.example", "https://b.example"),
        ("a@b.example",),
    )
    assert page.feed is not None
    assert (page.feed.owner_email, page.feed.author) == ("o@b.example", None)
    assert found.unmapped == 1


def test_instagram_links_come_in_both_shapes_and_missing_profiles_say_so():
    found = instagram_profiles(
        [
            {"username": "ann", "externalUrls": ["https://a.example"], "followersCount": "1,204", "private": None},
            {
                "username": "bo",
                "externalUrls": [{"url": None, "lynx_url": "https://l.example"}, {"url": "https://b.example"}],
            },
            {"username": "cy", "error": "not_found", "errorDescription": "gone"},
            {"username": "dee", "error": "blocked"},
            {"fullName": "nobody"},
        ]
    )
    ann, bo, cy = found.items
    assert (ann.external_urls, ann.followers_count, ann.missing) == (("https://a.example",), 1204, False)
    assert bo.external_urls == ("https://b.example",)
    assert cy.missing
    assert found.unmapped == 2


def test_twitter_users_have_many_spellings_and_stub_rows_are_a_refusal():
    entities = {
        "url": {"urls": [{"expanded_url": "https://a.example"}]},
        "description": {"urls": [{"expanded_url": None}]},
    }
    rows = [
        {"userName": "Ann", "entities": entities, "followers": 5},
        {"screen_name": "@bo"},
        {"username": "cy"},
        {"name": "x"},
    ]
    found = twitter_users(rows)
    assert [user.handle for user in found.items] == ["ann", "bo", "cy"]
    assert found.items[0].expanded_urls == ("https://a.example",)
    assert (found.unmapped, found.refusal) == (1, None)
    assert twitter_users([{"demo": True}, {"demo": True}]).refusal == "demo"
    nothing = twitter_users([{"noResults": True}])
    assert (nothing.items, nothing.unmapped, nothing.refusal) == ((), 0, None)


def test_a_refused_leads_finder_run_is_not_nothing_found():
    refused = found_contacts([{"error": "upgrade your plan"}])
    assert (refused.refusal, refused.items) == ("refused", ())
    assert found_contacts([]).refusal is None


def test_found_contacts_are_read_under_old_and_new_names():
    new, old, personal = found_contacts(
        [
            {"company_domain": "One.example", "email": "a@one.example", "mobile_number": "1", "linkedin": "l"},
            {"domain": "two.example", "work_email": "b@two.example", "phone": "2", "linkedin_url": "m"},
            {"domain": "three.example", "email": None, "personal_email": "c@mail.example"},
        ]
    ).items
    assert (new.company_domain, new.email, new.phone, new.linkedin) == ("one.example", "a@one.example", "1", "l")
    assert (old.company_domain, old.email, old.phone, old.linkedin) == ("two.example", "b@two.example", "2", "m")
    assert personal.email == "c@mail.example"


def test_patreon_counts_are_texts_or_numbers_and_absent_ones_unknown():
    first, second = patreon_creators(
        [
            {"id": 12, "creation_name": "is making maps", "total_members": "1.2K", "paid_patrons": 310,
             "posts_count": "88", "tiers": [{"title": "W"}], "instagram_url": "https://www.instagram.com/a"},
            {"vanity": "b", "name": "B", "patron_count": "", "tiers": None},
            {"about": "nobody"},
        ]
    ).items  # fmt: skip
    assert (first.id, first.about, first.patron_count, first.paid_members, first.post_count, first.tier_count) == (
        "12", "is making maps", 1200, 310, 88, 1,
    )  # fmt: skip
    assert first.instagram == "https://www.instagram.com/a"
    assert (second.patron_count, second.paid_members, second.post_count, second.tier_count) == (None,) * 4


@pytest.mark.parametrize(
    ("written", "count"),
    [
        ("1,204", 1204), ("1.2K", 1200), ("475.8m", 475_800_000), ("12.4 k members", 12_400), ("0", 0), (7, 7),
        (7.9, 7), ("1,20", None), ("12 members.", 12), ("", None), ("many", None), (None, None),
        (True, None), (-1, None), ("1.2.3", None), (1e30, None),
    ],
)  # fmt: skip
def test_counts_are_read_as_people_write_them(written, count):
    assert parse_count(written) == count


@pytest.mark.parametrize("read", [crawled_pages, instagram_profiles, twitter_users, found_contacts, patreon_creators])
def test_a_dataset_that_is_no_list_is_refused_and_odd_items_crash_nothing(read):
    with pytest.raises(ValueError, match="not a list"):
        read({"items": []})
    odd = [None, 1, "x", [], {}, {"label": 2, "username": {}, "entities": [], "tiers": "x", "domain": 1}]
    assert read(odd).unmapped == len(odd)
