"""The simulated trigger of a HubSpot workflow: takes flat JSON at a secret address and keeps it for assertions."""

from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.vendors.hubspot_properties import Problem, RefusedError, invalid
from socialanalyzer_dagster.sandbox.vendors.hubspot_wire import TRIGGERS, answering, body_object
from socialanalyzer_dagster.sandbox.wire import Call, endpoint, json_response

KIND = "hubspot.workflow"


def workflow_routes(state: SandboxState) -> list[Route]:
    """Return the route of triggers; any portal and address but `invalid` are taken, and no credential is asked for."""
    path = "/automation/v4/webhook-triggers/{portal}/{address}"
    handler = answering(_trigger)
    return [endpoint(state, TRIGGERS, operation="webhook", path=path, handler=handler, methods=("POST",))]


def triggered(state: SandboxState) -> list[dict[str, Any]]:
    """Return what workflows were told, oldest first."""
    return [body for _key, body in state.store.items(KIND)]


def _trigger(call: Call) -> Response:
    if call.path_params["address"] == "invalid":
        raise RefusedError(404, Problem("OBJECT_NOT_FOUND", "No workflow listens here"))
    body = dict(body_object(call))
    if any(isinstance(value, dict | list) for value in body.values()):
        raise invalid("The body must be flat")
    number = call.state.store.increment(KIND)
    call.state.store.put(KIND, f"{number:09}", body)
    return json_response({}, 200)
