"""How the simulated MillionVerifier speaks: the key in the query, errors as 200, and the account's credits."""

from typing import Any

from starlette.responses import Response

from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.wire import Call, Refusal, VendorWire, json_response

CREDITS_AT_START = 1_000_000

_COUNTER = "millionverifier.credits_used"


def given_key(call: Call) -> str:
    """Return the key of the request: `api` in the single API, `key` in the bulk API."""
    return call.query.get("api") or call.query.get("key") or ""


def credits_left(state: SandboxState) -> int:
    """Return the account's credits."""
    used = state.store.select("SELECT value FROM counters WHERE name = ?", (_COUNTER,))
    return CREDITS_AT_START - (int(used[0][0]) if used else 0)


def use_credit(state: SandboxState) -> None:
    """Take one credit off the account."""
    state.store.increment(_COUNTER)


def single_body(email: str, *, error: str) -> dict[str, Any]:
    """Return the answer of a single verification that found nothing, with the reason."""
    return {
        "email": email,
        "quality": "",
        "result": "error",
        "resultcode": 4,
        "subresult": "",
        "free": False,
        "role": False,
        "didyoumean": "",
        "credits": 0,
        "executiontime": 0,
        "error": error,
        "livemode": True,
    }


def _error(call: Call, text: str, status: int = 200) -> Response:
    is_single = call.request.url.path.rstrip("/").endswith("/api/v3")
    body = single_body(call.query.get("email", ""), error=text) if is_single else {"error": text}
    return json_response(body, status)


def _authorize(call: Call) -> Response | None:
    key = given_key(call)
    if not key:
        return _error(call, "No apikey specified")
    return _error(call, "Apikey not found") if key == "invalid" else None


def _refuse(call: Call, refusal: Refusal) -> Response:
    if refusal.kind == "unauthorized":
        return _error(call, "Apikey not found")
    if refusal.kind == "forbidden":
        return _error(call, "IP address blocked")
    if refusal.kind == "rate_limited":
        answer = _error(call, "too many requests", 429)
        if refusal.retry_after_seconds is not None:
            answer.headers["Retry-After"] = str(max(1, round(refusal.retry_after_seconds)))
        return answer
    text = "internal_error" if refusal.kind == "server_error" else "not found"
    return _error(call, text, refusal.status)


WIRE = VendorWire("millionverifier", "/millionverifier", _authorize, _refuse)
