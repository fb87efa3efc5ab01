"""HubSpot contacts, owners and properties, under v3 or dated paths (vendor-contracts section 8)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import Field

from socialanalyzer_dagster.domain.calls import Reply, VendorCall
from socialanalyzer_dagster.domain.types import JsonObject, JsonValue
from socialanalyzer_dagster.vendors.http import (
    Ask,
    Connection,
    ServiceStatus,
    UnexpectedBodyError,
    VendorHttp,
    as_object,
    status_call,
)
from socialanalyzer_dagster.vendors.hubspot_batches import (
    Contact,
    ReadResult,
    WriteInput,
    WriteResult,
    read_result,
    write_results,
)
from socialanalyzer_dagster.vendors.hubspot_errors import VENDOR, classify, quotas
from socialanalyzer_dagster.vendors.hubspot_paths import Paths
from socialanalyzer_dagster.vendors.hubspot_workflow import Workflow
from socialanalyzer_dagster.vendors.lenient import Lenient

T = TypeVar("T")

BATCH_LIMIT = 100
_SET = "hubspot.set"
SEARCH_PAGE = 100
_WRITE_SECONDS, _READ_SECONDS, _SEARCH_SECONDS, _SINGLE_SECONDS = 30.0, 15.0, 15.0, 10.0


class Owner(Lenient):
    """A user or queue that contacts can belong to."""

    id: str
    email: str | None = None
    first_name: str | None = Field(default=None, alias="firstName")
    last_name: str | None = Field(default=None, alias="lastName")
    archived: bool | None = None


class Option(Lenient):
    """One value of an enumeration."""

    label: str
    value: str
    hidden: bool = False


class Property(Lenient):
    """A property of contacts as it is defined in the account."""

    name: str
    label: str | None = None
    type: str | None = None
    field_type: str | None = Field(default=None, alias="fieldType")
    has_unique_value: bool | None = Field(default=None, alias="hasUniqueValue")
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyDefinition:
    """A property to create; `options` maps values to labels."""

    name: str
    label: str
    type: str
    field_type: str
    group_name: str = "contactinformation"
    has_unique_value: bool = False
    options: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class OwnerPage:
    """Some owners; `after` asks for the next page, None ends."""

    owners: tuple[Owner, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Some contacts of a search; `after` asks for the next page, None ends."""

    total: int | None
    contacts: tuple[Contact, ...]
    after: str | None


class HubSpot:
    """Describes HubSpot calls; nothing is sent before the gate does it. All are free. `workflow` is None if unset."""

    def __init__(self, connection: Connection, version: str = "v3", workflow: Workflow | None = None) -> None:
        self._http = VendorHttp(VENDOR, connection, classify, quotas)
        self._paths = Paths.of(version)
        self.workflow = workflow

    def batch_read(
        self, *, id_property: str | None, ids: Sequence[str], properties: Sequence[str]
    ) -> VendorCall[ReadResult]:
        """Up to 100 contacts by a unique property (None = by contact id); raises ValueError for more or none."""
        _check_size(ids)
        wanted = list(dict.fromkeys([*properties, *([id_property] if id_property else [])]))
        body: dict[str, JsonValue] = {
            "inputs": [{"id": one} for one in ids],
            "properties": wanted,
            "propertiesWithHistory": [],
        }
        if id_property:
            body["idProperty"] = id_property
        ask = Ask(
            operation="hubspot.read",
            method="POST",
            path=f"{self._paths.contacts}/batch/read",
            body=body,
            read_seconds=_READ_SECONDS,
        )
        return self._call(ask, lambda answer: read_result(answer, id_property=id_property, ids=tuple(ids)))

    def batch_upsert(self, *, id_property: str, inputs: Sequence[WriteInput]) -> VendorCall[tuple[WriteResult, ...]]:
        """Create or update up to 100 contacts by a custom unique property; one result per input, in order.

        Raises ValueError for no inputs, more than 100, repeated trace ids, or `email` as the property: an upsert by
        e-mail would not be partial (contracts 8.1 rule 2).
        """
        if id_property == "email":
            raise ValueError("e-mail is never the upsert key")
        rows = [{**row, "idProperty": id_property} for row in _rows(inputs)]
        return self._write("upsert", rows, inputs)

    def batch_update(self, inputs: Sequence[WriteInput]) -> VendorCall[tuple[WriteResult, ...]]:
        """Update up to 100 contacts by contact id; one result per input, in order; ValueError as for batch_upsert."""
        return self._write("update", _rows(inputs), inputs)

    def batch_set(self, inputs: Sequence[WriteInput]) -> VendorCall[tuple[WriteResult, ...]]:
        """As batch_update, of values that are to stand whoever edits meanwhile: sent again without a look."""
        return self._write("update", _rows(inputs), inputs, operation=_SET)

    def search(
        self, *, filters: Sequence[JsonObject], properties: Sequence[str], after: str | None = None
    ) -> VendorCall[SearchPage]:
        """One page of contacts that meet all filters; a record written a second ago may be missing (contracts 8.1)."""
        body: dict[str, JsonValue] = {
            "filterGroups": [{"filters": list(filters)}],
            "sorts": [],
            "properties": list(properties),
            "limit": SEARCH_PAGE,
            "after": after or "0",
        }
        ask = Ask(
            operation="hubspot.search",
            method="POST",
            path=f"{self._paths.contacts}/search",
            body=body,
            read_seconds=_SEARCH_SECONDS,
        )
        return self._call(ask, decode_search)

    def owners(self, *, after: str | None = None) -> VendorCall[OwnerPage]:
        """One page of the account's owners."""
        query: dict[str, str | int] = {"limit": 100, **({"after": after} if after else {})}
        return self._call(self._read(self._paths.owners, query), decode_owners)

    def properties(self) -> VendorCall[tuple[Property, ...]]:
        """All properties of contacts."""
        return self._call(self._read(self._paths.properties, {}), decode_properties)

    def create_properties(self, definitions: Sequence[PropertyDefinition]) -> VendorCall[tuple[str, ...]]:
        """Create up to 100 properties; the names this call created, existing ones are not among them."""
        _check_size(definitions)
        rows = [_definition(one) for one in definitions]
        ask = _writing(_SET, f"{self._paths.properties}/batch/create", rows)
        return self._call(ask, lambda answer: tuple(one.name for one in decode_properties(answer)))

    def status(self) -> VendorCall[ServiceStatus]:
        """A free call that proves the key works."""

        async def detail() -> str:
            await self._http.ask(self._read(self._paths.owners, {"limit": 1}))
            return "the key is accepted"

        return status_call(VENDOR, "hubspot.read", detail)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()
        if self.workflow is not None:
            await self.workflow.aclose()

    def _write(
        self, kind: str, rows: Sequence[JsonObject], inputs: Sequence[WriteInput], *, operation: str = "hubspot.write"
    ) -> VendorCall[tuple[WriteResult, ...]]:
        _check_size(inputs)
        if len({one.trace_id for one in inputs}) < len(inputs):
            raise ValueError("trace ids must be unique in a batch")
        kept = tuple(inputs)
        return self._call(
            _writing(operation, f"{self._paths.contacts}/batch/{kind}", rows),
            lambda answer: write_results(answer, kept),
        )

    def _read(self, path: str, query: Mapping[str, str | int]) -> Ask:
        return Ask(operation="hubspot.read", path=path, query=query, read_seconds=_SINGLE_SECONDS)

    def _call(self, ask: Ask, decode: Callable[[JsonValue], T]) -> VendorCall[T]:
        async def send() -> Reply:
            answer = await self._http.ask(ask)
            request_id = answer.headers.get("x-hubspot-correlation-id")
            return Reply(body=answer.value, request_id=request_id, quotas=answer.quotas)

        query = dict(ask.query) if ask.query else None
        request = {"method": ask.method, "path": ask.path, "query": query, "body": ask.body}
        return VendorCall(operation=ask.operation, request=request, max_units={}, send=send, decode=decode)


def _writing(operation: str, path: str, inputs: Sequence[JsonObject]) -> Ask:
    return Ask(
        operation=operation,
        method="POST",
        path=path,
        body={"inputs": list(inputs)},
        read_seconds=_WRITE_SECONDS,
    )


def _check_size(items: Sequence[object]) -> None:
    if not 1 <= len(items) <= BATCH_LIMIT:
        raise ValueError(f"a batch holds 1 to {BATCH_LIMIT} records")


def _rows(inputs: Sequence[WriteInput]) -> list[dict[str, JsonValue]]:
    return [{"id": one.id, "objectWriteTraceId": one.trace_id, "properties": dict(one.properties)} for one in inputs]


def _definition(one: PropertyDefinition) -> JsonObject:
    body: dict[str, JsonValue] = {
        "name": one.name,
        "label": one.label,
        "type": one.type,
        "fieldType": one.field_type,
        "groupName": one.group_name,
        "hasUniqueValue": one.has_unique_value,
    }
    if one.options is not None:
        body["options"] = [
            {"label": label, "value": value, "hidden": False, "displayOrder": order}
            for order, (value, label) in enumerate(one.options.items())
        ]
    return body


def decode_search(body: JsonValue) -> SearchPage:
    """Raises ValueError when there is no list of results."""
    total = as_object(body).get("total")
    contacts = tuple(Contact.model_validate(row) for row in _results(body))
    return SearchPage(total if isinstance(total, int) else None, contacts, _after(body))


def decode_owners(body: JsonValue) -> OwnerPage:
    """Raises ValueError when there is no list of results."""
    return OwnerPage(tuple(Owner.model_validate(row) for row in _results(body)), _after(body))


def decode_properties(body: JsonValue) -> tuple[Property, ...]:
    """Raises ValueError when there is no list of results."""
    return tuple(Property.model_validate(row) for row in _results(body))


def _results(body: JsonValue) -> list[JsonObject]:
    rows = as_object(body).get("results")
    if not isinstance(rows, list):
        raise UnexpectedBodyError("the answer has no list of results")
    return [as_object(row) for row in rows]


def _after(body: JsonValue) -> str | None:
    """The cursor as the vendor gives it, never computed (contracts 8.1 rule 6)."""
    after = as_object(as_object(as_object(body).get("paging")).get("next")).get("after")
    return after if isinstance(after, str) and after else None
