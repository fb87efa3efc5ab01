"""Facts about Apify runs (vendor-contracts sections 4.1 and 4.2)."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from wire_answers import answering, connected, finished_job

from socialanalyzer_dagster.domain.calls import ErrorClass, JobState, JobStatus, VendorError
from socialanalyzer_dagster.vendors.apify import RunLimits, charge_limit_usd, charge_mark, job_status, run_cost_micros
from socialanalyzer_dagster.vendors.apify_actors import Apify, GoogleSearch

LIMITS = RunLimits(timeout_seconds=120, memory_mb=512)
SEARCH = GoogleSearch(queries=("one", "two"), pages_per_query=3)
RUN: dict[str, Any] = {"id": "R1", "status": "RUNNING", "defaultDatasetId": "D1", "usageTotalUsd": 0.0105}


def job(connection, search=SEARCH):
    return Apify(connection).google_search(search, LIMITS)


@pytest.mark.parametrize(
    ("status", "kind", "error_class"),
    [
        (400, "invalid-input", ErrorClass.PERMANENT_ITEM),
        (400, "run-input-body-not-valid-json", ErrorClass.PERMANENT_ITEM),
        (400, "max-total-charge-usd-below-minimum", ErrorClass.PERMANENT_ITEM),
        (401, "token-not-provided", ErrorClass.PERMANENT_SERVICE),
        (401, "user-or-token-not-found", ErrorClass.PERMANENT_SERVICE),
        (403, "insufficient-permissions", ErrorClass.PERMANENT_SERVICE),
        (402, "not-enough-usage-to-run-paid-actor", ErrorClass.PERMANENT_SERVICE),
        (402, "monthly-usage-limit-too-low", ErrorClass.PERMANENT_SERVICE),
        (402, "x402-payment-required", ErrorClass.PERMANENT_SERVICE),
        (403, "apify-plan-required-to-use-paid-actor", ErrorClass.PERMANENT_SERVICE),
        (402, "actor-memory-limit-exceeded", ErrorClass.THROTTLED),
        (403, "concurrent-runs-limit-exceeded", ErrorClass.THROTTLED),
        (404, "actor-not-found", ErrorClass.PERMANENT_ITEM),
        (408, "run-timeout-exceeded", ErrorClass.UNKNOWN),
        (413, "x", ErrorClass.PERMANENT_ITEM),
        (415, "x", ErrorClass.PERMANENT_ITEM),
        (429, "rate-limit-exceeded", ErrorClass.THROTTLED),
        (500, "internal", ErrorClass.UNKNOWN),
        (503, "internal", ErrorClass.UNKNOWN),
        (200, "invalid-input", ErrorClass.UNKNOWN),
    ],
)
async def test_the_error_table_of_starting_a_run(status, kind, error_class):
    with pytest.raises(VendorError) as caught:
        await job(answering(status, {"error": {"type": kind, "message": "text"}})).start(1_000_000)
    assert caught.value.error_class is error_class


async def test_a_full_account_waits_a_minute():
    body = {"error": {"type": "concurrent-runs-limit-exceeded", "message": "text"}}
    with pytest.raises(VendorError) as caught:
        await job(answering(402, body)).start(1)
    assert caught.value.retry_after_seconds == 60


async def test_a_free_read_with_a_5xx_may_be_repeated():
    with pytest.raises(VendorError) as caught:
        await job(answering(502, {})).poll("R1")
    assert caught.value.error_class is ErrorClass.TRANSIENT


async def test_a_run_starts_with_its_limits_in_time_memory_items_and_money():
    sent = []

    def handler(request):
        sent.append(request)
        return httpx.Response(201, json={"data": RUN})

    status = await job(connected(handler)).start(210_000)
    query = dict(sent[0].url.params)
    limit = float(query.pop("maxTotalChargeUsd"))
    assert query == {"timeout": "120", "memory": "512", "maxItems": "6"}
    assert 0.21 <= limit < 0.210001
    assert sent[0].url.path == "/api/v2/actors/apify~google-search-scraper/runs"
    assert (status.job_id, status.state, status.dataset_id) == ("R1", JobState.RUNNING, "D1")


@pytest.mark.parametrize("memory", [64, 1000])
def test_memory_is_a_power_of_two(memory):
    with pytest.raises(ValueError, match="power of two"):
        Apify(answering(200)).google_search(SEARCH, RunLimits(timeout_seconds=1, memory_mb=memory))


@pytest.mark.parametrize("micros", [1, 210_000, 200_000_000])
@pytest.mark.parametrize("mark", [1, 123_456, 999_999])
def test_the_mark_survives_the_way_through_a_json_number(micros, mark):
    text = charge_limit_usd(micros, mark)
    assert charge_mark(float(text)) == mark
    assert micros / 1e6 <= float(text) < (micros + 1) / 1e6


@pytest.mark.parametrize("limit", [None, "0.5", True, float("inf")])
def test_a_run_without_a_limit_has_no_mark(limit):
    assert charge_mark(limit) is None


def runs_of(*runs):
    """A vendor that lists these runs, newest first, and echoes their options."""

    def handler(request):
        path = request.url.path
        if path.endswith("/runs"):
            assert request.url.params["startedAfter"] == "2026-11-20T11:58:00.000Z"
            return httpx.Response(200, json={"data": {"items": [{"id": run["id"]} for run in runs]}})
        return httpx.Response(200, json={"data": next(run for run in runs if path.endswith(run["id"]))})

    return connected(handler)


async def test_a_lost_run_is_found_by_its_own_mark_alone():
    other = job(answering(200), GoogleSearch(queries=("three", "four"), pages_per_query=3))
    sent = []
    ours = job(connected(lambda request: sent.append(request) or httpx.Response(201, json={"data": RUN})))
    await ours.start(500_000)
    limit = float(sent[0].url.params["maxTotalChargeUsd"])
    mine = {**RUN, "id": "R7", "options": {"maxItems": 6, "maxTotalChargeUsd": limit}}
    foreign = {**RUN, "id": "R8", "options": {"maxItems": 6, "maxTotalChargeUsd": 0.5}}
    at = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    connection = runs_of(foreign, mine)
    found = await job(connection).find(at)
    assert found is not None
    assert found.job_id == "R7"
    assert (
        await Apify(connection)
        .google_search(GoogleSearch(queries=("three", "four"), pages_per_query=3), LIMITS)
        .find(at)
        is None
    )
    assert other.request != ours.request


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("READY", JobState.RUNNING),
        ("RUNNING", JobState.RUNNING),
        ("TIMING-OUT", JobState.RUNNING),
        ("ABORTING", JobState.RUNNING),
        ("SUCCEEDED", JobState.SUCCEEDED),
        ("FAILED", JobState.FAILED),
        ("TIMED-OUT", JobState.FAILED),
        ("ABORTED", JobState.FAILED),
        ("NEW-WORD", JobState.FAILED),
    ],
)
def test_a_run_that_failed_still_has_its_items_and_its_cost(word, state):
    status = job_status({**RUN, "status": word}, "apify.read")
    assert (status.state, status.dataset_id, status.reported_micros) == (state, "D1", 10_500)


EVENTS = {
    "chargedEventCounts": {"page": 4, "start": 1, "unknown": 2},
    "pricingInfo": {
        "pricingModel": "PAY_PER_EVENT",
        "pricingPerEvent": {"actorChargeEvents": {"page": {"eventPriceUsd": 0.0035}, "start": {"eventPriceUsd": 0.02}}},
    },
}


@pytest.mark.parametrize(
    ("run", "micros"),
    [
        ({"usageTotalUsd": 0.0175}, 17_500),
        ({"usageTotalUsd": 0.01, **EVENTS}, 34_000),
        ({"usageTotalUsd": 0.05, **EVENTS}, 50_000),
        ({"usageTotalUsd": 0.1 + 0.2}, 300_000),
        ({"usageTotalUsd": 0.0000015}, 2),
        ({"usageTotalUsd": None, **EVENTS}, 34_000),
        ({"usageTotalUsd": 0}, 0),
        ({}, None),
        ({"usageTotalUsd": "free"}, None),
    ],
)
def test_the_cost_is_the_larger_of_usage_and_priced_events(run, micros):
    assert run_cost_micros(run) == micros


async def test_a_dataset_is_read_until_an_empty_page():
    def handler(request):
        if request.method == "POST":
            return httpx.Response(201, json={"data": {**RUN, "status": "SUCCEEDED"}})
        offset = int(request.url.params["offset"])
        rows = [
            {"searchQuery": {"term": "one", "page": n}, "organicResults": []}
            for n in range(offset, min(offset + 400, 1900))
        ]
        return httpx.Response(200, json=rows)

    _, found = await finished_job(job(connected(handler)))
    assert [page.page for page in found.items] == list(range(1900))


async def test_a_page_that_is_no_list_is_no_end_of_the_dataset():
    with pytest.raises(VendorError) as caught:
        await job(answering(200, {"items": []})).page(
            JobStatus(job_id="R", state=JobState.SUCCEEDED, dataset_id="D"), 0
        )
    assert caught.value.error_class is ErrorClass.TRANSIENT


async def test_a_start_without_a_run_id_is_a_lost_answer():
    with pytest.raises(VendorError) as caught:
        await job(answering(201, {"data": {}})).start(1)
    assert caught.value.error_class is ErrorClass.UNKNOWN


async def test_a_run_can_be_aborted():
    asked = []

    def handler(request):
        asked.append((request.method, request.url.path))
        return httpx.Response(200, json={"data": RUN})

    await job(connected(handler)).abort("R1")
    assert asked == [("POST", "/api/v2/actor-runs/R1/abort")]
