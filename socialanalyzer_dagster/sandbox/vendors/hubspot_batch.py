"""Batch calls on the contacts of the simulated HubSpot: whole refusals, partial successes (207) and plain answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from socialanalyzer_dagster.sandbox.clock import iso_millis
from socialanalyzer_dagster.sandbox.vendors.hubspot_contacts import ContactBook
from socialanalyzer_dagster.sandbox.vendors.hubspot_properties import (
    JsonObject,
    Problem,
    RefusedError,
    invalid,
)

LARGEST_BATCH = 100

Item = Mapping[str, Any]


@dataclass(frozen=True)
class BatchAnswer:
    """What a batch call answers: the HTTP status and the body."""

    status: int
    body: JsonObject


@dataclass(frozen=True)
class ContactBatches:
    """The batch calls on one contact book, at one moment."""

    book: ContactBook
    now: datetime
    blank_others: bool = False

    def upsert(self, body: Mapping[str, Any]) -> BatchAnswer:
        """Create or update by id or unique property; refused records are reported beside the others (207)."""
        inputs = _inputs(body, with_ids=True)

        def one(item: Item) -> JsonObject:
            name = item.get("idProperty")
            found = self.book.find(item["id"], name)
            values = _properties(item)
            if found is None and name in {None, "hs_object_id"}:
                raise _not_found(item["id"])
            if found is None:
                contact = self.book.create({str(name): item["id"], **values}, now=self.now)
            else:
                contact = self.book.update(found, values, now=self.now, blank_others=self.blank_others)
            return {**contact.body(values), "new": found is None}

        return self._answer(200, inputs, one)

    def create(self, body: Mapping[str, Any]) -> BatchAnswer:
        """Create contacts; without a trace id on every input one refusal refuses all (contracts 8.1 rule 3)."""
        inputs = _inputs(body, with_ids=False)
        traces = [item.get("objectWriteTraceId") for item in inputs]
        if not all(traces):
            self._check_all_new(inputs)

        def one(item: Item) -> JsonObject:
            values = _properties(item)
            return self.book.create(values, now=self.now).body(values)

        return self._answer(201, inputs, one)

    def update(self, body: Mapping[str, Any]) -> BatchAnswer:
        """Change existing contacts by id or unique property."""
        inputs = _inputs(body, with_ids=True)

        def one(item: Item) -> JsonObject:
            found = self.book.find(item["id"], item.get("idProperty"))
            if found is None:
                raise _not_found(item["id"])
            values = _properties(item)
            return self.book.update(found, values, now=self.now).body(values)

        return self._answer(200, inputs, one)

    def read(self, body: Mapping[str, Any], *, archived: bool = False) -> BatchAnswer:
        """Read contacts by id or unique property; the ones not found share one error entry (207)."""
        inputs = _inputs(body, with_ids=True)
        names, id_property = body.get("properties") or None, body.get("idProperty")
        results, missing = [], []
        for item in inputs:
            found = self.book.find_archived(item["id"]) if archived else self.book.find(item["id"], id_property)
            if found is None:
                missing.append(str(item["id"]))
            else:
                results.append(found.body(names))
        errors = [_missing_entry(missing)] if missing else []
        return self._body(200, _distinct(results), errors)

    def archive(self, body: Mapping[str, Any]) -> None:
        """Archive contacts by id; ids that do not exist are ignored."""
        for item in _inputs(body, with_ids=True):
            found = self.book.find(item["id"])
            if found is not None:
                self.book.archive(found, now=self.now)

    def refuse_whole(self, body: Mapping[str, Any]) -> None:
        """Raise the first refusal that a record of the batch would get, before anything is done."""
        for item in _inputs(body, with_ids=False):
            found = self.book.find(item["id"], item.get("idProperty")) if item.get("id") else None
            self.book.check(_properties(item), owner=None if found is None else found.id)

    def _check_all_new(self, inputs: Sequence[Item]) -> None:
        seen: set[tuple[str, str]] = set()
        for item in inputs:
            checked = self.book.check_new(_properties(item))
            keys = {(name, checked[name]) for name in self.book.properties.unique_names() if checked.get(name)}
            if keys & seen:
                raise invalid("Duplicate values of a unique property in one batch", code="DUPLICATE_IN_BATCH")
            seen |= keys

    def _answer(self, status: int, inputs: Sequence[Item], one: Callable[[Item], JsonObject]) -> BatchAnswer:
        results, errors = [], []
        for item in inputs:
            trace = item.get("objectWriteTraceId")
            try:
                results.append({**one(item), **({"objectWriteTraceId": trace} if trace else {})})
            except RefusedError as refusal:
                errors.append(record_error(refusal.problems, item))
        return self._body(status, results, errors)

    def _body(self, status: int, results: list[JsonObject], errors: list[JsonObject]) -> BatchAnswer:
        moment = iso_millis(self.now)
        body: JsonObject = {"status": "COMPLETE", "results": results, "startedAt": moment, "completedAt": moment}
        if errors:
            return BatchAnswer(207, {**body, "numErrors": len(errors), "errors": errors})
        return BatchAnswer(status, body)


def record_error(problems: Sequence[Problem], item: Item) -> JsonObject:
    """Return the `errors` entry of a 207 for one refused input (contracts 8.2)."""
    first = problems[0]
    message = first.message
    if first.category == "VALIDATION_ERROR":
        message = "Property values were not valid: " + "; ".join(problem.message for problem in problems)
    trace = item.get("objectWriteTraceId")
    context = {"objectWriteTraceId": [str(trace)]} if trace else {"ids": [str(item.get("id", ""))]}
    details = [problem.detail() for problem in problems] if first.category == "VALIDATION_ERROR" else []
    return {
        "status": "error",
        "category": first.category,
        "message": message,
        "context": context,
        "links": {},
        "errors": details,
    }


def _inputs(body: Mapping[str, Any], *, with_ids: bool) -> Sequence[Item]:
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(item, dict) for item in inputs):
        raise invalid("inputs must be a list of objects", about="inputs")
    if len(inputs) > LARGEST_BATCH:
        raise invalid(f"The maximum number of inputs supported in a batch request is {LARGEST_BATCH}", about="inputs")
    traces = [item["objectWriteTraceId"] for item in inputs if item.get("objectWriteTraceId")]
    if len(traces) != len(set(traces)):
        raise invalid("objectWriteTraceId must be unique in a batch", about="objectWriteTraceId")
    if with_ids:
        _check_ids(inputs)
    return inputs


def _check_ids(inputs: Sequence[Item]) -> None:
    if not all(isinstance(item.get("id"), str) and item["id"] for item in inputs):
        raise invalid("Every input needs an id, as text", about="id")
    keys = [(item.get("idProperty"), item["id"]) for item in inputs]
    if len(keys) != len(set(keys)):
        raise invalid("Duplicate IDs found in batch input", code="DUPLICATE_IN_BATCH", about="id")


def _properties(item: Item) -> Mapping[str, object]:
    values = item.get("properties")
    if not isinstance(values, dict):
        raise invalid("properties must be an object", about="properties")
    return values


def _not_found(contact_id: str) -> RefusedError:
    return RefusedError(404, Problem("OBJECT_NOT_FOUND", f"No contact is named by {contact_id}"))


def _missing_entry(missing: Sequence[str]) -> JsonObject:
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "message": "Could not get some CONTACT objects, they may be deleted or not exist. Check that ids are valid.",
        "context": {"ids": list(missing)},
        "links": {},
        "errors": [],
    }


def _distinct(results: Sequence[JsonObject]) -> list[JsonObject]:
    return list({result["id"]: result for result in results}.values())
