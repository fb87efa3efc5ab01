"""The simulated Slack incoming webhook: answers `ok` as plain text and keeps every message for assertions."""

from typing import Any

from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.wire import Call, Refusal, VendorWire, endpoint

MESSAGES = "slack.message"
MOST_BLOCKS, MOST_ATTACHMENTS = 50, 100

_ERRORS = {
    "bad_request": "invalid_payload",
    "unauthorized": "invalid_token",
    "forbidden": "action_prohibited",
    "not_found": "no_service",
    "method_not_allowed": "invalid_payload",
    "server_error": "rollup_error",
}
_SHOWN_FAULTS = {
    "channel_not_found": 404,
    "no_active_hooks": 404,
    "channel_is_archived": 410,
    "team_disabled": 403,
    "user_not_found": 400,
}


def routes(state: SandboxState) -> list[Route]:
    """Return the route of incoming webhooks; a team T, a bot B and any secret but `invalid` are taken."""
    path = "/services/{team}/{bot}/{secret}"
    return [endpoint(state, WIRE, operation="webhook", path=path, handler=_message, methods=("POST",))]


def messages(state: SandboxState) -> list[dict[str, Any]]:
    """Return all messages received, oldest first, each {path, payload, at}."""
    return [body for _key, body in state.store.items(MESSAGES)]


def _authorize(call: Call) -> Response | None:
    if call.path_params.get("secret") == "invalid":
        return PlainTextResponse("invalid_token", status_code=403)
    return None


def _refuse(_call: Call, refusal: Refusal) -> Response:
    if refusal.kind == "rate_limited":
        seconds = 1 if refusal.retry_after_seconds is None else max(1, round(refusal.retry_after_seconds))
        headers = {} if refusal.retry_after_seconds is None else {"Retry-After": str(seconds)}
        return PlainTextResponse("rate_limited", status_code=429, headers=headers)
    status = 403 if refusal.kind == "unauthorized" else refusal.status
    return PlainTextResponse(_ERRORS.get(refusal.kind, "rollup_error"), status_code=status)


WIRE = VendorWire("slack", "/slack", _authorize, _refuse)


def _message(call: Call) -> Response:
    if call.fault in _SHOWN_FAULTS:
        return PlainTextResponse(str(call.fault), status_code=_SHOWN_FAULTS[call.fault])
    try:
        payload = call.json()
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        return PlainTextResponse("invalid_payload", status_code=400)
    problem = _problem(payload)
    if problem:
        return PlainTextResponse(problem, status_code=400)
    number = call.state.store.increment(MESSAGES)
    row = {"path": call.request.url.path, "payload": payload, "at": call.state.clock.iso()}
    call.state.store.put(MESSAGES, str(number), row)
    return PlainTextResponse("ok")


def _problem(payload: dict[str, Any]) -> str:
    blocks, attachments = payload.get("blocks") or [], payload.get("attachments") or []
    if not payload.get("text") and not blocks and not attachments:
        return "no_text"
    if not isinstance(blocks, list) or len(blocks) > MOST_BLOCKS:
        return "invalid_blocks"
    return "too_many_attachments" if len(attachments) > MOST_ATTACHMENTS else ""
