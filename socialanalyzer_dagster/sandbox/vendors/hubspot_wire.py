"""How the simulated HubSpot speaks: credential check, error bodies, rate headers, and turning refusals into answers."""

from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import Response

from socialanalyzer_dagster.sandbox.vendors.hubspot_properties import JsonObject, Problem, RefusedError, invalid
from socialanalyzer_dagster.sandbox.wire import Call, Refusal, VendorWire, json_response
from socialanalyzer_dagster.sandbox.world.dice import uuid_text

_CATEGORIES = {
    "bad_request": "VALIDATION_ERROR",
    "unauthorized": "INVALID_AUTHENTICATION",
    "forbidden": "MISSING_SCOPES",
    "not_found": "OBJECT_NOT_FOUND",
    "method_not_allowed": "VALIDATION_ERROR",
    "server_error": "INTERNAL_ERROR",
}
_SHOWN_FAULTS = {
    "locked": (423, "LOCKED", "The resource is locked; too many changes at once"),
    "conflict": (409, "CONFLICT", "The record was changed at the same time"),
    "migrating": (477, "MIGRATION_IN_PROGRESS", "The account is being moved to another data centre"),
}
_MIGRATION_SECONDS = 30
_POLICIES = {
    "ten_secondly_limit": "TEN_SECONDLY_ROLLING",
    "secondly_limit": "SECONDLY",
    "daily_limit": "DAILY",
}


def _authorize(call: Call) -> Response | None:
    scheme, _, token = call.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip() not in {"", "invalid", "expired"}:
        return None
    if token.strip() == "expired":
        return _error(call, 401, "EXPIRED_AUTHENTICATION", "This token is expired")
    return _error(call, 401, "INVALID_AUTHENTICATION", "Authentication credentials not found or not valid.")


def _error(call: Call, status: int, category: str, message: str, **more: object) -> Response:
    body = {
        "status": "error",
        "message": message,
        "correlationId": uuid_text("hubspot", call.fingerprint, call.ordinal),
        "category": category,
        **more,
    }
    return json_response(body, status)


def _refuse(call: Call, refusal: Refusal) -> Response:
    if refusal.kind == "rate_limited":
        name = refusal.usage.window.name if refusal.usage else ""
        return _throttled(call, name, refusal.retry_after_seconds)
    return _error(call, refusal.status, _CATEGORIES.get(refusal.kind, "INTERNAL_ERROR"), refusal.message)


def _throttled(call: Call, policy: str, retry_after_seconds: float | None) -> Response:
    name = policy or ("SECONDLY" if _is_search(call) else "TEN_SECONDLY_ROLLING")
    body = {
        "status": "error",
        "message": f"You have reached your {name.lower()} limit.",
        "errorType": "RATE_LIMIT",
        "correlationId": uuid_text("hubspot", call.fingerprint, call.ordinal),
        "policyName": name,
        "requestId": uuid_text("hubspot.request", call.fingerprint, call.ordinal),
    }
    headers = {} if retry_after_seconds is None else {"Retry-After": str(max(1, round(retry_after_seconds)))}
    return json_response(body, 429, headers)


def _is_search(call: Call) -> bool:
    return call.request.url.path.rstrip("/").endswith("/search")


def _rate_headers(call: Call) -> Mapping[str, str]:
    if _is_search(call):
        return {}
    left = {usage.window.name: usage.left for usage in call.usage}
    return {
        "X-HubSpot-RateLimit-Max": "190",
        "X-HubSpot-RateLimit-Remaining": str(left.get("TEN_SECONDLY_ROLLING", 189)),
        "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
        "X-HubSpot-RateLimit-Daily": "650000",
        "X-HubSpot-RateLimit-Daily-Remaining": str(left.get("DAILY", 649_999)),
    }


WIRE = VendorWire("hubspot", "/hubspot", _authorize, _refuse, _rate_headers)
TRIGGERS = VendorWire("hubspot", "/hubspot", lambda _call: None, _refuse)
"""Triggers of workflows: their address is the credential."""


def answering(handler: Callable[[Call], Response]) -> Callable[[Call], Response]:
    """Return the handler with HubSpot's own faults in front and its refusals turned into error bodies."""

    def answer(call: Call) -> Response:
        if call.fault in _SHOWN_FAULTS:
            status, category, message = _SHOWN_FAULTS[call.fault]
            refused = _error(call, status, category, message)
            if call.fault == "migrating":
                refused.headers["Retry-After"] = str(_MIGRATION_SECONDS)
            return refused
        if call.fault in _POLICIES:
            return _throttled(call, _POLICIES[call.fault], None)
        try:
            return handler(call)
        except RefusedError as refusal:
            return refused_answer(call, refusal)

    return answer


def refused_answer(call: Call, refusal: RefusedError) -> Response:
    """Return the error body of a refused request (contracts 8.3)."""
    problems: tuple[Problem, ...] = refusal.problems
    first = problems[0]
    validation = first.category == "VALIDATION_ERROR"
    message = "; ".join(problem.message for problem in problems)
    text = f"Property values were not valid: {message}" if validation and first.code else message
    details = [problem.detail() for problem in problems] if validation else []
    return _error(call, refusal.status, first.category, text, **({"errors": details} if details else {}))


def body_object(call: Call) -> Mapping[str, Any]:
    """Return the request's JSON object; raises `RefusedError` 400 when it is none."""
    try:
        body = call.json()
    except ValueError:
        raise invalid("Invalid input JSON") from None
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object")
    return body


def without_last_result(body: JsonObject) -> JsonObject:
    """Return a batch answer that has lost one record: it stands in neither list (fault `missing_record`)."""
    return {**body, "results": body["results"][:-1]}
