"""How the simulated InsightIQ speaks: Basic credentials, error bodies, the request-id header, its work platforms."""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import Response

from socialanalyzer_dagster.sandbox.wire import Call, Refusal, VendorWire, json_response
from socialanalyzer_dagster.sandbox.world.dice import uuid_text

INSTAGRAM = "9bb8913b-ddd9-430b-a66a-d74d846e6c66"
USA = "cb8c4bd2-7661-4761-971a-c27322e2f209"
PLATFORMS: Mapping[str, str] = {
    INSTAGRAM: "Instagram",
    "14d9ddf5-51c6-415e-bde6-f8ed36ad7054": "YouTube",
    "de55aeec-0dc8-4119-bf90-16b3d1f0c987": "TikTok",
    "ad2fec62-2987-40a0-89fb-23485972598c": "Facebook",
}

_KINDS = {
    "bad_request": ("BAD_REQUEST", "invalid_request"),
    "unauthorized": ("UNAUTHORIZED", "invalid_credentials"),
    "forbidden": ("FORBIDDEN", "access_forbidden"),
    "not_found": ("RECORD_NOT_FOUND", "not_found"),
    "method_not_allowed": ("BAD_REQUEST", "method_not_allowed"),
    "rate_limited": ("TOO_MANY_REQUESTS", "rate_limit_exceeded"),
    "server_error": ("INTERNAL_SERVER_ERROR", "internal_error"),
}


class RefusedError(Exception):
    """A request that InsightIQ does not take: status, the kind of a `Refusal`, and a sentence."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


def bad_request(message: str) -> RefusedError:
    """Return the 400 with this sentence."""
    return RefusedError(400, "bad_request", message)


def not_found(message: str) -> RefusedError:
    """Return the 404 with this sentence."""
    return RefusedError(404, "not_found", message)


def request_id(call: Call) -> str:
    """Return the id of this request, as the header and error bodies show it."""
    return uuid_text("insightiq", call.fingerprint, call.ordinal)


def work_platform(call: Call, platform_id: str) -> dict[str, str]:
    """Return the {id, name, logo_url} of a platform; raises `RefusedError` 400 for an unknown one."""
    if platform_id not in PLATFORMS:
        raise bad_request(f"work_platform_id {platform_id!r} is not known")
    name = PLATFORMS[platform_id]
    return {"id": platform_id, "name": name, "logo_url": f"{call.base_url}/media/logos/{name.lower()}.png"}


def body_object(call: Call) -> dict[str, Any]:
    """Return the request's JSON object; raises `RefusedError` 400 when it is none."""
    try:
        body = call.json()
    except ValueError:
        raise bad_request("The body is not JSON") from None
    if not isinstance(body, dict):
        raise bad_request("The body must be a JSON object")
    return body


def whole_number(text: str | None, default: int, name: str) -> int:
    """Return a query parameter as a number of at least 0; raises `RefusedError` 400."""
    if text is None:
        return default
    if not text.isdigit():
        raise bad_request(f"{name} must be a whole number")
    return int(text)


def answering(handler: Callable[[Call], Response]) -> Callable[[Call], Response]:
    """Return the handler with its refusals turned into InsightIQ's error bodies."""

    def answer(call: Call) -> Response:
        try:
            found = handler(call)
        except RefusedError as refusal:
            found = _error(call, refusal.status, refusal.kind, str(refusal))
        found.headers.setdefault("request-id", request_id(call))
        return found

    return answer


def _error(call: Call, status: int, kind: str, message: str) -> Response:
    name, code = _KINDS.get(kind, _KINDS["server_error"])
    error = {
        "type": name,
        "code": code,
        "error_code": code,
        "message": message,
        "status_code": status,
        "http_status_code": status,
        "request_id": request_id(call),
    }
    return json_response({"error": error}, status)


def _authorize(call: Call) -> Response | None:
    scheme, _, text = call.request.headers.get("authorization", "").partition(" ")
    try:
        client_id, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        client_id, secret = "", ""
    if scheme.lower() == "basic" and client_id and secret and "invalid" not in {client_id, secret}:
        return None
    return _error(call, 401, "unauthorized", "Incorrect client id or secret")


def _refuse(call: Call, refusal: Refusal) -> Response:
    answer = _error(call, refusal.status, refusal.kind, refusal.message)
    if refusal.retry_after_seconds is not None:
        answer.headers["Retry-After"] = str(max(1, round(refusal.retry_after_seconds)))
    answer.headers["request-id"] = request_id(call)
    return answer


WIRE = VendorWire("insightiq", "/insightiq", _authorize, _refuse)
