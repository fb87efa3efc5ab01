"""Facts about the simulated InsightIQ (contracts section 3)."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from socialanalyzer_dagster.sandbox.config import PracticeSwitches, SandboxConfig
from socialanalyzer_dagster.sandbox.faults import Fault
from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.vendors.insightiq_wire import INSTAGRAM, USA
from socialanalyzer_dagster.sandbox.world.models import InstagramCreator

PREFIX = "/insightiq/v1/social/creators"
EXPORT = f"{PREFIX}/profiles/search-export"
FETCH = f"{PREFIX}/contents/fetch"
KEY = httpx.BasicAuth("id", "secret")
Body = dict[str, Any]


def search_body(**more: object) -> Body:
    return {
        "work_platform_id": INSTAGRAM,
        "max_results": 150,
        "sort_by": {"field": "FOLLOWER_COUNT", "order": "DESCENDING"},
        "follower_count": {"min": 20_000, "max": 900_000},
        "specific_contact_details": [{"type": "EMAIL", "preference": "MUST_HAVE"}],
        "creator_language": {"code": "en"},
        "creator_locations": [USA],
        "audience_locations": [{"location_id": USA, "percentage_value": 30, "operator": "GT"}],
        "audience_credibility_category": ["EXCELLENT", "HIGH", "NORMAL"],
        **more,
    }


async def start(client: httpx.AsyncClient, **more: object) -> str:
    answer = await client.post(EXPORT, json=search_body(**more), auth=KEY)
    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == "IN_PROGRESS"
    return str(answer.json()["id"])


async def page(client: httpx.AsyncClient, job: str, offset: int = 0) -> Body:
    body: Body = (await client.get(f"{EXPORT}/{job}?limit=100&offset={offset}", auth=KEY)).json()
    return body


def account(state: SandboxState, wanted: Callable[[InstagramCreator], bool]) -> InstagramCreator:
    return next(one for one in (state.world.instagram(index) for index in range(20_000)) if wanted(one))


async def fetch(client: httpx.AsyncClient, creator_url: str, **more: object) -> httpx.Response:
    return await client.post(FETCH, json={"profile_url": creator_url, "work_platform_id": INSTAGRAM, **more}, auth=KEY)


async def test_an_export_is_in_progress_first_and_then_read_by_pages(client: httpx.AsyncClient) -> None:
    job = await start(client)
    assert (await page(client, job))["status"] == "IN_PROGRESS"
    pages = [await page(client, job, offset) for offset in (0, 100, 200)]
    assert [len(one["data"]) for one in pages] == [100, 50, 0]
    assert pages[0]["metadata"] == {"total_results": 150, "limit": 100, "offset": 0}
    rows = [row for one in pages for row in one["data"]]
    followers = [row["follower_count"] for row in rows]
    assert followers == sorted(followers, reverse=True)
    assert all(20_000 <= count <= 900_000 for count in followers)
    assert all(any(detail["type"].lower() == "email" for detail in row["contact_details"]) for row in rows)
    assert {row["location"]["country"] for row in rows} == {"United States"}


async def test_every_start_is_a_new_billed_job_with_the_same_people(
    client: httpx.AsyncClient, state: SandboxState
) -> None:
    first, second = await start(client), await start(client)
    assert first != second
    assert state.bill.total_micros() == 2 * 150 * 20_000
    for job in (first, second):
        await page(client, job)
    assert (await page(client, first))["data"] == (await page(client, second))["data"]


async def test_a_search_that_finds_nobody_costs_nothing(client: httpx.AsyncClient, state: SandboxState) -> None:
    job = await start(client, bio_phrase="zzz no such phrase zzz")
    await page(client, job)
    assert (await page(client, job))["data"] == []
    assert state.bill.total_micros() == 0


async def test_the_published_shape_is_behind_a_switch(client_of: Callable[[SandboxState], httpx.AsyncClient]) -> None:
    state = SandboxState(
        SandboxConfig(switches=PracticeSwitches(insightiq_published_shape=True, insightiq_export_polls=0))
    )
    async with client_of(state) as client:
        body = await page(client, await start(client))
        assert "metadata" not in body
        assert body["data"][0]["metadata"] == {"total_results": "150", "limit": "100", "offset": "0"}
        assert body["data"][0]["contact_details"]["type"] == "EMAIL"
        state.faults.add(Fault("insightiq", "search_export", "job_failed"))
        assert (await page(client, await start(client)))["status"] == "FAILURE"
    state.store.close()


@pytest.mark.parametrize(
    "more",
    [
        {"work_platform_id": "nope"},
        {"sort_by": None},
        {"sort_by": {"field": "FOLLOWER_COUNT", "order": "ASCENDING"}},
        {"max_results": 0},
        {"max_results": "10"},
        {"follower_count": {"min": 10, "max": 5}},
        {"follower_count": {"min": "10"}},
        {"hashtags": [{"name": "#hiking"}]},
        {"creator_interests": ["Home Decor, Furniture & Garden"]},
        {"bio_phrase": "a", "bio_phrase_advanced": [{"bio_phrase": "b", "action": "AND"}]},
        {"bio_phrase_advanced": [{"bio_phrase": "b", "action": "AND"}] * 15},
        {"bio_phrase_advanced": [{"bio_phrase": "b", "action": "MAYBE"}]},
        {"audience_credibility_category": ["SUPERB"]},
        {"folower_count": {"min": 1}},
    ],
)
async def test_bad_filters_are_refused_and_not_billed(
    client: httpx.AsyncClient, state: SandboxState, more: Body
) -> None:
    answer = await client.post(EXPORT, json=search_body(**more), auth=KEY)
    assert answer.status_code == 400
    assert answer.json()["error"]["http_status_code"] == 400
    assert state.bill.total_micros() == 0


async def test_the_filters_narrow_the_search(client: httpx.AsyncClient, state: SandboxState) -> None:
    job = await start(client, bio_phrase="retreat", max_results=20)
    await page(client, job)
    rows = (await page(client, job))["data"]
    assert rows
    assert all("retreat" in row["introduction"].lower() for row in rows)
    verified = await start(client, is_verified=True, max_results=5)
    await page(client, verified)
    assert {row["is_verified"] for row in (await page(client, verified))["data"]} == {True}


async def test_a_search_stops_below_five_hundred(client: httpx.AsyncClient, state: SandboxState) -> None:
    body = {key: value for key, value in search_body().items() if key != "max_results"}
    answer = await client.post(f"{PREFIX}/profiles/search", json={**body, "limit": 20, "offset": 5}, auth=KEY)
    assert len(answer.json()["data"]) == 20
    assert answer.headers["request-id"]
    assert state.bill.total_micros() == 20 * 20_000
    refused = await client.post(f"{PREFIX}/profiles/search", json={**body, "limit": 100, "offset": 400}, auth=KEY)
    assert refused.status_code == 400


async def test_contents_of_an_active_account_come_newest_first_with_media(
    client: httpx.AsyncClient, state: SandboxState
) -> None:
    creator = account(state, lambda one: not one.is_private and one.truth.activity == "active")
    answer = await fetch(client, creator.url)
    items = answer.json()["data"]
    assert items
    assert state.bill.total_micros() == 40_000
    dates = [item["published_at"] for item in items if not item["is_pinned"]]
    assert dates == sorted(dates, reverse=True)
    assert items[0]["profile"]["platform_username"] == creator.handle
    assert items[0]["thumbnail_url"].startswith("http://sandbox.test/media/")
    reels = (await fetch(client, creator.url, content_type="REELS")).json()["data"]
    assert {item["type"] for item in reels} <= {"REELS"}
    one = await client.post(FETCH, json={"content_url": items[0]["url"], "work_platform_id": INSTAGRAM}, auth=KEY)
    assert [item["platform_content_id"] for item in one.json()["data"]] == [items[0]["platform_content_id"]]


async def test_a_private_account_says_so_and_an_empty_one_is_empty(
    client: httpx.AsyncClient, state: SandboxState
) -> None:
    private = account(state, lambda one: one.is_private)
    [row] = (await fetch(client, private.url)).json()["data"]
    assert row["profile"]["is_private"] is True
    assert "published_at" not in row
    empty = account(state, lambda one: not one.is_private and one.truth.activity == "empty")
    feed = [item for item in (await fetch(client, empty.url)).json()["data"] if item["type"] != "STORY"]
    assert feed == []
    assert state.bill.total_micros() == 2 * 40_000


async def test_an_unknown_account_is_not_found_and_not_billed(client: httpx.AsyncClient, state: SandboxState) -> None:
    answer = await fetch(client, "https://www.instagram.com/nobody.of.this.world")
    assert (answer.status_code, answer.json()["error"]["error_code"]) == (404, "not_found")
    assert answer.headers["request-id"] == answer.json()["error"]["request_id"]
    assert state.bill.total_micros() == 0


async def test_contents_can_be_fetched_by_a_job(client: httpx.AsyncClient, state: SandboxState) -> None:
    creator = account(state, lambda one: not one.is_private and one.truth.activity == "active")
    path = f"{PREFIX}/async/contents/fetch"
    made = await client.post(path, json={"profile_url": creator.url, "work_platform_id": INSTAGRAM}, auth=KEY)
    assert made.status_code == 202
    job = made.json()["id"]
    assert (await client.get(f"{path}/{job}", auth=KEY)).json()["status"] == "IN_PROGRESS"
    done = (await client.get(f"{path}/{job}?limit=3", auth=KEY)).json()
    assert (done["status"], len(done["data"])) == ("SUCCESS", 3)
    assert state.bill.total_micros() == 40_000


async def test_profiles_and_contact_details_are_billed_per_call(client: httpx.AsyncClient, state: SandboxState) -> None:
    creator = account(state, lambda one: one.contact.listed_email is not None)
    query = {"identifier": creator.handle, "work_platform_id": INSTAGRAM}
    profile = (await client.get(f"{PREFIX}/profiles", params=query, auth=KEY)).json()
    assert (profile["platform_username"], profile["is_private"]) == (creator.handle, creator.is_private)
    contact = (await client.post(f"{PREFIX}/profiles/contact-info", json=query, auth=KEY)).json()
    assert creator.contact.listed_email in {detail["value"] for detail in contact["contact_details"]}
    assert state.bill.total_micros() == 1_000_000


async def test_webhooks_are_registered_changed_and_deleted(client: httpx.AsyncClient) -> None:
    path = "/insightiq/v1/webhooks"
    hook = {"url": "https://hooks.example/x", "events": ["CONTENTS.ADDED"], "name": "one"}
    made = await client.post(path, json=hook, auth=KEY)
    again = await client.post(path, json=hook, auth=KEY)
    assert (made.status_code, made.json()["id"] == again.json()["id"]) == (201, False)
    one = f"{path}/{made.json()['id']}"
    assert (await client.put(one, json={**hook, "is_active": False}, auth=KEY)).json()["is_active"] is False
    assert len((await client.get(path, auth=KEY)).json()["data"]) == 2
    assert (await client.delete(one, auth=KEY)).status_code == 204
    assert (await client.get(one, auth=KEY)).status_code == 404
    assert (await client.post(path, json={"url": "x"}, auth=KEY)).status_code == 400


async def test_work_platforms_are_a_free_status_call(client: httpx.AsyncClient, state: SandboxState) -> None:
    listed = (await client.get("/insightiq/v1/work-platforms?name=insta", auth=KEY)).json()
    assert [row["id"] for row in listed["data"]] == [INSTAGRAM]
    refused = await client.get("/insightiq/v1/work-platforms", auth=httpx.BasicAuth("id", "invalid"))
    assert (refused.status_code, refused.json()["error"]["error_code"]) == (401, "invalid_credentials")
    assert state.bill.total_micros() == 0


@pytest.mark.parametrize(
    ("kind", "lengths", "total"),
    [("short_page", [50, 25], 150), ("repeated_page", [100, 100], 150), ("total_changes", [100, 50], 250)],
)
async def test_pages_go_wrong_by_switch(
    client: httpx.AsyncClient, state: SandboxState, kind: str, lengths: list[int], total: int
) -> None:
    job = await start(client)
    await page(client, job)
    state.faults.add(Fault("insightiq", "search_export_poll", kind))
    pages = [await page(client, job, offset) for offset in (0, 100)]
    assert [len(one["data"]) for one in pages] == lengths
    assert pages[0]["metadata"]["total_results"] == total
    assert (pages[0]["data"] == pages[1]["data"]) == (kind == "repeated_page")


async def test_a_stuck_job_stays_in_progress_and_a_failed_one_says_failed(
    client: httpx.AsyncClient, state: SandboxState
) -> None:
    job = await start(client)
    state.faults.add(Fault("insightiq", "search_export_poll", "job_stuck"))
    assert [(await page(client, job))["status"] for _ in range(4)] == ["IN_PROGRESS"] * 4
    state.faults.set([Fault("insightiq", "search_export", "job_failed")])
    failed = await start(client, max_results=10)
    await page(client, failed)
    body = await page(client, failed)
    assert (body["status"], bool(body["error"])) == ("FAILED", True)
    assert state.bill.total_micros() == 150 * 20_000
