"""A CRM in memory behind the real client: it answers at once and counts the time it takes for that itself."""

import json
import time
from collections.abc import Iterable
from typing import Any

import httpx

from socialanalyzer_dagster.domain.crm_properties import TYPES, UNIQUE_PROPERTY
from socialanalyzer_dagster.domain.crm_table import crm_properties
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.vendors.http import Connection
from socialanalyzer_dagster.vendors.hubspot import HubSpot
from socialanalyzer_dagster.vendors.transport import new_client

_URL = "http://127.0.0.1"


class MemoryCrm:
    """Contacts by our unique property; `seconds` is the vendor's own time."""

    def __init__(self, policy: Policy) -> None:
        self.contacts: dict[str, dict[str, Any]] = {}
        self.seconds = 0.0
        self._properties = [
            {
                "name": each.name,
                "label": each.label,
                "type": TYPES[each.kind][0],
                "fieldType": TYPES[each.kind][1],
                "hasUniqueValue": each.is_unique,
            }
            for each in crm_properties(policy).values()
        ]
        read_only = {policy.crm.opt_out_property, *(rule.property for rule in policy.crm.outcomes)}
        self._properties += [
            {"name": name, "label": name, "type": "string", "fieldType": "text", "hasUniqueValue": False}
            for name in sorted(read_only)
        ]
        network = httpx.MockTransport(self._answer)
        client = new_client(read_seconds=5, loopback_only=True, inner=network)
        self.client = HubSpot(Connection(base_url=_URL, client=client))

    def store(self, uids: Iterable[str]) -> None:
        """Contacts of ours with nothing in them but our mark."""
        for uid in uids:
            self._upsert({"id": uid, "properties": {}, "objectWriteTraceId": uid})

    def _answer(self, request: httpx.Request) -> httpx.Response:
        started = time.perf_counter()
        try:
            return self._answered(request)
        finally:
            self.seconds += time.perf_counter() - started

    def _answered(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/crm/v3/properties"):
            return httpx.Response(200, json={"results": self._properties})
        body = json.loads(request.content)
        if request.url.path.endswith("/batch/read"):
            return httpx.Response(200, json=self._read(body))
        if request.url.path.endswith("/batch/upsert"):
            return httpx.Response(200, json=_complete([self._upsert(row) for row in body["inputs"]]))
        return httpx.Response(404, json={"category": "OBJECT_NOT_FOUND", "message": request.url.path})

    def _read(self, body: dict[str, Any]) -> dict[str, Any]:
        asked = [row["id"] for row in body["inputs"]]
        by_uid = body["idProperty"] == UNIQUE_PROPERTY
        found = [self.contacts[one] for one in asked if one in self.contacts] if by_uid else []
        absent = [one for one in asked if not by_uid or one not in self.contacts]
        errors = [{"category": "OBJECT_NOT_FOUND", "status": "error", "context": {"ids": absent}}] if absent else []
        return _complete(found) | {"numErrors": len(errors), "errors": errors}

    def _upsert(self, row: dict[str, Any]) -> dict[str, Any]:
        uid = row["id"]
        is_new = uid not in self.contacts
        contact = self.contacts.setdefault(uid, {"id": str(len(self.contacts) + 1), "properties": {}})
        contact["properties"] |= {**row["properties"], UNIQUE_PROPERTY: uid}
        return contact | {"new": is_new, "objectWriteTraceId": row["objectWriteTraceId"]}


def _complete(results: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {"status": "COMPLETE", "results": list(results)}
