"""Reading HubSpot's batch answers: every record asked for ends up in exactly one state (vendor-contracts 8.2, I-34)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import Field

from socialanalyzer_dagster.domain.types import JsonObject, JsonValue
from socialanalyzer_dagster.vendors.http import UnexpectedBodyError, as_object
from socialanalyzer_dagster.vendors.hubspot_errors import existing_id, refused_names
from socialanalyzer_dagster.vendors.lenient import Lenient, Moment

_MERGED_IDS = "hs_merged_object_ids"
_UNFINISHED = {"PENDING", "PROCESSING"}


class Contact(Lenient):
    """One contact; property values are texts or None."""

    id: str
    properties: Mapping[str, str | None] = Field(default_factory=dict)
    created_at: Moment | None = Field(default=None, alias="createdAt")
    updated_at: Moment | None = Field(default=None, alias="updatedAt")
    archived: bool | None = None


class WriteState(StrEnum):
    """What became of one written record; `unknown` must be read back before anything else."""

    CREATED = "created"
    UPDATED = "updated"
    CONFLICT = "conflict"
    REFUSED = "refused"
    ABSENT = "absent"
    RETRY = "retry"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteInput:
    """One record of a batch; `trace_id` is unique in the batch and comes back with the result."""

    trace_id: str
    id: str
    properties: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteResult:
    """The state of one record; `contact_id` is the existing contact's id for a conflict, when the vendor names it.

    `property_names` are the properties the vendor refused; `message` is the vendor's text for the person who looks
    after the lead, never for logs.
    """

    trace_id: str
    state: WriteState
    contact: Contact | None = None
    contact_id: str | None = None
    category: str | None = None
    message: str | None = field(default=None, repr=False)
    property_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadResult:
    """Contacts by the id asked for; `missing` were positively not found, `unknown` are in neither list."""

    found: Mapping[str, Contact]
    missing: tuple[str, ...]
    unknown: tuple[str, ...]


def read_result(body: JsonValue, *, id_property: str | None, ids: Sequence[str]) -> ReadResult:
    """Match the answer of a batch read; raises ValueError when it has no list of results.

    A contact that others were merged into answers for their ids too, when it was read by id with its merged ids.
    """
    contacts = _contacts(body)
    asked = {_key(one): one for one in ids}
    found: dict[str, Contact] = {}
    unmatched: list[Contact] = []
    for contact in contacts:
        names = [contact.properties.get(id_property) or ""] if id_property else _ids_of(contact)
        matched = {asked[key]: contact for key in map(_key, names) if key in asked}
        found |= matched
        if not matched:
            unmatched.append(contact)
    named = {_key(one) for error in _errors(body) if _is_absent(error) for one in _texts(error, "ids")}
    open_ids = [one for one in ids if one not in found]
    missing = [one for one in open_ids if _key(one) in named]
    rest = [one for one in open_ids if _key(one) not in named]
    if len(rest) == 1 and len(unmatched) == 1:
        found[rest.pop()] = unmatched[0]
    elif rest and not unmatched and _accounts_for_all(body, len(found), len(ids)):
        missing, rest = open_ids, []
    return ReadResult(found=found, missing=tuple(missing), unknown=tuple(rest))


def _ids_of(contact: Contact) -> list[str]:
    return [contact.id, *(contact.properties.get(_MERGED_IDS) or "").split(";")]


def _accounts_for_all(body: JsonValue, found: int, asked: int) -> bool:
    """True when the number of absent records the answer reports is exactly the number not found."""
    count = as_object(body).get("numErrors")
    absent = [error for error in _errors(body) if _is_absent(error)]
    return count == asked - found and bool(absent) and len(absent) == len(_errors(body))


def write_results(body: JsonValue, inputs: Sequence[WriteInput]) -> tuple[WriteResult, ...]:
    """One result per input, in the inputs' order; raises ValueError when the answer has no list of results.

    Records are matched by trace id, then by id, then by elimination; a batch that is still being worked on leaves what
    it does not name unknown (contracts 8.2).
    """
    states: dict[str, WriteResult] = {}
    _take_results(body, inputs, states)
    _take_errors(body, inputs, states)
    if as_object(body).get("status") not in _UNFINISHED:
        _eliminate(body, inputs, states)
    unknown = WriteState.UNKNOWN
    return tuple(states.get(one.trace_id) or WriteResult(trace_id=one.trace_id, state=unknown) for one in inputs)


def _take_results(body: JsonValue, inputs: Sequence[WriteInput], states: dict[str, WriteResult]) -> None:
    by_id = {one.id: one.trace_id for one in inputs}
    known = {one.trace_id for one in inputs}
    for row in _rows(body):
        contact = Contact.model_validate(row)
        trace = row.get("objectWriteTraceId")
        key = trace if isinstance(trace, str) and trace in known else _trace_by_value(contact, by_id)
        if key is not None:
            states[key] = _written(key, row, contact)


def _trace_by_value(contact: Contact, by_id: Mapping[str, str]) -> str | None:
    values = {contact.id, *(value for value in contact.properties.values() if value)}
    traces = {by_id[value] for value in values if value in by_id}
    return traces.pop() if len(traces) == 1 else None


def _written(trace_id: str, row: JsonObject, contact: Contact) -> WriteResult:
    state = WriteState.CREATED if row.get("new") is True else WriteState.UPDATED
    return WriteResult(trace_id=trace_id, state=state, contact=contact, contact_id=contact.id)


def _take_errors(body: JsonValue, inputs: Sequence[WriteInput], states: dict[str, WriteResult]) -> None:
    by_id = {one.id: one.trace_id for one in inputs}
    known = {one.trace_id for one in inputs}
    for error in _errors(body):
        traces = [one for one in _texts(error, "objectWriteTraceId") if one in known]
        traces = traces or [by_id[one] for one in _texts(error, "ids") if one in by_id]
        for trace_id in traces:
            states.setdefault(trace_id, _failed(trace_id, error))


def _eliminate(body: JsonValue, inputs: Sequence[WriteInput], states: dict[str, WriteResult]) -> None:
    """One error without a name and one record without a result belong together."""
    nameless = [
        error for error in _errors(body) if not _texts(error, "objectWriteTraceId") and not _texts(error, "ids")
    ]
    rest = [one.trace_id for one in inputs if one.trace_id not in states]
    if len(nameless) == 1 and len(rest) == 1:
        states[rest[0]] = _failed(rest[0], nameless[0])


def _failed(trace_id: str, error: JsonObject) -> WriteResult:
    category, message = error.get("category"), error.get("message")
    text = message if isinstance(message, str) else ""
    return WriteResult(
        trace_id=trace_id,
        state=_state_of(error),
        contact_id=existing_id(error) if category == "CONFLICT" else None,
        category=category if isinstance(category, str) else None,
        message=text or None,
        property_names=refused_names(error),
    )


def _state_of(error: JsonObject) -> WriteState:
    """Refused for good is only what says so; every key is optional, and a kind nobody knows may pass."""
    category = error.get("category")
    if category == "CONFLICT":
        return WriteState.CONFLICT
    if category == "OBJECT_NOT_FOUND":
        return WriteState.ABSENT
    is_refusal = category == "VALIDATION_ERROR" or bool(refused_names(error))
    return WriteState.REFUSED if is_refusal else WriteState.RETRY


def _rows(body: JsonValue) -> list[JsonObject]:
    rows = as_object(body).get("results")
    if not isinstance(rows, list):
        raise UnexpectedBodyError("the batch answer has no list of results")
    return [as_object(row) for row in rows if isinstance(as_object(row).get("id"), str)]


def _contacts(body: JsonValue) -> list[Contact]:
    return [Contact.model_validate(row) for row in _rows(body)]


def _errors(body: JsonValue) -> list[JsonObject]:
    errors = as_object(body).get("errors")
    return [as_object(error) for error in errors] if isinstance(errors, list) else []


def _is_absent(error: JsonObject) -> bool:
    return error.get("category") == "OBJECT_NOT_FOUND"


def _texts(error: JsonObject, key: str) -> list[str]:
    values = as_object(error.get("context")).get(key)
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def _key(value: str) -> str:
    return value.strip().casefold()
