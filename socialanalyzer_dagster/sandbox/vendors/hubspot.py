"""The simulated HubSpot: contacts, owners and property definitions under v3 and dated paths, on one stored CRM."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.vendors.hubspot_batch import BatchAnswer, ContactBatches, record_error
from socialanalyzer_dagster.sandbox.vendors.hubspot_contacts import Contact, ContactBook
from socialanalyzer_dagster.sandbox.vendors.hubspot_earlier import earlier_contacts
from socialanalyzer_dagster.sandbox.vendors.hubspot_gdpr import gdpr_delete
from socialanalyzer_dagster.sandbox.vendors.hubspot_owners import OWNER_IDS, owner, owners_page
from socialanalyzer_dagster.sandbox.vendors.hubspot_properties import Problem, PropertyBook, RefusedError, invalid
from socialanalyzer_dagster.sandbox.vendors.hubspot_property_calls import property_routes
from socialanalyzer_dagster.sandbox.vendors.hubspot_search import SearchRequest
from socialanalyzer_dagster.sandbox.vendors.hubspot_wire import WIRE, answering, body_object, without_last_result
from socialanalyzer_dagster.sandbox.vendors.hubspot_workflow import workflow_routes
from socialanalyzer_dagster.sandbox.wire import Call, endpoint, json_response

DATED_VERSIONS = ("2026-03", "2026-09")

_LARGEST_LIST = 100
_SEARCH_FAULT_LAG = timedelta(seconds=10)


@dataclass(frozen=True)
class Crm:
    """The CRM of one sandbox: property definitions and contacts."""

    properties: PropertyBook
    contacts: ContactBook


def crm_of(state: SandboxState) -> Crm:
    """Return the CRM of this sandbox, read from its store the first time."""

    def load() -> Crm:
        properties = PropertyBook.stored(state.store, OWNER_IDS)
        contacts = ContactBook(properties, state.store, str(state.config.seed))
        contacts.load(earlier_contacts(state.config.seed, state.world.epoch))
        return Crm(properties, contacts)

    return state.memory("hubspot.crm", load)


def routes(state: SandboxState) -> list[Route]:
    """Return the routes of all HubSpot calls, v3 and dated."""
    found = _version_routes(state, "/crm/v3/objects/contacts", "/crm/v3/owners", "/crm/v3/properties")
    for version in DATED_VERSIONS:
        contacts, owners = f"/crm/objects/{version}/contacts", f"/crm/owners/{version}"
        found += _version_routes(state, contacts, owners, f"/crm/properties/{version}")
    return found + workflow_routes(state)


def _version_routes(state: SandboxState, contacts: str, owners: str, properties: str) -> list[Route]:
    table: tuple[tuple[str, str, str, Callable[[Call], Response]], ...] = (
        ("batch_upsert", "POST", f"{contacts}/batch/upsert", _batch(lambda batches, body: batches.upsert(body))),
        ("batch_create", "POST", f"{contacts}/batch/create", _batch(lambda batches, body: batches.create(body))),
        ("batch_update", "POST", f"{contacts}/batch/update", _batch(lambda batches, body: batches.update(body))),
        ("batch_read", "POST", f"{contacts}/batch/read", _batch_read),
        ("batch_archive", "POST", f"{contacts}/batch/archive", _batch_archive),
        ("search", "POST", f"{contacts}/search", _search),
        ("contact_merge", "POST", f"{contacts}/merge", _merge),
        ("gdpr_delete", "POST", f"{contacts}/gdpr-delete", lambda call: gdpr_delete(call, crm_of(call.state).contacts)),
        ("contact_create", "POST", contacts, _create),
        ("contact_list", "GET", contacts, _list),
        ("contact_read", "GET", f"{contacts}/{{contact_id}}", _read),
        ("contact_update", "PATCH", f"{contacts}/{{contact_id}}", _update),
        ("contact_archive", "DELETE", f"{contacts}/{{contact_id}}", _archive),
        ("owners_list", "GET", owners, lambda call: json_response(owners_page(call.query))),
        (
            "owner_read",
            "GET",
            f"{owners}/{{owner_id}}",
            lambda call: json_response(owner(call.path_params["owner_id"])),
        ),
    )
    made = [
        endpoint(state, WIRE, operation=operation, path=path, handler=answering(handler), methods=(method,))
        for operation, method, path, handler in table
    ]
    return made + property_routes(state, properties, lambda call: crm_of(call.state).properties)


def _batches(call: Call) -> ContactBatches:
    blank = call.state.config.switches.hubspot_upsert_blanks_omitted or call.fault == "upsert_blanks_omitted"
    return ContactBatches(crm_of(call.state).contacts, call.state.clock.now(), blank_others=blank)


def _batch(work: Callable[[ContactBatches, Mapping[str, Any]], BatchAnswer]) -> Callable[[Call], Response]:
    def answer(call: Call) -> Response:
        body = body_object(call)
        if call.fault == "partial":
            return _partial(call, body, work)
        if call.fault == "whole_refusal":
            _batches(call).refuse_whole(body)
        found = work(_batches(call), body)
        if call.fault == "missing_record" and found.body["results"]:
            found = replace(found, body=without_last_result(found.body))
        if call.fault == "pending":
            found = replace(found, body={**found.body, "status": "PENDING"})
        return json_response(found.body, found.status)

    return answer


def _partial(
    call: Call, body: Mapping[str, Any], work: Callable[[ContactBatches, Mapping[str, Any]], BatchAnswer]
) -> Response:
    """Do all but the first record, which is put off for the rate limit (fault `partial`)."""
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise invalid("inputs must be a list of objects", about="inputs")
    found = work(_batches(call), {**body, "inputs": inputs[1:]})
    put_off = record_error([Problem("RATE_LIMITS", "Too many changes at once; try this record again later")], inputs[0])
    errors = [put_off, *found.body.get("errors", [])]
    return json_response({**found.body, "numErrors": len(errors), "errors": errors}, 207)


def _batch_read(call: Call) -> Response:
    body, archived = body_object(call), call.query.get("archived") == "true"
    found = _batches(call).read(body, archived=archived)
    return json_response(found.body, found.status)


def _batch_archive(call: Call) -> Response:
    _batches(call).archive(body_object(call))
    return Response(status_code=204)


def _search(call: Call) -> Response:
    crm = crm_of(call.state)
    request = SearchRequest(body_object(call), crm.properties)
    lag = timedelta(seconds=call.state.config.switches.hubspot_search_delay_seconds)
    if call.fault == "search_lags":
        lag = max(lag, _SEARCH_FAULT_LAG)
    known_until = call.state.clock.now() - lag
    contacts = crm.contacts.everyone()
    visible = [contact for contact in contacts if contact.updated_at <= known_until] if lag else contacts
    body = request.answer(visible)
    if call.fault == "short_page":
        body["results"] = body["results"][: len(body["results"]) // 2]
    if call.fault == "repeated_page":
        request.after = max(0, request.after - request.limit)
        body["results"] = request.answer(visible)["results"]
    if call.fault == "total_changes":
        body["total"] += 1
    return json_response(body)


def _merge(call: Call) -> Response:
    body, contacts = body_object(call), crm_of(call.state).contacts
    found = []
    for name in ("primaryObjectId", "objectIdToMerge"):
        if not isinstance(body.get(name), str):
            raise invalid(f"{name} is required", about=name)
        contact = contacts.find(body[name])
        if contact is None:
            raise RefusedError(404, Problem("OBJECT_NOT_FOUND", f"No contact is named by {body[name]}"))
        found.append(contact)
    primary, other = found
    if primary is other:
        raise invalid("A contact cannot be merged into itself", about="objectIdToMerge")
    return json_response(contacts.merge(primary, other, now=call.state.clock.now()).body())


def _create(call: Call) -> Response:
    body = body_object(call)
    values = _values(body)
    contact = crm_of(call.state).contacts.create(values, now=call.state.clock.now())
    return json_response(contact.body(values), 201)


def _list(call: Call) -> Response:
    try:
        limit, after = int(call.query.get("limit") or 10), int(call.query.get("after") or 0)
    except ValueError:
        raise invalid("limit and after must be whole numbers", about="limit") from None
    if not 1 <= limit <= _LARGEST_LIST:
        raise invalid(f"limit must be between 1 and {_LARGEST_LIST}", about="limit")
    everyone = crm_of(call.state).contacts.everyone()
    page = everyone[after : after + limit]
    body: dict[str, Any] = {"results": [contact.body(_asked_names(call)) for contact in page]}
    if after + limit < len(everyone):
        body["paging"] = {"next": {"after": str(after + limit)}}
    return json_response(body)


def _named(call: Call) -> Contact:
    contact_id, id_property = call.path_params["contact_id"], call.query.get("idProperty")
    found = crm_of(call.state).contacts.find(contact_id, id_property)
    if found is None:
        raise RefusedError(404, Problem("OBJECT_NOT_FOUND", "Object not found."))
    return found


def _read(call: Call) -> Response:
    return json_response(_named(call).body(_asked_names(call)))


def _update(call: Call) -> Response:
    contact, values = _named(call), _values(body_object(call))
    crm_of(call.state).contacts.update(contact, values, now=call.state.clock.now())
    return json_response(contact.body(values))


def _archive(call: Call) -> Response:
    found = crm_of(call.state).contacts.find(call.path_params["contact_id"], call.query.get("idProperty"))
    if found is not None:
        crm_of(call.state).contacts.archive(found, now=call.state.clock.now())
    return Response(status_code=204)


def _values(body: Mapping[str, Any]) -> Mapping[str, object]:
    values = body.get("properties")
    if not isinstance(values, dict):
        raise invalid("properties must be an object", about="properties")
    return values


def _asked_names(call: Call) -> list[str] | None:
    """Return the properties a GET asks for: repeated or comma separated; None when it asks for none."""
    asked = [name for text in call.request.query_params.getlist("properties") for name in text.split(",") if name]
    return asked or None
