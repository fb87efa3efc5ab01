"""Batches: run through their states one poll at a time, results in shuffled order, failures in a file of their own."""

import json
from typing import Any

from starlette.responses import Response

from socialanalyzer_dagster.sandbox.prices import BATCH_FACTOR
from socialanalyzer_dagster.sandbox.vendors import openai_files
from socialanalyzer_dagster.sandbox.vendors.openai_chat import charge, complete, completion_body
from socialanalyzer_dagster.sandbox.vendors.openai_wire import RefusedError, body_object, error_body
from socialanalyzer_dagster.sandbox.wire import Call, json_response
from socialanalyzer_dagster.sandbox.world.dice import Dice, token

_KIND = "openai.batch"
_ENDPOINT = "/v1/chat/completions"
_DAY_SECONDS = 86_400
_MOST_REQUESTS = 50_000
_DEFAULT_PAGE, _LARGEST_PAGE = 20, 100
_STAGES = (
    "in_progress_at",
    "finalizing_at",
    "completed_at",
    "failed_at",
    "expired_at",
    "cancelling_at",
    "cancelled_at",
)
_FINAL = frozenset({"failed", "completed", "expired", "cancelled"})


def create(call: Call) -> Response:
    """``POST /batches`` over an uploaded file; every call makes a new batch."""
    body = body_object(call)
    if body.get("endpoint") != _ENDPOINT:
        raise RefusedError(400, f"Invalid endpoint; supported: {_ENDPOINT}", param="endpoint")
    if body.get("completion_window") != "24h":
        raise RefusedError(400, "completion_window must be '24h'", param="completion_window")
    if openai_files.content_of(call, str(body.get("input_file_id"))) is None:
        raise RefusedError(400, f"No such File object: {body.get('input_file_id')}", param="input_file_id")
    now = call.state.clock.timestamp()
    batch = {
        "id": f"batch_{call.state.mint_hex('openai.batch', call.fingerprint)}", "object": "batch",
        "endpoint": _ENDPOINT,
        "errors": None, "input_file_id": body["input_file_id"], "completion_window": "24h", "status": "validating",
        "output_file_id": None, "error_file_id": None, "created_at": now, **dict.fromkeys(_STAGES),
        "expires_at": now + _DAY_SECONDS,
        "request_counts": {"total": 0, "completed": 0, "failed": 0}, "metadata": body.get("metadata"),
    }  # fmt: skip
    _save(call, batch, polls=0)
    return json_response(_shown(batch))


def describe(call: Call) -> Response:
    """``GET /batches/{id}``: each poll moves the batch on."""
    row = _row(call)
    if row is None:
        return _missing(call)
    batch = row["batch"]
    if batch["status"] not in _FINAL:
        _move_on(call, batch, row["polls"] + 1)
        _save(call, batch, polls=row["polls"] + 1)
    return json_response(_shown(batch))


def listing(call: Call) -> Response:
    """``GET /batches?after&limit``: newest first."""
    rows = [row["batch"] for _, row in call.state.store.items(_KIND)][::-1]
    after = call.query.get("after")
    if after is not None:
        places = [place for place, batch in enumerate(rows) if batch["id"] == after]
        rows = rows[places[0] + 1 :] if places else []
    limit = call.query.get("limit", str(_DEFAULT_PAGE))
    size = min(_LARGEST_PAGE, int(limit)) if limit.isdigit() else _DEFAULT_PAGE
    page = [_shown(batch) for batch in rows[:size]]
    ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {}
    return json_response({"object": "list", "data": page, **ends, "has_more": len(rows) > size})


def cancel(call: Call) -> Response:
    """``POST /batches/{id}/cancel``: the next poll shows it cancelled."""
    row = _row(call)
    if row is None:
        return _missing(call)
    batch = row["batch"]
    if batch["status"] not in _FINAL:
        batch |= {"status": "cancelling", "cancelling_at": call.state.clock.timestamp()}
        _save(call, batch, polls=row["polls"])
    return json_response(_shown(batch))


def _move_on(call: Call, batch: dict[str, Any], polls: int) -> None:
    now = call.state.clock.timestamp()
    if batch["status"] == "cancelling":
        batch |= {"status": "cancelled", "cancelled_at": now}
    elif batch["status"] == "validating":
        _validate(call, batch, now)
    elif batch["status"] == "in_progress" and call.fault == "batch_stuck":
        return
    elif batch["status"] == "in_progress" and polls >= call.state.config.switches.openai_batch_polls - 1:
        batch |= {"status": "finalizing", "finalizing_at": now}
    elif batch["status"] == "finalizing":
        is_expired = call.fault == "batch_expired"
        _finish(call, batch, is_expired=is_expired)
        batch |= (
            {"status": "expired", "expired_at": now} if is_expired else {"status": "completed", "completed_at": now}
        )


def _lines(call: Call, batch: dict[str, Any]) -> list[dict[str, Any]]:
    body = openai_files.content_of(call, batch["input_file_id"]) or b""
    return [json.loads(line) for line in body.decode().splitlines() if line.strip()]


def _validate(call: Call, batch: dict[str, Any], now: int) -> None:
    try:
        lines = _lines(call, batch)
        problem = None if 0 < len(lines) <= _MOST_REQUESTS else "the file has no requests or too many"
        if len({line.get("custom_id") for line in lines}) != len(lines):
            problem = "the custom_id of a request is missing or not unique"
    except (ValueError, AttributeError):
        lines, problem = [], "This line is not parseable as valid JSON."
    if problem is not None:
        error = {"code": "invalid_request", "message": problem, "param": None, "line": 1}
        batch |= {"status": "failed", "failed_at": now, "errors": {"object": "list", "data": [error]}}
        return
    batch |= {"status": "in_progress", "in_progress_at": now}
    batch["request_counts"] = {"total": len(lines), "completed": 0, "failed": 0}


def _finish(call: Call, batch: dict[str, Any], *, is_expired: bool) -> None:
    """Answer the requests (half of them when the batch expires), bill them, and write both files."""
    lines = Dice(call.state.config.seed, "batch", batch["id"]).shuffled(_lines(call, batch))
    worked = lines[: len(lines) // 2] if is_expired else lines
    results = [_result(call, batch["id"], line) for line in worked]
    for line in lines[len(worked) :]:
        late = {
            "code": "batch_expired",
            "message": "This request could not be executed before the completion window expired.",
        }
        results.append(
            {
                "id": _request_id(call, batch["id"], line),
                "custom_id": line["custom_id"],
                "response": None,
                "error": late,
            }
        )
    good = [result for result in results if result["error"] is None and result["response"]["status_code"] == 200]
    bad = [result for result in results if result not in good]
    for name, rows in (("output_file_id", good), ("error_file_id", bad)):
        if rows:
            file_id = f"file-{token(22, call.state.config.seed, batch['id'], name)}"
            text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            openai_files.save(
                call, file_id, text.encode(), filename=f"{batch['id']}_{name[:-8]}.jsonl", purpose="batch_output"
            )
            batch[name] = file_id
    batch["request_counts"] |= {"completed": len(good), "failed": len(bad)}


def _request_id(call: Call, batch_id: str, line: dict[str, Any]) -> str:
    return f"batch_req_{token(24, call.state.config.seed, batch_id, line['custom_id'])}"


def _result(call: Call, batch_id: str, line: dict[str, Any]) -> dict[str, Any]:
    request_id = _request_id(call, batch_id, line)
    response: dict[str, Any] = {"request_id": f"req_{token(32, request_id)}"}
    try:
        done = complete(call, line["body"])
        charge(call, "batches", done, factor=BATCH_FACTOR, reference=request_id)
        response |= {"status_code": 200, "body": completion_body(call, done, request_id)}
    except RefusedError as error:
        response |= {"status_code": error.status, "body": error.body}
    return {"id": request_id, "custom_id": line["custom_id"], "response": response, "error": None}


def _shown(batch: dict[str, Any]) -> dict[str, Any]:
    """The batch without the keys that have no value, as the vendor sends it."""
    return {name: value for name, value in batch.items() if value is not None}


def _row(call: Call) -> dict[str, Any] | None:
    found: dict[str, Any] | None = call.state.store.get(_KIND, call.path_params["batch_id"])
    return found


def _save(call: Call, batch: dict[str, Any], *, polls: int) -> None:
    call.state.store.put(_KIND, batch["id"], {"batch": batch, "polls": polls})


def _missing(call: Call) -> Response:
    message = f"No batch found with id '{call.path_params['batch_id']}'."
    return json_response(error_body(message, "invalid_request_error"), 404)
