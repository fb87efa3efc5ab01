"""The simulated Apify API: actors, runs, datasets, limits and usage, under `/v2/actors` and the older `/v2/acts`."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.vendors.apify_account import limits, monthly_usage, user
from socialanalyzer_dagster.sandbox.vendors.apify_actors import actor_named
from socialanalyzer_dagster.sandbox.vendors.apify_datasets import dataset, items_response
from socialanalyzer_dagster.sandbox.vendors.apify_runs import (
    DATASETS,
    RUNS,
    TERMINAL,
    advance,
    dataset_id,
    finished,
    pricing,
    run_body,
    short_body,
    start_run,
)
from socialanalyzer_dagster.sandbox.vendors.apify_wire import (
    USER_ID,
    WIRE,
    RefusedError,
    answering,
    data_response,
    is_set,
    whole_parameter,
)
from socialanalyzer_dagster.sandbox.vendors.apify_work import Actor
from socialanalyzer_dagster.sandbox.wire import Call, endpoint

LONGEST_RUN_LIST = 1000

_MADE_AT = "2025-01-06T08:00:00.000Z"


def routes(state: SandboxState) -> list[Route]:
    """Return the routes of all Apify calls."""
    table: list[tuple[str, str, str, Callable[[Call], Response]]] = []
    for actors in ("/v2/actors", "/v2/acts"):
        table += [
            ("actor", "GET", f"{actors}/{{actor_id}}", _actor_read),
            ("run_start", "POST", f"{actors}/{{actor_id}}/runs", _run_start),
            ("runs_list", "GET", f"{actors}/{{actor_id}}/runs", _runs_list),
            ("run_sync", "POST", f"{actors}/{{actor_id}}/run-sync-get-dataset-items", _run_sync),
        ]
    table += [
        ("actor_run", "GET", "/v2/actor-runs/{run_id}", _run_read),
        ("run_abort", "POST", "/v2/actor-runs/{run_id}/abort", _run_abort),
        ("run_log", "GET", "/v2/actor-runs/{run_id}/log", _run_log),
        ("run_items", "GET", "/v2/actor-runs/{run_id}/dataset/items", _run_items),
        ("dataset", "GET", "/v2/datasets/{dataset_id}", dataset),
        ("dataset_items", "GET", "/v2/datasets/{dataset_id}/items", _dataset_items),
        ("user", "GET", "/v2/users/me", user),
        ("user_limits", "GET", "/v2/users/me/limits", limits),
        ("user_usage", "GET", "/v2/users/me/usage/monthly", monthly_usage),
    ]
    return [
        endpoint(state, WIRE, operation=operation, path=path, handler=answering(handler), methods=(method,))
        for operation, method, path, handler in table
    ]


def _actor_of(call: Call) -> Actor:
    found = actor_named(call.path_params["actor_id"])
    if found is None:
        raise RefusedError(404, "actor-not-found", "Actor was not found")
    return found


def _row_of(call: Call) -> dict[str, Any]:
    row: dict[str, Any] | None = call.state.store.get(RUNS, call.path_params["run_id"])
    if row is None:
        raise RefusedError(404, "record-not-found", "Actor run was not found")
    return row


def _shown(call: Call, row: Mapping[str, Any], status: int = 200) -> Response:
    actor = actor_named(row["actor"])
    if actor is None:
        raise RefusedError(404, "actor-not-found", "Actor was not found")
    body = run_body(call.state, actor, row)
    if call.fault == "usage_lags":
        body |= {"usageTotalUsd": body["usageTotalUsd"] / 2, "chargedEventCounts": dict.fromkeys(row["events"], 0)}
    return data_response(body, status)


def _actor_read(call: Call) -> Response:
    actor = _actor_of(call)
    owner, _, name = actor.name.partition("~")
    body = {
        "id": actor.id,
        "userId": USER_ID,
        "name": name,
        "username": owner,
        "title": actor.title,
        "description": actor.title,
        "isPublic": True,
        "createdAt": _MADE_AT,
        "modifiedAt": _MADE_AT,
        "stats": {"totalBuilds": 1, "totalRuns": 1, "totalUsers": 1},
        "versions": [],
        "defaultRunOptions": {"build": "latest", "timeoutSecs": 3600, "memoryMbytes": 1024},
        "pricingInfos": [pricing(call.state, actor)],
        "taggedBuilds": {},
    }
    return data_response(body)


def _run_start(call: Call) -> Response:
    actor = _actor_of(call)
    row = start_run(call, actor)
    if _waits(call):
        row = advance(call, row, waits=True)
    answer = data_response(run_body(call.state, actor, row), 201)
    answer.headers["Location"] = f"{call.base_url}/apify/v2/actor-runs/{row['id']}"
    return answer


def _run_sync(call: Call) -> Response:
    actor = _actor_of(call)
    row = advance(call, start_run(call, actor), waits=True)
    if call.fault == "sync_timeout":
        raise RefusedError(408, "run-timeout-exceeded", "The run did not finish within 300 seconds")
    if row["status"] != "SUCCEEDED":
        raise RefusedError(400, "run-failed", f"The run ended as {row['status']}")
    answer = items_response(call, call.state.store.get(DATASETS, dataset_id(call.state, row["id"])) or [])
    answer.status_code = 201
    return answer


def _waits(call: Call) -> bool:
    """Say whether the caller waits for the end; the run ends within any wait, so its length does not matter."""
    return whole_parameter(call, "waitForFinish", 0) > 0


def _run_read(call: Call) -> Response:
    return _shown(call, advance(call, _row_of(call), waits=_waits(call)))


def _run_abort(call: Call) -> Response:
    row = _row_of(call)
    if row["status"] not in TERMINAL:
        row = finished(call, row, "ABORTED")
        call.state.store.put(RUNS, row["id"], row)
    return _shown(call, row)


def _run_log(call: Call) -> Response:
    row = _row_of(call)
    lines = [f"{row['started_at']} ACTOR: Starting", f"{row['started_at']} ACTOR: {row['status']}"]
    return PlainTextResponse("\n".join(lines) + "\n")


def _runs_list(call: Call) -> Response:
    actor, status = _actor_of(call), call.query.get("status")
    limit = whole_parameter(call, "limit", LONGEST_RUN_LIST)
    if limit > LONGEST_RUN_LIST:
        raise RefusedError(400, "invalid-input", f"Parameter limit must be at most {LONGEST_RUN_LIST}")
    rows = [row for _key, row in call.state.store.items(RUNS) if row["actor"] == actor.id]
    rows = [row for row in rows if status in {None, row["status"]} and _is_between(call, row)]
    if is_set(call, "desc"):
        rows.reverse()
    offset = whole_parameter(call, "offset", 0)
    page = [short_body(call.state, row) for row in rows[offset : offset + limit]]
    body = {"total": len(rows), "offset": offset, "limit": limit, "count": len(page), "desc": is_set(call, "desc")}
    return data_response({**body, "items": page})


def _is_between(call: Call, row: Mapping[str, Any]) -> bool:
    """Say whether a run started in the asked span; a caller may live in the sandbox's time or in real time."""
    moments = (datetime.fromisoformat(row["started_at"]).timestamp(), row["wall_time"])
    after, before = (_moment(call, name) for name in ("startedAfter", "startedBefore"))
    return (after is None or max(moments) >= after) and (before is None or min(moments) <= before)


def _moment(call: Call, name: str) -> float | None:
    text = call.query.get(name)
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise RefusedError(400, "invalid-input", f"Parameter {name} must be an ISO date") from None


def _dataset_items(call: Call) -> Response:
    return _items_of(call, call.path_params["dataset_id"])


def _run_items(call: Call) -> Response:
    return _items_of(call, dataset_id(call.state, _row_of(call)["id"]))


def _items_of(call: Call, wanted: str) -> Response:
    rows: list[dict[str, Any]] | None = call.state.store.get(DATASETS, wanted)
    if rows is None:
        raise RefusedError(404, "record-not-found", "Dataset was not found")
    return items_response(call, rows)
