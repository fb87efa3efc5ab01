"""The webhook registry of the simulated InsightIQ: register, list, change, delete, and the echo of a test sending."""

from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.vendors.insightiq_wire import (
    WIRE,
    answering,
    bad_request,
    body_object,
    not_found,
    whole_number,
)
from socialanalyzer_dagster.sandbox.wire import Call, endpoint, json_response

LONGEST_NAME = 100

_KIND = "insightiq.webhook"


def routes(state: SandboxState) -> list[Route]:
    """Return the routes of the webhook calls."""
    table = (
        ("webhooks_list", "GET", "/v1/webhooks", _list),
        ("webhook_create", "POST", "/v1/webhooks", _create),
        ("webhook_send", "POST", "/v1/webhooks/send", _send),
        ("webhook_read", "GET", "/v1/webhooks/{webhook_id}", lambda call: json_response(_named(call))),
        ("webhook_update", "PUT", "/v1/webhooks/{webhook_id}", _update),
        ("webhook_delete", "DELETE", "/v1/webhooks/{webhook_id}", _delete),
    )
    return [
        endpoint(state, WIRE, operation=operation, path=path, handler=answering(handler), methods=(method,))
        for operation, method, path, handler in table
    ]


def _checked(body: dict[str, Any]) -> dict[str, Any]:
    url, events, name = body.get("url"), body.get("events"), body.get("name")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise bad_request("url is required and must be a web address")
    if not isinstance(events, list) or not events or not all(isinstance(event, str) for event in events):
        raise bad_request("events is required and must be a list of names")
    if not isinstance(name, str) or not 1 <= len(name) <= LONGEST_NAME:
        raise bad_request(f"name is required, 1 to {LONGEST_NAME} characters")
    return {"url": url, "events": events, "name": name, "is_active": bool(body.get("is_active", True))}


def _named(call: Call) -> dict[str, Any]:
    found: dict[str, Any] | None = call.state.store.get(_KIND, call.path_params["webhook_id"])
    if found is None:
        raise not_found(f"There is no webhook {call.path_params['webhook_id']}")
    return found


def _list(call: Call) -> Response:
    limit = whole_number(call.query.get("limit"), 10, "limit")
    offset = whole_number(call.query.get("offset"), 0, "offset")
    found = [body for _key, body in call.state.store.items(_KIND)]
    metadata = {"offset": offset, "limit": limit, "from_date": None, "to_date": None}
    return json_response({"data": found[offset : offset + limit], "metadata": metadata})


def _create(call: Call) -> Response:
    checked, moment = _checked(body_object(call)), call.state.clock.iso()
    webhook_id = call.state.mint_uuid(_KIND, call.fingerprint)
    webhook = {"id": webhook_id, **checked, "created_at": moment, "updated_at": moment}
    call.state.store.put(_KIND, webhook_id, webhook)
    return json_response(webhook, 201)


def _update(call: Call) -> Response:
    webhook = {**_named(call), **_checked(body_object(call)), "updated_at": call.state.clock.iso()}
    call.state.store.put(_KIND, webhook["id"], webhook)
    return json_response(webhook)


def _delete(call: Call) -> Response:
    call.state.store.delete(_KIND, _named(call)["id"])
    return Response(status_code=204)


def _send(call: Call) -> Response:
    payload = body_object(call).get("payload")
    if not isinstance(payload, dict) or not payload.get("event") or not isinstance(payload.get("data"), dict):
        raise bad_request("payload is required, with event and data")
    return json_response({"payload": payload})
