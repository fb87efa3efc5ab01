"""Calls on the contact property definitions of the simulated HubSpot."""

from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.vendors.hubspot_batch import LARGEST_BATCH, record_error
from socialanalyzer_dagster.sandbox.vendors.hubspot_properties import (
    JsonObject,
    Problem,
    PropertyBook,
    RefusedError,
    invalid,
)
from socialanalyzer_dagster.sandbox.vendors.hubspot_wire import WIRE, answering, body_object
from socialanalyzer_dagster.sandbox.wire import Call, endpoint, json_response

BookOf = Callable[[Call], PropertyBook]


def property_routes(state: SandboxState, prefix: str, book_of: BookOf) -> list[Route]:
    """Return the routes below `prefix`; `book_of` gives the definitions a call works on."""

    def route(operation: str, method: str, path: str, work: Callable[[Call, PropertyBook], Response]) -> Route:
        def handler(call: Call) -> Response:
            if call.path_params["object_type"] not in {"contacts", "contact", "0-1"}:
                raise RefusedError(404, Problem("OBJECT_NOT_FOUND", "Only contacts exist in this account"))
            return work(call, book_of(call))

        whole = f"{prefix}/{{object_type}}{path}"
        return endpoint(state, WIRE, operation=operation, path=whole, handler=answering(handler), methods=(method,))

    return [
        route("properties_batch_create", "POST", "/batch/create", _batch_create),
        route("properties_batch_read", "POST", "/batch/read", _batch_read),
        route("properties_list", "GET", "", _list),
        route("property_create", "POST", "", _create),
        route("property_read", "GET", "/{property_name}", _read),
        route("property_update", "PATCH", "/{property_name}", _update),
    ]


def _list(_call: Call, book: PropertyBook) -> Response:
    return json_response({"results": list(book.definitions.values())})


def _read(call: Call, book: PropertyBook) -> Response:
    return json_response(book.get(call.path_params["property_name"]))


def _create(call: Call, book: PropertyBook) -> Response:
    return json_response(book.create(body_object(call), created_at=call.state.clock.iso()), 201)


def _update(call: Call, book: PropertyBook) -> Response:
    name = call.path_params["property_name"]
    return json_response(book.change(name, body_object(call), changed_at=call.state.clock.iso()))


def _batch_create(call: Call, book: PropertyBook) -> Response:
    made: list[JsonObject] = []
    errors: list[JsonObject] = []
    for item in _inputs(call):
        try:
            made.append(book.create(item, created_at=call.state.clock.iso()))
        except RefusedError as refusal:
            errors.append(_named_error(refusal, str(item.get("name", ""))))
    return _batch_answer(call, 201, made, errors)


def _batch_read(call: Call, book: PropertyBook) -> Response:
    found: list[JsonObject] = []
    errors: list[JsonObject] = []
    for item in _inputs(call):
        try:
            found.append(book.get(str(item.get("name", ""))))
        except RefusedError as refusal:
            errors.append(_named_error(refusal, str(item.get("name", ""))))
    return _batch_answer(call, 200, found, errors)


def _named_error(refusal: RefusedError, name: str) -> JsonObject:
    return {**record_error(refusal.problems, {}), "context": {"name": [name]}}


def _inputs(call: Call) -> list[Mapping[str, Any]]:
    inputs = body_object(call).get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(item, dict) for item in inputs):
        raise invalid("inputs must be a list of objects", about="inputs")
    if len(inputs) > LARGEST_BATCH:
        raise invalid(f"At most {LARGEST_BATCH} inputs are allowed", about="inputs")
    return inputs


def _batch_answer(call: Call, status: int, results: list[JsonObject], errors: list[JsonObject]) -> Response:
    moment = call.state.clock.iso()
    body: JsonObject = {"status": "COMPLETE", "results": results, "startedAt": moment, "completedAt": moment}
    if errors:
        return json_response({**body, "numErrors": len(errors), "errors": errors}, 207)
    return json_response(body, status)
