"""What the sandbox answers, and what it is sent here, fits the vendors' published schemas."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from socialanalyzer_dagster.sandbox.config import PracticeSwitches, SandboxConfig
from socialanalyzer_dagster.sandbox.faults import Fault
from socialanalyzer_dagster.sandbox.serve import running_sandbox
from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.vendors.insightiq_wire import INSTAGRAM, USA

Json = dict[str, Any]
Validate = Callable[[str, str, Any], list[tuple[str, str]]]


def answer_pointer(path: str, method: str = "get", status: int = 200) -> str:
    return _pointer(path, method) + f"/responses/{status}/content/application~1json/schema"


def request_pointer(path: str, method: str = "post") -> str:
    return _pointer(path, method) + "/requestBody/content/application~1json/schema"


def _pointer(path: str, method: str) -> str:
    return "/paths/" + path.replace("/", "~1") + f"/{method}"


@pytest.fixture
def http(base_url: str, state: SandboxState) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base_url, headers={"Authorization": "Bearer key"}) as client:
        yield client


# --- InsightIQ, in the published shape

INSIGHTIQ_KEY = httpx.BasicAuth("id", "secret")
SEARCH: Json = {
    "work_platform_id": INSTAGRAM,
    "sort_by": {"field": "FOLLOWER_COUNT", "order": "DESCENDING"},
    "follower_count": {"min": 20_000, "max": 900_000},
    "specific_contact_details": [{"type": "EMAIL", "preference": "MUST_HAVE"}],
    "creator_locations": [USA],
}


@pytest.fixture
def published() -> Iterator[httpx.Client]:
    """InsightIQ in the shape of its published schema."""
    switches = PracticeSwitches(insightiq_published_shape=True, insightiq_export_polls=0)
    with (
        running_sandbox(SandboxConfig(seed=7, port=0, switches=switches)) as base_url,
        httpx.Client(base_url=base_url, auth=INSIGHTIQ_KEY) as client,
    ):
        yield client


def test_insightiq_exports_fit_their_schema(published: httpx.Client, validate: Validate) -> None:
    path = "/v1/social/creators/profiles/search-export"
    body = {**SEARCH, "max_results": 120}
    assert validate("insightiq", "/components/schemas/AsyncCreatorSearchRequest", body) == []
    started = published.post(f"/insightiq{path}", json=body)
    assert validate("insightiq", answer_pointer(path, "post", 202), started.json()) == []
    page = published.get(f"/insightiq{path}/{started.json()['id']}").json()
    assert len(page["data"]) == 100
    assert validate("insightiq", "/components/schemas/AsyncCreatorSearchResponse", page) == []


def test_insightiq_searches_fit_their_schema(http: httpx.Client, validate: Validate) -> None:
    body = {**SEARCH, "limit": 50, "offset": 0}
    assert validate("insightiq", "/components/schemas/CreatorSearchRequest", body) == []
    found = http.post("/insightiq/v1/social/creators/profiles/search", json=body, auth=INSIGHTIQ_KEY).json()
    assert len(found["data"]) == 50
    assert validate("insightiq", "/components/schemas/CreatorSearchResponse", found) == []


def test_insightiq_contents_fit_their_schema(published: httpx.Client, state: SandboxState, validate: Validate) -> None:
    for creator in map(state.world.instagram, range(30_000, 30_040)):
        body = {"profile_url": creator.url, "work_platform_id": INSTAGRAM}
        assert validate("insightiq", "/components/schemas/CreatorContentFetchRequest", body) == []
        found = published.post("/insightiq/v1/social/creators/contents/fetch", json=body).json()
        assert validate("insightiq", "/components/schemas/CreatorContentFetchResponse", found) == []


def test_insightiq_content_jobs_fit_their_schema(
    published: httpx.Client, state: SandboxState, validate: Validate
) -> None:
    creator = next(one for one in map(state.world.instagram, range(100)) if not one.is_private)
    path = "/insightiq/v1/social/creators/async/contents/fetch"
    started = published.post(path, json={"profile_url": creator.url, "work_platform_id": INSTAGRAM})
    assert validate("insightiq", "/components/schemas/AsyncPublicContentJobResponse", started.json()) == []
    done = published.get(f"{path}/{started.json()['id']}").json()
    assert validate("insightiq", "/components/schemas/AsyncCreatorContentFetchResponse", done) == []


def test_insightiq_profiles_platforms_and_webhooks_fit_their_schemas(
    http: httpx.Client, state: SandboxState, validate: Validate
) -> None:
    http.auth = INSIGHTIQ_KEY
    path = "/v1/social/creators/profiles"
    for index in range(40):
        query = {"identifier": state.world.instagram(index).handle, "work_platform_id": INSTAGRAM}
        profile = http.get(f"/insightiq{path}", params=query).json()
        assert validate("insightiq", answer_pointer(path), profile) == []
        contact = http.post(f"/insightiq{path}/contact-info", json=query).json()
        assert validate("insightiq", answer_pointer(f"{path}/contact-info", "post"), contact) == []
    platforms = http.get("/insightiq/v1/work-platforms").json()
    assert validate("insightiq", "/components/schemas/WorkPlatformList", platforms) == []
    hook = {"url": "https://hooks.example/x", "events": ["CONTENTS.ADDED"], "name": "one"}
    made = http.post("/insightiq/v1/webhooks", json=hook).json()
    assert validate("insightiq", "/components/schemas/WebhookResponse", made) == []
    listed = http.get("/insightiq/v1/webhooks").json()
    assert validate("insightiq", "/components/schemas/WebhookResponseList", listed) == []


# --- Apify

INPUTS: dict[str, tuple[str, Json]] = {
    "google-search-scraper": (
        "apify~google-search-scraper",
        {"queries": "site:facebook.com/groups hiking\nsite:facebook.com/groups yoga group", "maxPagesPerQuery": 2},
    ),
    "instagram-profile-scraper": ("apify~instagram-profile-scraper", {"usernames": ["{instagram}", "nobody.at.all"]}),
    "twitter-user-scraper": ("apidojo~twitter-user-scraper", {"twitterHandles": ["{twitter}"], "maxItems": 1}),
    "leads-finder": ("code_crafter~leads-finder", {"company_domain": ["{domain}"], "fetch_count": 5}),
    "patreon-scraper": ("mJiXU9PT4eLHuY0pi", {"searchQueries": ["hiking United States"], "maxRequestsPerCrawl": 30}),
    "cheerio-scraper": (
        "apify~cheerio-scraper",
        {
            "startUrls": [{"url": "https://www.{domain}/"}, {"url": "https://nobody-lives-here.com/"}],
            "pageFunction": "async function pageFunction(context) { return {}; }",
            "proxyConfiguration": {"useApifyProxy": True},
        },
    ),
}


def filled(state: SandboxState, value: Any) -> Any:
    if isinstance(value, list):
        return [filled(state, one) for one in value]
    if isinstance(value, dict):
        return {name: filled(state, one) for name, one in value.items()}
    if not isinstance(value, str):
        return value
    pages = [state.world.patreon(index) for index in range(3_000)]
    known = next(page for page in pages if page.domain and page.truth.leads_finder_knows)
    tweeting = next(page for page in pages if page.links.twitter)
    handle = str(tweeting.links.twitter).rsplit("/", 1)[1]
    names = {"{domain}": known.domain or "", "{instagram}": state.world.instagram(3).handle, "{twitter}": handle}
    for mark, name in names.items():
        value = value.replace(mark, name)
    return value


@pytest.mark.parametrize("kind", list(INPUTS))
def test_actor_inputs_and_items_fit_their_schemas(
    http: httpx.Client, state: SandboxState, validate: Validate, kind: str
) -> None:
    actor, template = INPUTS[kind]
    given = filled(state, template)
    assert validate("apify_actors", f"/$defs/{kind}.input", given) == []
    started = http.post(f"/apify/v2/actors/{actor}/runs?waitForFinish=20", json=given).json()
    assert validate("apify", "/components/schemas/RunResponse", started) == []
    items = http.get(f"/apify/v2/datasets/{started['data']['defaultDatasetId']}/items").json()
    assert items
    assert [validate("apify_actors", f"/$defs/{kind}.item", item) for item in items] == [[]] * len(items)


def test_runs_lists_limits_usage_and_errors_fit_their_schemas(
    http: httpx.Client, state: SandboxState, validate: Validate
) -> None:
    http.post("/apify/v2/acts/apify~google-search-scraper/runs", json={"queries": "hiking"})
    for path, schema in (
        ("/v2/actors/apify~google-search-scraper/runs", "ListOfRunsResponse"),
        ("/v2/users/me/limits", "LimitsResponse"),
        ("/v2/users/me/usage/monthly", "MonthlyUsageResponse"),
        ("/v2/actor-runs/unknown", "ErrorResponse"),
    ):
        assert validate("apify", f"/components/schemas/{schema}", http.get(f"/apify{path}").json()) == []
    for kind in (
        "plan_error",
        "monthly_limit",
        "paid_plan_required",
        "memory_limit",
        "concurrency_limit",
        "rate_limited",
    ):
        state.faults.set([Fault("apify", "*", kind)])
        body = http.post("/apify/v2/acts/apify~google-search-scraper/runs", json={"queries": "hiking"}).json()
        assert validate("apify", "/components/schemas/ErrorResponse", body) == []


# --- Apollo, MillionVerifier


def test_apollo_people_fit_their_schema(http: httpx.Client, state: SandboxState, validate: Validate) -> None:
    http.headers["x-api-key"] = "key"
    domains = [page.domain for page in map(state.world.patreon, range(200)) if page.domain][:20]
    for domain in domains:
        answer = http.post("/apollo/api/v1/people/match", params={"domain": domain, "reveal_personal_emails": "true"})
        assert validate("apollo", answer_pointer("/people/match", "post"), answer.json()) == []
    details = {"details": [{"domain": domain} for domain in domains[:10]]}
    assert validate("apollo", request_pointer("/people/bulk_match"), details) == []
    bulk = http.post("/apollo/api/v1/people/bulk_match", json=details).json()
    assert bulk["credits_consumed"] > 0
    assert validate("apollo", "/components/schemas/BulkMatch", bulk) == []
    usage = http.post("/apollo/api/v1/usage_stats/api_usage_stats").json()
    assert validate("apollo", answer_pointer("/usage_stats/api_usage_stats", "post"), usage) == []


def test_verifications_fit_their_schemas(http: httpx.Client, validate: Validate) -> None:
    single, bulk = "/millionverifier/api/v3/", "/millionverifier/bulkapi/v2"
    for query in (
        "api=key&email=ada@trail.example",
        "api=invalid&email=a@b.example",
        "api=key",
        "api=API_KEY_FOR_TEST_OK&email=x",
    ):
        assert (
            validate("millionverifier", "/components/schemas/SingleResult", http.get(f"{single}?{query}").json()) == []
        )
    credits_left = http.get(f"{single}credits?api=key").json()
    assert validate("millionverifier", "/components/schemas/Credits", credits_left) == []
    record = http.post(
        f"{bulk}/upload?key=key", files={"file_contents": ("a.txt", "a@b.example\nc@d.example\n")}
    ).json()
    for body in (record, http.get(f"{bulk}/fileinfo?key=key&file_id={record['file_id']}").json()):
        assert validate("millionverifier", "/components/schemas/FileRecord", body) == []
    listed = http.get(f"{bulk}/filelist?key=key").json()
    assert validate("millionverifier", answer_pointer("/bulkapi/v2/filelist"), listed) == []


# --- HubSpot

HUBSPOT = (("hubspot", "/crm/v3/objects/contacts"), ("hubspot_2026_03", "/crm/objects/2026-03/contacts"))
UID = {
    "name": "creator_uid",
    "label": "Creator UID",
    "type": "string",
    "fieldType": "text",
    "groupName": "contactinformation",
    "hasUniqueValue": True,
}


@pytest.mark.parametrize(("spec", "contacts"), HUBSPOT)
def test_contact_calls_fit_their_schemas(http: httpx.Client, validate: Validate, spec: str, contacts: str) -> None:
    http.post("/hubspot/crm/v3/properties/contacts", json=UID)

    def check(path: str, body: Json, status: int, schema: str) -> Json:
        request = request_pointer(contacts + path)
        assert validate(spec, request, body) == []
        answer = http.post(f"/hubspot{contacts}{path}", json=body)
        assert answer.status_code == status, answer.text
        found: Json = answer.json()
        assert validate(spec, f"/components/schemas/{schema}", found) == []
        return found

    def row(uid: str, **values: str) -> Json:
        return {"id": uid, "idProperty": "creator_uid", "objectWriteTraceId": uid, "properties": values}

    rows = [row("a", email="a@trail.example", city="Taos"), row("b", email="nonsense")]
    check("/batch/upsert", {"inputs": rows[:1]}, 200, "BatchResponseSimplePublicUpsertObject")
    check("/batch/upsert", {"inputs": rows}, 207, "BatchResponseSimplePublicUpsertObjectWithErrors")
    made = {"objectWriteTraceId": "1", "associations": [], "properties": {"email": "c@trail.example"}}
    check("/batch/create", {"inputs": [made]}, 201, "BatchResponseSimplePublicObject")
    check("/batch/create", {"inputs": [made]}, 207, "BatchResponseSimplePublicObjectWithErrors")
    wanted = [{"id": "a@trail.example"}, {"id": "x@trail.example"}]
    asked = {"idProperty": "email", "inputs": wanted, "properties": ["city"], "propertiesWithHistory": []}
    check("/batch/read", asked, 207, "BatchResponseSimplePublicObjectWithErrors")
    changed = {"inputs": [{"id": "a", "idProperty": "creator_uid", "properties": {"city": "Moab"}}]}
    check("/batch/update", changed, 200, "BatchResponseSimplePublicObject")
    filters = [{"filters": [{"propertyName": "city", "operator": "EQ", "value": "Moab"}]}]
    search = {"filterGroups": filters, "properties": ["city"], "limit": 10, "after": "0", "sorts": []}
    found = check("/search", search, 200, "CollectionResponseWithTotalSimplePublicObject")
    assert found["total"] == 1
    conflict = check("", {"properties": {"email": "c@trail.example"}, "associations": []}, 409, "Error")
    assert conflict["category"] == "CONFLICT"


def test_owners_and_properties_fit_their_schemas(http: httpx.Client, validate: Validate) -> None:
    owners = http.get("/hubspot/crm/v3/owners?limit=2").json()
    assert validate("hubspot_owners", answer_pointer("/crm/v3/owners"), owners) == []
    assert validate("hubspot_properties", "/components/schemas/PropertyCreate", UID) == []
    made = http.post("/hubspot/crm/v3/properties/contacts", json=UID)
    assert validate("hubspot_properties", "/components/schemas/Property", made.json()) == []
    listed = http.get("/hubspot/crm/v3/properties/contacts").json()
    assert validate("hubspot_properties", "/components/schemas/CollectionResponsePropertyNoPaging", listed) == []
    batch = http.post("/hubspot/crm/v3/properties/contacts/batch/create", json={"inputs": [UID]})
    assert batch.status_code == 207
    schema = "/components/schemas/BatchResponsePropertyWithErrors"
    assert validate("hubspot_properties", schema, batch.json()) == []


# --- OpenAI, Slack


def test_model_calls_fit_their_schemas(http: httpx.Client, state: SandboxState, validate: Validate) -> None:
    schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["decision"],
        "properties": {"decision": {"type": "string", "enum": ["pass", "reject"]}},
    }
    body = {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": f"platform: instagram\nhandle: {state.world.instagram(1).handle}\n"}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "triage_v1", "strict": True, "schema": schema},
        },
    }
    assert validate("openai", "/components/schemas/CreateChatCompletionRequest", body) == []
    for kind in ("", "refusal", "length", "content_filter"):
        state.faults.set([Fault("openai", "chat_completions", kind)] if kind else [])
        answer = http.post("/openai/v1/chat/completions", json=body).json()
        assert validate("openai", "/components/schemas/CreateChatCompletionResponse", answer) == []
    embedded = http.post("/openai/v1/embeddings", json={"model": "text-embedding-3-small", "input": "hiking"}).json()
    assert validate("openai", "/components/schemas/CreateEmbeddingResponse", embedded) == []
    assert validate("openai", "/components/schemas/ListModelsResponse", http.get("/openai/v1/models").json()) == []
    state.faults.set([Fault("openai", "*", "rate_limited")])
    refused = http.post("/openai/v1/chat/completions", json=body).json()
    assert validate("openai", "/components/schemas/ErrorResponse", refused) == []


def test_messages_fit_their_schema(http: httpx.Client, validate: Validate) -> None:
    body = {"text": "done", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "*done*"}}]}
    assert http.post("/slack/services/T/B/X", json=body).text == "ok"
    assert validate("slack", "/components/schemas/Message", body) == []
