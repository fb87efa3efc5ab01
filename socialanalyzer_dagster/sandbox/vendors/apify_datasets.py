"""Reading datasets of the simulated Apify: offset, limit, order, chosen keys, cleaning, and the paging headers."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from socialanalyzer_dagster.sandbox.injections import with_injections
from socialanalyzer_dagster.sandbox.vendors.apify_runs import DATASETS
from socialanalyzer_dagster.sandbox.vendors.apify_wire import (
    USER_ID,
    RefusedError,
    data_response,
    is_set,
    whole_parameter,
)
from socialanalyzer_dagster.sandbox.wire import Call, json_response

NO_LIMIT = 999_999_999_999

JsonObject = dict[str, Any]


def items_response(call: Call, rows: Sequence[JsonObject]) -> Response:
    """Return a page of items as a bare array; past the end it is empty."""
    if call.query.get("format", "json") != "json":
        raise RefusedError(400, "invalid-input", "Only format=json is served here")
    offset, limit = whole_parameter(call, "offset", 0), whole_parameter(call, "limit", 0) or NO_LIMIT
    descending = is_set(call, "desc")
    ordered = list(reversed(rows)) if descending else list(rows)
    start = max(0, offset - limit) if call.fault == "repeated_page" else offset
    page = ordered[start : start + limit]
    if call.fault == "short_page":
        page = page[: (len(page) + 1) // 2]
    shown = _shown(call, with_injections(page) if call.fault == "injected_bio" else page)
    total = len(rows) + (1 if call.fault == "total_changes" else 0)
    headers = {
        "X-Apify-Pagination-Offset": str(offset),
        "X-Apify-Pagination-Limit": str(limit),
        "X-Apify-Pagination-Count": str(len(shown)),
        "X-Apify-Pagination-Total": str(total),
        "X-Apify-Pagination-Desc": str(descending).lower(),
    }
    return json_response(shown, 200, headers)


def _shown(call: Call, page: Sequence[JsonObject]) -> list[JsonObject]:
    """Return the items with the keys asked for; `clean` leaves out hidden keys, and items that are empty then."""
    cleans = is_set(call, "clean")
    fields, omitted = (set(filter(None, call.query.get(name, "").split(","))) for name in ("fields", "omit"))
    kept = []
    for item in page:
        found = {name: value for name, value in item.items() if name not in omitted and (not fields or name in fields)}
        if cleans or is_set(call, "skipHidden"):
            found = {name: value for name, value in found.items() if not name.startswith("#")}
        if found or not (cleans or is_set(call, "skipEmpty")):
            kept.append(found)
    return kept


def dataset(call: Call) -> Response:
    """Answer what a dataset is: its id and how many items it has."""
    wanted = call.path_params["dataset_id"]
    rows: Sequence[Mapping[str, Any]] | None = call.state.store.get(DATASETS, wanted)
    if rows is None:
        raise RefusedError(404, "record-not-found", "Dataset was not found")
    moment = call.state.clock.iso()
    body = {
        "id": wanted,
        "userId": USER_ID,
        "createdAt": moment,
        "modifiedAt": moment,
        "accessedAt": moment,
        "itemCount": len(rows),
        "cleanItemCount": len([row for row in rows if not row.get("#error")]),
        "consoleUrl": f"https://console.apify.com/storage/datasets/{wanted}",
    }
    return data_response(body)
