"""Facts about the simulated Apify and its actors (contracts section 4)."""

import base64
import json
from collections.abc import Callable
from itertools import islice
from typing import Any

import httpx
import pytest

from socialanalyzer_dagster.sandbox.config import PracticeSwitches, SandboxConfig
from socialanalyzer_dagster.sandbox.faults import Fault
from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.vendors.apify_actors import ACTORS
from socialanalyzer_dagster.sandbox.world.models import PatreonCreator

ACTORS_PATH = "/apify/v2/actors"
GOOGLE, CHEERIO = "apify~google-search-scraper", "apify~cheerio-scraper"
LEADS, TWITTER = "code_crafter~leads-finder", "apidojo~twitter-user-scraper"
INSTAGRAM, PATREON = "apify~instagram-profile-scraper", "mJiXU9PT4eLHuY0pi"
Body = dict[str, Any]
HIKING = {"queries": 'site:facebook.com/groups "hiking"\nsite:facebook.com/groups hiking group', "maxPagesPerQuery": 3}


async def start(client: httpx.AsyncClient, actor: str, given: Body, **query: object) -> Body:
    params = {"waitForFinish": 20, **query}
    answer = await client.post(f"{ACTORS_PATH}/{actor}/runs", json=given, params=params)
    assert answer.status_code == 201, answer.text
    run: Body = answer.json()["data"]
    return run


async def items(client: httpx.AsyncClient, run: Body, **query: object) -> list[Body]:
    found: list[Body] = (await client.get(f"/apify/v2/datasets/{run['defaultDatasetId']}/items", params=query)).json()
    return found


async def rows(client: httpx.AsyncClient, actor: str, given: Body, **query: object) -> list[Body]:
    return await items(client, await start(client, actor, given, **query), clean="true")


def crawl(extract: str, *urls: str, **more: object) -> Body:
    return {
        "startUrls": [{"url": url, "userData": {"label": f"label {number}"}} for number, url in enumerate(urls)],
        "pageFunction": "async function pageFunction(context) { return {}; }",
        "proxyConfiguration": {"useApifyProxy": True},
        "customData": {"extract": extract},
        "maxRequestRetries": 1,
        **more,
    }


def pages(state: SandboxState, wanted: Callable[[PatreonCreator], object], count: int = 1) -> list[PatreonCreator]:
    found = (one for one in map(state.world.patreon, range(20_000)) if wanted(one))
    return list(islice(found, count))


async def test_a_run_goes_from_ready_over_running_to_its_end(client: httpx.AsyncClient, state: SandboxState) -> None:
    answer = await client.post(f"/apify/v2/acts/{GOOGLE}/runs", json=HIKING)
    run = answer.json()["data"]
    assert (run["status"], run["usageTotalUsd"], run["finishedAt"]) == ("READY", 0.0, None)
    path = answer.headers["location"].removeprefix("http://sandbox.test")
    seen = [(await client.get(path)).json()["data"] for _ in range(3)]
    assert [one["status"] for one in seen] == ["RUNNING", "SUCCEEDED", "SUCCEEDED"]
    assert seen[-1]["chargedEventCounts"] == {"search-page": 6}
    assert round(seen[-1]["usageTotalUsd"] * 1_000_000) == state.bill.total_micros("apify") == 6 * 3_500
    other = (await client.post(f"/apify/v2/acts/{GOOGLE}/runs", json=HIKING)).json()["data"]
    waited = (await client.get(f"/apify/v2/actor-runs/{other['id']}?waitForFinish=999999")).json()["data"]
    assert waited["status"] == "SUCCEEDED"


async def test_search_pages_are_joined_by_the_term_that_was_sent(client: httpx.AsyncClient) -> None:
    found = await rows(client, GOOGLE, HIKING)
    terms = HIKING["queries"].splitlines()
    assert [(one["searchQuery"]["term"], one["searchQuery"]["page"]) for one in found] == [
        (term, number) for term in terms for number in (1, 2, 3)
    ]
    urls = [result["url"] for one in found for result in one["organicResults"]]
    assert all("facebook.com/groups/" in url for url in urls)
    assert all(len(one["organicResults"]) <= 10 for one in found)
    assert found[1]["organicResults"][0]["position"] == 11


async def test_a_page_is_returned_as_the_named_page_function_would(
    client: httpx.AsyncClient, state: SandboxState
) -> None:
    [feed] = pages(state, lambda one: one.links.rss)
    [item] = await rows(
        client, CHEERIO, crawl("feed", str(feed.links.rss), additionalMimeTypes=["application/rss+xml"])
    )
    assert (item["label"], item["requestedUrl"]) == ("label 0", feed.links.rss)
    assert set(item["feed"]) == {"owner_email", "author", "owner_name", "link"}
    assert item["feed"]["owner_name"] == f"{feed.contact.first_name} {feed.contact.last_name}"
    [linked] = pages(state, lambda one: one.links.aggregator and one.links.website)
    [item] = await rows(client, CHEERIO, crawl("link_page", str(linked.links.aggregator)))
    assert linked.links.website in item["links"]
    assert not [link for link in item["links"] if link.startswith("mailto:")]
    [channel] = pages(state, lambda one: one.links.youtube)
    [item] = await rows(client, CHEERIO, crawl("youtube_about", f"{channel.links.youtube}/about"))
    assert item["title"]
    assert not [link for link in item["links"] if link.startswith("/")]


async def test_a_feed_is_skipped_without_its_mime_type(client: httpx.AsyncClient, state: SandboxState) -> None:
    [feed] = pages(state, lambda one: one.links.rss)
    assert await rows(client, CHEERIO, crawl("feed", str(feed.links.rss))) == []


async def test_failed_pages_carry_hidden_keys_that_clean_removes(client: httpx.AsyncClient) -> None:
    run = await start(client, CHEERIO, crawl("site", "https://no-such-host-of-this-world.com/"))
    [failed] = await items(client, run)
    assert failed["#error"] is True
    assert (failed["#debug"]["statusCode"], failed["#debug"]["retryCount"]) == (404, 1)
    assert await items(client, run, clean=1) == []
    assert run["status"] == "SUCCEEDED"


async def test_a_crawl_follows_globs_up_to_its_page_limit(client: httpx.AsyncClient, state: SandboxState) -> None:
    def answers(one: PatreonCreator) -> bool:
        return one.links.website is not None and state.world.page(one.links.website).status == 200

    [site] = pages(state, answers)
    url = str(site.links.website)
    follow = {"linkSelector": "a[href]", "globs": [{"glob": f"{url.rstrip('/')}/**"}]}
    everything = await start(client, CHEERIO, crawl("site", url, **follow))
    found = await items(client, everything, clean="true")
    assert found[0]["url"].rstrip("/") == url.rstrip("/")
    assert {item["label"] for item in found} == {"label 0"}
    assert len(found) > 1
    assert len(await items(client, await start(client, CHEERIO, crawl("site", url, **follow, maxPagesPerCrawl=2)))) == 2
    assert len(await rows(client, CHEERIO, crawl("site", url))) == 1
    plain = await rows(client, CHEERIO, crawl("something else", url))
    assert set(plain[0]) == {"url", "title", "text"}


async def test_a_site_reading_enqueues_promising_pages_of_its_start_pages(
    client: httpx.AsyncClient, state: SandboxState
) -> None:
    def answers(one: PatreonCreator) -> bool:
        return one.domain is not None and state.world.page(f"https://www.{one.domain}/").status == 200

    [site] = pages(state, answers)
    root = f"https://www.{site.domain}/"
    starts = [{"url": root, "userData": {"label": "ld_1", "isStart": True}}]

    async def crawled(**custom: object) -> list[Body]:
        wanted = {"extract": "site", "textChars": 40, "maxLinks": 2, "pagesPerSite": 2, **custom}
        return await items(client, await start(client, CHEERIO, crawl("site", startUrls=starts, customData=wanted)))

    home, contact = await crawled(crawlWords=["contact", "team", "touch"], crawlPaths=["press"])
    assert [item["label"] for item in (home, contact)] == ["ld_1", "ld_1"]
    assert len(home["text"]) <= 40
    assert len(home["links"]) <= 2
    assert contact["title"].startswith("Contact")
    _home, usual = await crawled(crawlWords=["no-such-word"], crawlPaths=["about", "press"])
    assert usual["url"] == f"{root}about"


async def test_links_behind_a_redirect_of_the_channel_page_are_told(
    client: httpx.AsyncClient, state: SandboxState
) -> None:
    [channel] = pages(state, lambda one: one.links.youtube and one.links.instagram)
    [item] = await rows(client, CHEERIO, crawl("youtube_about", f"{channel.links.youtube}/about"))
    assert channel.links.instagram in item["links"]


async def test_a_mark_below_a_micro_dollar_in_the_charge_limit_comes_back_and_buys_nothing(
    client: httpx.AsyncClient,
) -> None:
    run = await start(client, GOOGLE, HIKING, maxTotalChargeUsd="0.010499999999")
    assert run["options"]["maxTotalChargeUsd"] == 0.010499999999
    assert len(await items(client, run)) == 2


async def test_redirects_are_followed_and_both_addresses_are_told(
    client: httpx.AsyncClient, state: SandboxState
) -> None:
    def answers(one: PatreonCreator) -> bool:
        return one.domain is not None and state.world.page(f"https://www.{one.domain}/").status == 200

    [site] = pages(state, answers)
    [item] = await rows(client, CHEERIO, crawl("site", f"http://{site.domain}/"))
    assert (item["requestedUrl"], item["url"]) == (f"http://{site.domain}/", f"https://www.{site.domain}/")


async def test_instagram_profiles_tell_who_is_missing_for_nothing(
    client: httpx.AsyncClient, state: SandboxState
) -> None:
    [side] = pages(state, lambda one: one.links.instagram)
    found = await rows(
        client, INSTAGRAM, {"usernames": [side.handle, state.world.instagram(5).url, "nobody.of.this.world"]}
    )
    assert [row["username"] for row in found] == [side.handle, state.world.instagram(5).handle, "nobody.of.this.world"]
    assert found[2]["error"] == "not_found"
    assert state.bill.total_micros() == 2 * 2_600


async def test_x_users_come_by_handle_or_not_at_all(client: httpx.AsyncClient, state: SandboxState) -> None:
    found = pages(state, lambda one: one.links.twitter, 2)
    handles = [str(one.links.twitter).rsplit("/", 1)[1] for one in found]
    users = await rows(client, TWITTER, {"twitterHandles": handles, "maxItems": 2})
    assert [user["userName"] for user in users] == handles
    assert await rows(client, TWITTER, {"twitterHandles": ["nobody_here_at_all"], "maxItems": 1}) == [
        {"noResults": True}
    ]
    assert state.bill.total_micros() == 2 * 400


async def test_leads_are_found_by_domain_and_the_start_is_billed(
    client: httpx.AsyncClient, state: SandboxState
) -> None:
    known = pages(state, lambda one: one.domain and one.truth.leads_finder_knows, 5)
    given = {"company_domain": [one.domain for one in known], "email_status": ["validated"], "fetch_count": 3}
    run = await start(client, LEADS, given)
    leads = await items(client, run)
    assert 0 < len(leads) <= 3
    assert {lead["company_domain"] for lead in leads} <= {one.domain for one in known}
    assert run["chargedEventCounts"] == {"lead-fetched": len(leads), "actor-start": 1}
    assert state.bill.total_micros() == 20_000 + len(leads) * 1_500


async def test_patreon_pages_come_once_up_to_the_limit(client: httpx.AsyncClient) -> None:
    given = {"searchQueries": ["hiking United States", "hiking trails United States"], "maxRequestsPerCrawl": 40}
    found = await rows(client, PATREON, given)
    assert len(found) == len({row["id"] for row in found}) == 40
    counted = [next(row[key] for key in ("patron_count", "total_members") if key in row) for row in found]
    assert {type(count) for count in counted} == {int, str, type(None)}


@pytest.mark.parametrize(
    ("actor", "given"),
    [
        (GOOGLE, {"queries": ["a", "b"]}),
        (GOOGLE, {}),
        (CHEERIO, crawl("site", "https://a.example", maxCrawlPages=5)),
        (CHEERIO, {"startUrls": [{"url": "https://a.example"}], "pageFunction": "x"}),
        (CHEERIO, {**crawl("site"), "startUrls": ["https://a.example"]}),
        (INSTAGRAM, {"usernames": []}),
        (LEADS, {"company_domain": ["a.example"]}),
        (LEADS, {"fetch_count": 5, "email_status": ["good"]}),
        (PATREON, {"searchQueries": "hiking"}),
    ],
)
async def test_bad_inputs_are_refused_and_not_billed(
    client: httpx.AsyncClient, state: SandboxState, actor: str, given: Body
) -> None:
    answer = await client.post(f"{ACTORS_PATH}/{actor}/runs", json=given)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid-input")
    assert state.bill.total_micros() == 0


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ({"memory": 1000}, "invalid-input"),
        ({"maxTotalChargeUsd": 0.001}, "max-total-charge-usd-below-minimum"),
        ({"webhooks": "{}"}, "invalid-input"),
    ],
)
async def test_bad_options_are_refused(client: httpx.AsyncClient, query: Body, kind: str) -> None:
    answer = await client.post(f"{ACTORS_PATH}/{GOOGLE}/runs", json=HIKING, params=query)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, kind)
    hooks = base64.b64encode(json.dumps([{"eventTypes": [], "requestUrl": "https://h.example"}]).encode()).decode()
    good = await client.post(f"{ACTORS_PATH}/{GOOGLE}/runs", json=HIKING, params={"webhooks": hooks})
    assert good.status_code == 201


async def test_caps_hold_what_a_run_returns_and_bills(client: httpx.AsyncClient, state: SandboxState) -> None:
    by_money = await start(client, GOOGLE, HIKING, maxTotalChargeUsd=0.0106)
    by_items = await start(client, GOOGLE, HIKING, maxItems=2)
    assert [len(await items(client, run)) for run in (by_money, by_items)] == [3, 2]
    assert [run["status"] for run in (by_money, by_items)] == ["SUCCEEDED"] * 2
    assert state.bill.total_micros() == 5 * 3_500


async def test_a_capped_run_is_aborted_by_switch(client_of: Callable[[SandboxState], httpx.AsyncClient]) -> None:
    state = SandboxState(SandboxConfig(switches=PracticeSwitches(apify_cap_aborts=True)))
    async with client_of(state) as client:
        assert (await start(client, GOOGLE, HIKING, maxItems=2))["status"] == "ABORTED"
    state.store.close()


async def test_datasets_page_with_headers_to_an_empty_page(client: httpx.AsyncClient) -> None:
    run = await start(client, GOOGLE, HIKING)
    path = f"/apify/v2/datasets/{run['defaultDatasetId']}/items"
    answer = await client.get(path, params={"offset": 4, "limit": 4, "fields": "searchQuery,url", "omit": "url"})
    assert [set(row) for row in answer.json()] == [{"searchQuery"}] * 2
    names = ("offset", "limit", "count", "total", "desc")
    assert [answer.headers[f"x-apify-pagination-{name}"] for name in names] == ["4", "4", "2", "6", "false"]
    past = await client.get(path, params={"offset": 6})
    assert (past.json(), past.headers["x-apify-pagination-limit"]) == ([], "999999999999")
    assert (await items(client, run, desc=1))[0] == (await items(client, run))[-1]


async def test_a_lost_start_is_found_by_listing(client: httpx.AsyncClient, state: SandboxState) -> None:
    state.faults.add(Fault("apify", "run_start", "closed_after"))
    before = state.clock.iso()
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post(f"{ACTORS_PATH}/{GOOGLE}/runs", json=HIKING)
    assert state.bill.total_micros() == 6 * 3_500
    listed = await client.get(f"{ACTORS_PATH}/{GOOGLE}/runs", params={"desc": 1, "startedAfter": before})
    [run] = listed.json()["data"]["items"]
    assert (await client.get(f"/apify/v2/actor-runs/{run['id']}?waitForFinish=20")).json()["data"][
        "status"
    ] == "SUCCEEDED"
    later = await client.get(f"{ACTORS_PATH}/{GOOGLE}/runs", params={"startedAfter": "2099-01-01T00:00:00Z"})
    assert later.json()["data"]["total"] == 0


@pytest.mark.parametrize(
    ("kind", "status", "count"),
    [
        ("run_failed", "FAILED", 3),
        ("run_timed_out", "TIMED-OUT", 3),
        ("run_aborted", "ABORTED", 3),
        ("job_stuck", "RUNNING", 3),
        ("empty_dataset", "SUCCEEDED", 0),
        ("refusal_row", "SUCCEEDED", 1),
        ("demo_rows", "SUCCEEDED", 10),
    ],
)
async def test_runs_go_wrong_by_switch_and_bill_what_they_did(
    client: httpx.AsyncClient, state: SandboxState, kind: str, status: str, count: int
) -> None:
    state.faults.add(Fault("apify", "run_start", kind))
    run = await start(client, GOOGLE, HIKING)
    found = await items(client, run)
    assert (run["status"], len(found)) == (status, count)
    assert state.bill.total_micros() == run["chargedEventCounts"]["search-page"] * 3_500
    if kind == "refusal_row":
        assert (set(found[0]), state.bill.total_micros()) == ({"error"}, 0)


@pytest.mark.parametrize(
    "kind", ["plan_error", "monthly_limit", "paid_plan_required", "memory_limit", "concurrency_limit"]
)
async def test_plan_errors_are_402_and_free(client: httpx.AsyncClient, state: SandboxState, kind: str) -> None:
    state.faults.add(Fault("apify", "run_start", kind))
    assert (await client.post(f"{ACTORS_PATH}/{GOOGLE}/runs", json=HIKING)).status_code == 402
    assert state.bill.total_micros() == 0


async def test_aborting_keeps_what_was_done(client: httpx.AsyncClient) -> None:
    run = (await client.post(f"{ACTORS_PATH}/{GOOGLE}/runs", json=HIKING)).json()["data"]
    aborted = (await client.post(f"/apify/v2/actor-runs/{run['id']}/abort")).json()["data"]
    assert aborted["status"] == "ABORTED"
    assert (await client.get(f"/apify/v2/actor-runs/{run['id']}")).json()["data"]["status"] == "ABORTED"
    assert len(await items(client, run)) == 6


async def test_the_account_tells_its_limits_and_the_bill(client: httpx.AsyncClient) -> None:
    await start(client, GOOGLE, HIKING)
    limits = (await client.get("/apify/v2/users/me/limits")).json()["data"]
    usage = (await client.get("/apify/v2/users/me/usage/monthly")).json()["data"]
    assert limits["current"]["monthlyUsageUsd"] == usage["totalUsageCreditsUsdAfterVolumeDiscount"] == 0.021
    assert limits["monthlyUsageCycle"]["startAt"] == "2026-11-01T00:00:00.000Z"


async def test_unknown_things_and_tokens_are_refused_in_apifys_shape(client: httpx.AsyncClient) -> None:
    cases = {f"{ACTORS_PATH}/no~actor": "actor-not-found", "/apify/v2/actor-runs/x": "record-not-found"}
    for path, kind in cases.items():
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["error"]["type"]) == (404, kind)
    refused = await client.get("/apify/v2/users/me/limits", headers={"Authorization": "Bearer invalid"})
    assert (refused.status_code, refused.json()["error"]["type"]) == (401, "user-or-token-not-found")


async def test_a_synchronous_run_answers_the_items(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"{ACTORS_PATH}/{GOOGLE}/run-sync-get-dataset-items", json=HIKING)
    assert (answer.status_code, len(answer.json())) == (201, 6)


def test_actors_are_named_once() -> None:
    assert len({actor.id for actor in ACTORS}) == len({actor.name for actor in ACTORS}) == len(ACTORS)
