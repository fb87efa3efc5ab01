"""Every vendor answers trouble in a shape of its own (contracts sections 3 to 10)."""

from typing import Any

import httpx
import pytest

from socialanalyzer_dagster.sandbox.faults import Fault
from socialanalyzer_dagster.sandbox.state import SandboxState

BASIC = {"Authorization": "Basic YTpi"}
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=key/x, Signature=abc"}
CALLS: dict[str, tuple[str, str, dict[str, str]]] = {
    "insightiq": ("GET", "/insightiq/v1/work-platforms", BASIC),
    "apify": ("GET", "/apify/v2/users/me/limits", {}),
    "apollo": ("POST", "/apollo/api/v1/people/match?domain=a.example", {"x-api-key": "key"}),
    "millionverifier": ("GET", "/millionverifier/api/v3?api=key&email=a@b.example", {}),
    "hubspot": ("GET", "/hubspot/crm/v3/owners", {}),
    "slack": ("POST", "/slack/services/T/B/X", {}),
    "r2": ("GET", "/r2/leads/a", SIGNED),
}


def said(vendor: str, answer: httpx.Response) -> Any:
    """What the vendor's body says went wrong."""
    if vendor == "slack":
        return answer.text
    if vendor == "r2":
        return answer.text.partition("<Code>")[2].partition("</Code>")[0]
    if vendor == "apollo" and answer.status_code == 401:
        return answer.text
    body = answer.json()
    readers = {
        "insightiq": lambda: body["error"]["error_code"],
        "apify": lambda: body["error"]["type"],
        "apollo": lambda: body.get("error_code") or body["message"].partition(" for ")[0],
        "millionverifier": lambda: body["error"],
        "hubspot": lambda: body.get("category") or body["policyName"],
    }
    return readers[vendor]()


SHOWN = {
    "rate_limited": {
        "insightiq": (429, "rate_limit_exceeded"),
        "apify": (429, "rate-limit-exceeded"),
        "apollo": (429, "The maximum number of api calls allowed"),
        "millionverifier": (429, "too many requests"),
        "hubspot": (429, "TEN_SECONDLY_ROLLING"),
        "slack": (429, "rate_limited"),
        "r2": (429, "SlowDown"),
    },
    "error_503": {
        "insightiq": (503, "internal_error"),
        "apify": (503, "internal-error"),
        "apollo": (503, "SERVER_ERROR"),
        "millionverifier": (503, "internal_error"),
        "hubspot": (503, "INTERNAL_ERROR"),
        "slack": (503, "rollup_error"),
        "r2": (503, "SlowDown"),
    },
    "unauthorized": {
        "insightiq": (401, "invalid_credentials"),
        "apify": (401, "user-or-token-not-found"),
        "apollo": (401, "Invalid access credentials."),
        "millionverifier": (200, "Apikey not found"),
        "hubspot": (401, "INVALID_AUTHENTICATION"),
        "slack": (403, "invalid_token"),
        "r2": (403, "SignatureDoesNotMatch"),
    },
    "forbidden": {
        "insightiq": (403, "access_forbidden"),
        "apify": (403, "insufficient-permissions"),
        "apollo": (403, "API_INACCESSIBLE"),
        "millionverifier": (200, "IP address blocked"),
        "hubspot": (403, "MISSING_SCOPES"),
        "slack": (403, "action_prohibited"),
        "r2": (403, "AccessDenied"),
    },
}


@pytest.mark.parametrize("kind", list(SHOWN))
@pytest.mark.parametrize("vendor", list(CALLS))
async def test_trouble_comes_in_the_vendors_own_words(
    client: httpx.AsyncClient, state: SandboxState, vendor: str, kind: str
) -> None:
    state.faults.set([Fault(vendor, "*", kind, seconds=3)])
    method, path, headers = CALLS[vendor]
    answer = await client.request(method, path, headers=headers)
    assert (answer.status_code, said(vendor, answer)) == SHOWN[kind][vendor]
    assert (answer.headers.get("retry-after") == "3") == (kind == "rate_limited")
    assert state.bill.total_micros() == 0


@pytest.mark.parametrize("vendor", list(CALLS))
async def test_a_bare_throttling_has_no_retry_after(
    client: httpx.AsyncClient, state: SandboxState, vendor: str
) -> None:
    state.faults.set([Fault(vendor, "*", "rate_limited_bare")])
    method, path, headers = CALLS[vendor]
    answer = await client.request(method, path, headers=headers)
    assert answer.status_code == 429
    assert "retry-after" not in answer.headers
