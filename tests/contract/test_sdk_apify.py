"""The official apify-client works against the sandbox."""

import pytest
from apify_client import ApifyClient
from apify_client.errors import ApifyApiError

from socialanalyzer_dagster.sandbox.faults import Fault
from socialanalyzer_dagster.sandbox.state import SandboxState

GOOGLE = "apify/google-search-scraper"
QUERIES = "\n".join(f'site:facebook.com/groups "hiking" {number}' for number in range(50))


@pytest.fixture
def client(base_url: str, state: SandboxState) -> ApifyClient:
    return ApifyClient("key", api_url=f"{base_url}/apify", api_public_url=f"{base_url}/apify", max_retries=0)


def test_a_called_actor_is_waited_for_and_its_items_are_paged(client: ApifyClient, state: SandboxState) -> None:
    assert len(QUERIES) > 1024, "bodies of that size are compressed by the client"
    run = client.actor(GOOGLE).call(run_input={"queries": QUERIES, "maxPagesPerQuery": 1}, logger=None)
    assert run is not None
    assert (run.status, run.charged_event_counts) == ("SUCCEEDED", {"search-page": 50})
    items = list(client.dataset(run.default_dataset_id).iterate_items())
    assert [item["searchQuery"]["term"] for item in items] == QUERIES.splitlines()
    assert run.usage_total_usd is not None
    assert round(run.usage_total_usd * 1_000_000) == state.bill.total_micros("apify")


def test_a_started_run_is_followed_listed_and_aborted(client: ApifyClient) -> None:
    run = client.actor(GOOGLE).start(run_input={"queries": "hiking"}, max_items=5, memory_mbytes=1024)
    assert run.status == "READY"
    followed = client.run(run.id).get()
    assert followed is not None
    assert followed.status == "RUNNING"
    assert [row.id for row in client.actor(GOOGLE).runs().list(desc=True).items] == [run.id]
    assert client.run(run.id).abort().status == "ABORTED"


def test_log_dataset_account_and_actor_can_be_read(client: ApifyClient) -> None:
    run = client.actor(GOOGLE).call(run_input={"queries": "hiking"}, logger=None)
    assert run is not None
    assert "SUCCEEDED" in (client.run(run.id).log().get() or "")
    dataset, actor = client.dataset(run.default_dataset_id).get(), client.actor(GOOGLE).get()
    assert dataset is not None
    assert dataset.item_count == 1
    assert actor is not None
    assert actor.name == "google-search-scraper"
    limits, usage = client.user().limits(), client.user().monthly_usage()
    assert limits is not None
    assert usage is not None
    assert limits.current.monthly_usage_usd == usage.total_usage_credits_usd_after_volume_discount == 0.0035


def test_refusals_arrive_as_api_errors(client: ApifyClient, state: SandboxState) -> None:
    with pytest.raises(ApifyApiError) as refused:
        client.actor(GOOGLE).start(run_input={"queries": ["a"]})
    assert (refused.value.status_code, refused.value.type) == (400, "invalid-input")
    state.faults.add(Fault("apify", "run_start", "plan_error"))
    with pytest.raises(ApifyApiError) as refused:
        client.actor(GOOGLE).start(run_input={"queries": "a"})
    assert (refused.value.status_code, refused.value.type) == (402, "not-enough-usage-to-run-paid-actor")
