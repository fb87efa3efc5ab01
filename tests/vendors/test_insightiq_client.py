"""Facts about the InsightIQ client (vendor-contracts section 3)."""

import httpx
import pytest
from wire_answers import answering, connected, finished_job, value_of

from socialanalyzer_dagster.domain.calls import ErrorClass, JobState, VendorError
from socialanalyzer_dagster.vendors.insightiq import ContentState, InsightIQ, decode_contents, decode_profiles

INSTAGRAM = "9bb8913b-ddd9-430b-a66a-d74d846e6c66"
BODY = {"work_platform_id": INSTAGRAM, "max_results": 10, "sort_by": {"field": "FOLLOWER_COUNT", "order": "DESCENDING"}}


def fetch(connection):
    return InsightIQ(connection).contents_fetch(profile_url="https://www.instagram.com/a", work_platform_id=INSTAGRAM)


async def refusal_of_fetch(connection) -> VendorError:
    with pytest.raises(VendorError) as caught:
        await fetch(connection).send()
    return caught.value


@pytest.mark.parametrize(
    ("status", "error_class"),
    [
        (400, ErrorClass.PERMANENT_ITEM),
        (404, ErrorClass.PERMANENT_ITEM),
        (422, ErrorClass.PERMANENT_ITEM),
        (401, ErrorClass.PERMANENT_SERVICE),
        (403, ErrorClass.PERMANENT_SERVICE),
        (429, ErrorClass.THROTTLED),
        (500, ErrorClass.UNKNOWN),
        (503, ErrorClass.UNKNOWN),
    ],
)
async def test_the_error_table_of_a_paid_call(status, error_class):
    body = {"error": {"type": "x", "code": "invalid_credentials", "message": "no", "status_code": status}}
    error = await refusal_of_fetch(answering(status, body, {"Retry-After": "3"}))
    assert (error.error_class, error.status) == (error_class, status)


async def test_a_free_page_with_a_5xx_may_be_repeated():
    job = InsightIQ(answering(503, {})).search_export(BODY)
    with pytest.raises(VendorError) as caught:
        await job.poll("j1")
    assert caught.value.error_class is ErrorClass.TRANSIENT


@pytest.mark.parametrize(
    ("named", "error_class"),
    [(429, ErrorClass.THROTTLED), (404, ErrorClass.PERMANENT_ITEM), (None, ErrorClass.UNKNOWN)],
)
async def test_an_error_object_in_a_200_is_never_content(named, error_class):
    error = await refusal_of_fetch(answering(200, {"error": {"code": "x", "status_code": named}}))
    assert error.error_class is error_class


async def test_found_empty_and_not_known_are_three_states():
    found = await value_of(fetch(answering(200, {"data": [{"url": "u", "title": None}]})))
    empty = await value_of(fetch(answering(200, {"data": []})))
    assert (found.state, empty.state) == (ContentState.FOUND, ContentState.EMPTY)
    assert decode_contents({"data": ["damaged"]}).state is ContentState.NOT_KNOWN
    for body in ({}, {"data": None}, [], None):
        assert (await refusal_of_fetch(answering(200, body))).error_class is ErrorClass.UNKNOWN


async def test_a_content_fetch_is_one_billed_call():
    call = fetch(answering(200, {"data": []}, {"request-id": "r1"}))
    reply = await call.send()
    assert (reply.units, call.max_units, reply.request_id) == (
        {"insightiq.contents_fetch": 1},
        {"insightiq.contents_fetch": 1},
        "r1",
    )


def test_a_content_item_with_nulls_everywhere_is_read():
    keys = ("url", "type", "format", "title", "description", "published_at", "duration", "engagement", "media_url")
    keys += ("thumbnail_url", "content_group_media", "is_pinned", "likes_and_views_disabled", "hashtags", "profile")
    item = decode_contents({"data": [dict.fromkeys(keys)]}).items[0]
    assert item.engagement.like_count is None
    assert item.profile.is_private is None
    assert item.content_group_media == ()


def test_a_date_without_zone_is_utc_and_an_unreadable_one_is_unknown():
    rows = [{"published_at": "2026-11-01T00:00:00.000000"}, {"published_at": "last week"}]
    first, second = decode_contents({"data": rows}).items
    assert first.published_at.isoformat() == "2026-11-01T00:00:00+00:00"
    assert second.published_at is None


def test_contact_details_come_as_list_or_as_object():
    as_list, as_object, broken = decode_profiles(
        [
            {"contact_details": [{"type": "email", "value": "a@b.example"}, {"type": "PHONE", "value": "1"}]},
            {"contact_details": {"type": "EMAIL", "value": "a@b.example"}},
            {"contact_details": [{"type": "email", "value": None}, "x", None]},
        ]
    )
    assert [(one.kind, one.value) for one in as_list.contact_details] == [("email", "a@b.example"), ("phone", "1")]
    assert [(one.kind, one.value) for one in as_object.contact_details] == [("email", "a@b.example")]
    assert broken.contact_details == ()


def test_a_field_of_the_wrong_type_is_unknown_and_loses_nothing_else():
    (profile,) = decode_profiles([{"platform_username": "ann", "follower_count": "many", "content_count": -1}])
    assert (profile.platform_username, profile.follower_count, profile.content_count) == ("ann", None, None)


def test_the_location_is_read_under_both_names():
    old, new = decode_profiles([{"location": {"city": "X"}}, {"creator_location": {"city": "Y"}}])
    assert (old.place.city, new.place.city) == ("X", "Y")


@pytest.mark.parametrize(
    "change", [{"max_results": 0}, {"max_results": 4001}, {"max_results": "10"}, {"sort_by": None}]
)
def test_a_search_that_the_vendor_would_refuse_is_never_described(change):
    with pytest.raises(ValueError, match=r"max_results|sort_by"):
        InsightIQ(answering(200)).search_export({**BODY, **change})


def test_the_most_a_search_can_cost_is_what_it_asks_for():
    job = InsightIQ(answering(200)).search_export(BODY)
    assert job.max_units == {"insightiq.search_export": 10}
    assert job.request == BODY
    assert job.find is None


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("IN_PROGRESS", JobState.RUNNING),
        ("SUCCESS", JobState.SUCCEEDED),
        ("FAILED", JobState.FAILED),
        ("FAILURE", JobState.FAILED),
        ("PAUSED", JobState.FAILED),
        (None, JobState.FAILED),
    ],
)
async def test_a_job_status_that_is_not_listed_is_a_failure(word, state):
    status = await InsightIQ(answering(200, {"id": "j", "status": word})).search_export(BODY).poll("j")
    assert status.state is state


@pytest.mark.parametrize("status", [200, 202])
async def test_a_search_may_start_with_200_or_202(status):
    job = InsightIQ(answering(status, {"id": "j", "status": "IN_PROGRESS"})).search_export(BODY)
    assert (await job.start(1)).job_id == "j"


async def test_a_start_without_an_id_is_a_lost_answer():
    with pytest.raises(VendorError) as caught:
        await InsightIQ(answering(202, {"status": "IN_PROGRESS"})).search_export(BODY).start(1)
    assert caught.value.error_class is ErrorClass.UNKNOWN


def paged(total_of, count=250, page=100):
    """A vendor with `count` profiles; `total_of(items, offset)` places the total."""

    def handler(request):
        if request.method == "POST":
            return httpx.Response(202, json={"id": "j", "status": "IN_PROGRESS"})
        offset, limit = int(request.url.params["offset"]), int(request.url.params["limit"])
        items = [{"platform_username": str(n)} for n in range(offset, min(offset + min(limit, page), count))]
        return httpx.Response(200, json={"id": "j", "status": "SUCCESS", **total_of(items)})

    return connected(handler)


@pytest.mark.parametrize(
    "total_of",
    [
        lambda items: {"data": items, "metadata": {"total_results": 250}},
        lambda items: {"data": [{**one, "metadata": {"total_results": "250"}} for one in items]},
        lambda items: {"data": items},
        lambda items: {"data": items, "metadata": {"total_results": 9999}},
    ],
)
async def test_every_profile_is_read_once_wherever_the_total_stands(total_of):
    _, profiles = await finished_job(InsightIQ(paged(total_of)).search_export(BODY))
    assert [one.platform_username for one in profiles] == [str(n) for n in range(250)]


async def test_short_pages_lose_nothing():
    connection = paged(lambda items: {"data": items, "metadata": {"total_results": 250}}, page=30)
    _, profiles = await finished_job(InsightIQ(connection).search_export(BODY))
    assert len({one.platform_username for one in profiles}) == len(profiles) == 250


async def test_a_page_without_a_list_is_no_end_of_the_results():
    job = InsightIQ(answering(200, {"id": "j", "status": "SUCCESS"})).search_export(BODY)
    status = await job.poll("j")
    with pytest.raises(VendorError) as caught:
        await job.page(status, 0)
    assert caught.value.error_class is ErrorClass.TRANSIENT
