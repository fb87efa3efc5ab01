"""How the simulated Apify speaks: bearer tokens, `{"data": ...}` and `{"error": {type, message}}`."""

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from socialanalyzer_dagster.sandbox.wire import Call, Refusal, VendorWire, json_response

USER_ID = "U1sandbox00000000"

_TYPES = {
    "bad_request": "invalid-input",
    "unauthorized": "user-or-token-not-found",
    "forbidden": "insufficient-permissions",
    "not_found": "page-not-found",
    "method_not_allowed": "method-not-allowed",
    "rate_limited": "rate-limit-exceeded",
    "server_error": "internal-error",
}
_PLAN_FAULTS = {
    "plan_error": (402, "not-enough-usage-to-run-paid-actor", "Your plan has too little usage left for this Actor"),
    "monthly_limit": (402, "monthly-usage-limit-too-low", "The monthly usage limit of your account is too low"),
    "paid_plan_required": (402, "apify-plan-required-to-use-paid-actor", "This Actor needs a paid plan"),
    "memory_limit": (402, "actor-memory-limit-exceeded", "The memory of all running Actors would exceed the limit"),
    "concurrency_limit": (402, "concurrent-runs-limit-exceeded", "Too many Actor runs at the same time"),
}


class RefusedError(Exception):
    """A request that Apify does not take: status, error type and sentence."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


def error_response(status: int, kind: str, message: str) -> Response:
    """Return Apify's error body."""
    return json_response({"error": {"type": kind, "message": message}}, status)


def data_response(data: Any, status: int = 200) -> Response:  # noqa: ANN401 - any JSON value
    """Return Apify's success body."""
    return json_response({"data": data}, status)


def answering(handler: Callable[[Call], Response]) -> Callable[[Call], Response]:
    """Return the handler with its refusals turned into Apify's error bodies."""

    def answer(call: Call) -> Response:
        try:
            return handler(call)
        except RefusedError as refusal:
            return error_response(refusal.status, refusal.kind, str(refusal))

    return answer


def refuse_by_plan(call: Call) -> None:
    """Raise the refusal of a start that a plan fault asks for."""
    if call.fault in _PLAN_FAULTS:
        raise RefusedError(*_PLAN_FAULTS[call.fault])


def number_parameter(call: Call, name: str, default: float | None = None) -> float | None:
    """Return a query parameter as a number of at least 0; raises `RefusedError` 400."""
    text = call.query.get(name)
    if text is None or text == "":
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if value < 0:
        raise RefusedError(400, "invalid-input", f"Parameter {name} must be a number of at least 0")
    return value


def whole_parameter(call: Call, name: str, default: int) -> int:
    """Return a query parameter as a whole number of at least 0; raises `RefusedError` 400."""
    value = number_parameter(call, name, default)
    if value is None or value != int(value):
        raise RefusedError(400, "invalid-input", f"Parameter {name} must be a whole number")
    return int(value)


def is_set(call: Call, name: str) -> bool:
    """Say whether a flag of the query is on (`1` or `true`)."""
    return call.query.get(name, "").lower() in {"1", "true"}


def _authorize(call: Call) -> Response | None:
    token = call.request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    if not token:
        return error_response(401, "token-not-provided", "Authentication token was not provided")
    if token == "invalid":  # noqa: S105 - the one value that is refused
        return error_response(401, "user-or-token-not-found", "User was not found or authentication token is not valid")
    return None


def _refuse(_call: Call, refusal: Refusal) -> Response:
    message = refusal.message
    if refusal.kind == "rate_limited":
        message = "You have exceeded the rate limit of 60 requests per second"
    answer = error_response(refusal.status, _TYPES.get(refusal.kind, "internal-error"), message)
    if refusal.kind == "rate_limited":
        answer.headers["X-RateLimit-Limit"] = "60"
        if refusal.retry_after_seconds is not None and refusal.usage is None:
            answer.headers["Retry-After"] = str(max(1, round(refusal.retry_after_seconds)))
    return answer


WIRE = VendorWire("apify", "/apify", _authorize, _refuse)
