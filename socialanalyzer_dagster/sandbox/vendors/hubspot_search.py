"""Searching contacts of the simulated HubSpot: filter groups, operators, free text, sorting and their bounds."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from socialanalyzer_dagster.sandbox.vendors.hubspot_contacts import Contact
from socialanalyzer_dagster.sandbox.vendors.hubspot_properties import JsonObject, PropertyBook, invalid

LARGEST_PAGE = 200
LAST_RESULT = 10_000
MOST_GROUPS, MOST_FILTERS_IN_GROUP, MOST_FILTERS = 5, 6, 18
LONGEST_QUERY = 3_000

_QUERY_PROPERTIES = ("email", "firstname", "lastname", "phone", "company", "website")
_TOKEN = re.compile(r"[^\W_]+", re.UNICODE)


class SearchRequest:
    """A checked search body: which contacts match, in which order, and which page is asked for."""

    def __init__(self, body: Mapping[str, Any], properties: PropertyBook) -> None:
        """Read the body; raises `RefusedError` 400 for anything HubSpot refuses (contracts 8.1 rule 5)."""
        self._properties = properties
        self.limit = _whole_number(body.get("limit"), 10, "limit")
        self.after = _whole_number(body.get("after"), 0, "after")
        if not 1 <= self.limit <= LARGEST_PAGE:
            raise invalid(f"limit must be between 1 and {LARGEST_PAGE}", about="limit")
        if self.after + self.limit > LAST_RESULT:
            raise invalid(f"Searches stop at {LAST_RESULT} results: after + limit is too large", about="after")
        self.query = str(body.get("query") or "")
        if len(self.query) > LONGEST_QUERY:
            raise invalid(f"query is longer than {LONGEST_QUERY} characters", about="query")
        self.names: list[str] | None = list(body["properties"]) if body.get("properties") else None
        self.sort_by, self.descending = _sorting(body.get("sorts") or [])
        if self.sort_by:
            self._kind(self.sort_by)
        self._tests = [[self._test(condition) for condition in group] for group in _groups(body)]

    def answer(self, contacts: Iterable[Contact]) -> JsonObject:
        """Return the answer's body for these contacts, given oldest first."""
        found = [contact for contact in contacts if self._matches(contact)]
        if self.sort_by:
            kind = self._kind(self.sort_by)
            present = [c for c in found if c.value(self.sort_by) is not None]
            absent = [c for c in found if c.value(self.sort_by) is None]
            name = self.sort_by
            present.sort(key=lambda c: _comparable(c.value(name) or "", kind), reverse=self.descending)
            found = [*present, *absent]
        end = self.after + self.limit
        body: JsonObject = {"total": len(found), "results": [c.body(self.names) for c in found[self.after : end]]}
        if end < len(found):
            body["paging"] = {"next": {"after": str(end)}}
        return body

    def _kind(self, name: str) -> str:
        if name not in self._properties.definitions:
            raise invalid(f"There was a problem with the request: property {name} does not exist", about=name)
        return str(self._properties.definitions[name]["type"])

    def _test(self, condition: Mapping[str, Any]) -> tuple[str, Callable[[str | None], bool]]:
        name = str(condition.get("propertyName"))
        return name, _test_for(condition, self._kind(name))

    def _matches(self, contact: Contact) -> bool:
        if self.query and not _query_matches(self.query, contact):
            return False
        if not self._tests:
            return True
        return any(all(test(contact.value(name)) for name, test in group) for group in self._tests)


def _groups(body: Mapping[str, Any]) -> list[list[Mapping[str, Any]]]:
    groups = [list(group.get("filters") or ()) for group in body.get("filterGroups") or ()]
    if len(groups) > MOST_GROUPS or any(len(group) > MOST_FILTERS_IN_GROUP for group in groups):
        message = f"At most {MOST_GROUPS} filter groups of {MOST_FILTERS_IN_GROUP} filters are allowed"
        raise invalid(message, about="filterGroups")
    if sum(map(len, groups)) > MOST_FILTERS:
        raise invalid(f"At most {MOST_FILTERS} filters are allowed", about="filterGroups")
    return groups


def _sorting(sorts: Sequence[Any]) -> tuple[str, bool]:
    if len(sorts) > 1:
        raise invalid("Only one sort is allowed", about="sorts")
    if not sorts:
        return "", False
    if isinstance(sorts[0], str):
        return sorts[0].removeprefix("-"), sorts[0].startswith("-")
    return str(sorts[0].get("propertyName")), sorts[0].get("direction") == "DESCENDING"


def _whole_number(value: object, default: int, name: str) -> int:
    if value in {None, ""}:
        return default
    try:
        return int(str(value))
    except ValueError:
        raise invalid(f"{name} must be a whole number", about=name) from None


def _comparable(value: str, kind: str) -> Any:  # noqa: ANN401 - two values of one kind compare with each other
    try:
        if kind == "number":
            return Decimal(value)
        if kind in {"date", "datetime"}:
            if re.fullmatch(r"-?\d+", value):
                return datetime.fromtimestamp(int(value) / 1000, tz=UTC)
            moment = datetime.fromisoformat(value)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    except (InvalidOperation, ValueError, OverflowError):
        raise invalid(f"{value} is not a valid {kind}", about="value") from None
    return value.lower()


def _query_matches(query: str, contact: Contact) -> bool:
    text = " ".join((contact.value(name) or "") for name in _QUERY_PROPERTIES).lower()
    return all(word in text for word in query.lower().split())


def _token_matches(pattern: str, value: str | None) -> bool:
    if value is None:
        return False
    wanted = pattern.lower()
    if "*" in wanted:
        shape = re.compile(".*".join(re.escape(part) for part in wanted.split("*")))
        return any(shape.fullmatch(token) for token in [value.lower(), *_TOKEN.findall(value.lower())])
    tokens = _TOKEN.findall(value.lower())
    return wanted == value.lower() or all(part in tokens for part in _TOKEN.findall(wanted))


def _test_for(condition: Mapping[str, Any], kind: str) -> Callable[[str | None], bool]:
    operator = condition.get("operator")
    if operator in {"HAS_PROPERTY", "NOT_HAS_PROPERTY"}:
        return lambda value: (value is not None) == (operator == "HAS_PROPERTY")
    if operator in {"IN", "NOT_IN"}:
        values = condition.get("values")
        if not values:
            raise invalid(f"{operator} needs values", about="values")
        among = {_comparable(str(one), kind) for one in values}
        return lambda value: (value is not None and _comparable(value, kind) in among) == (operator == "IN")
    wanted = condition.get("value")
    if wanted is None or wanted == "":
        raise invalid(f"{operator} needs a value", about="value")
    if operator in {"CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"}:
        return lambda value: _token_matches(str(wanted), value) == (operator == "CONTAINS_TOKEN")
    return _comparison(str(operator), _comparable(str(wanted), kind), condition, kind)


def _comparison(operator: str, wanted: Any, condition: Mapping[str, Any], kind: str) -> Callable[[str | None], bool]:  # noqa: ANN401
    if operator == "NEQ":
        return lambda value: value is None or _comparable(value, kind) != wanted
    if operator == "BETWEEN":
        if not condition.get("highValue"):
            raise invalid("BETWEEN needs highValue", about="highValue")
        high = _comparable(str(condition["highValue"]), kind)
        return lambda value: value is not None and wanted <= _comparable(value, kind) <= high
    tests: dict[str, Callable[[Any], bool]] = {
        "EQ": lambda one: bool(one == wanted),
        "LT": lambda one: bool(one < wanted),
        "LTE": lambda one: bool(one <= wanted),
        "GT": lambda one: bool(one > wanted),
        "GTE": lambda one: bool(one >= wanted),
    }
    if operator not in tests:
        raise invalid(f"{operator} is not an operator", about="operator")
    test = tests[operator]
    return lambda value: value is not None and test(_comparable(value, kind))
