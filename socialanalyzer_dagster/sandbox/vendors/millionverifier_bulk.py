"""Bulk files of the simulated MillionVerifier: upload, poll, download in another order, stop, delete."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from email import message_from_bytes
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.vendors.millionverifier_verdicts import verdict_on
from socialanalyzer_dagster.sandbox.vendors.millionverifier_wire import WIRE, credits_left, use_credit
from socialanalyzer_dagster.sandbox.wire import Call, endpoint, json_response
from socialanalyzer_dagster.sandbox.world.dice import Dice

_KIND = "millionverifier.file"
_FILTERS = {
    "ok": {"ok"},
    "ok_and_catch_all": {"ok", "catch_all"},
    "unknown": {"unknown"},
    "invalid": {"invalid"},
    "all": {"ok", "catch_all", "unknown", "invalid", "disposable"},
}
_LARGEST_PAGE = 50


def routes(state: SandboxState) -> list[Route]:
    """Return the bulk routes."""
    return [
        endpoint(state, WIRE, operation="bulk_upload", path="/bulkapi/v2/upload", handler=_upload, methods=("POST",)),
        endpoint(state, WIRE, operation="bulk_fileinfo", path="/bulkapi/v2/fileinfo", handler=_fileinfo),
        endpoint(state, WIRE, operation="bulk_filelist", path="/bulkapi/v2/filelist", handler=_filelist),
        endpoint(state, WIRE, operation="bulk_download", path="/bulkapi/v2/download", handler=_download),
        endpoint(state, WIRE, operation="bulk_stop", path="/bulkapi/stop", handler=_stop),
        endpoint(state, WIRE, operation="bulk_delete", path="/bulkapi/v2/delete", handler=_delete),
    ]


def _upload(call: Call) -> Response:
    found = _uploaded_file(call)
    if found is None:
        return json_response({"error": "file_contents is missing"})
    name, text = found
    rows = [row for row in csv.reader(io.StringIO(text)) if any(cell.strip() for cell in row)]
    column = _email_column(rows)
    if column is None:
        return json_response({"error": "no email specified"})
    body_rows = rows if "@" in rows[0][column] else rows[1:]
    unique = sorted({row[column].strip().lower() for row in body_rows if len(row) > column and row[column].strip()})
    left = credits_left(call.state)
    if call.fault == "out_of_credits" or left < len(unique):
        shown = 0 if call.fault == "out_of_credits" else left
        error = {"error": "insufficient_credits", "unique_emails": str(len(unique)), "credits": str(shown)}
        return json_response(error)
    file_id = str(int(call.state.mint_hex("millionverifier.file", call.fingerprint, 7), 16) + 1_000_000)
    for _ in unique:
        use_credit(call.state)
    call.state.bill.charge("millionverifier", "bulk", {"email_verifier.bulk": len(unique)}, reference=file_id)
    counts = Counter(verdict_on(call.state, email).result for email in unique)
    record = {
        "file_name": name,
        "created": call.state.clock.now().strftime("%Y-%m-%d %H:%M:%S"),
        "header": rows[0] if body_rows is not rows else None,
        "rows": body_rows,
        "column": column,
        "unique": len(unique),
        "counts": dict(counts),
        "polls_left": 1,
        "status": "in_progress",
    }
    call.state.store.put(_KIND, file_id, record)
    return json_response(_shown(file_id, record))


def _uploaded_file(call: Call) -> tuple[str, str] | None:
    """Return name and text of the part `file_contents` of a multipart body."""
    head = f"Content-Type: {call.request.headers.get('content-type', '')}\r\n\r\n".encode()
    message = message_from_bytes(head + call.body)
    for part in message.get_payload() if message.is_multipart() else ():
        if not isinstance(part, str) and part.get_param("name", header="content-disposition") == "file_contents":
            content = part.get_payload(decode=True)
            text = content.decode("utf-8-sig", errors="replace") if isinstance(content, bytes) else ""
            return part.get_filename() or "upload.csv", text
    return None


def _email_column(rows: Sequence[Sequence[str]]) -> int | None:
    """Return the column with the addresses: the one whose name says so, else the first that holds an @."""
    for row in rows[:2]:
        for position, cell in enumerate(row):
            if "@" in cell or cell.strip().lower() in {"email", "e-mail", "mail"}:
                return position
    return None


def _shown(file_id: str, record: dict[str, Any]) -> dict[str, Any]:
    done = record["status"] == "finished"
    counts = record["counts"] if done else {}
    verified = record["unique"] if done else 0
    return {
        "file_id": file_id,
        "file_name": record["file_name"],
        "status": record["status"],
        "unique_emails": str(record["unique"]),
        "updated_at": record["created"],
        "createdate": record["created"],
        "percent": 100 if done else 0,
        "total_rows": str(len(record["rows"])),
        "verified": str(verified),
        "unverified": str(record["unique"] - verified),
        **{name: str(counts.get(name, 0)) for name in ("ok", "catch_all", "disposable", "invalid", "unknown")},
        "reverify": "0",
        "credit": str(record["unique"]),
        "estimated_time_sec": 0 if done else 10,
        "error": "",
    }


def _record(call: Call) -> tuple[str, dict[str, Any] | None]:
    file_id = call.query.get("file_id", "")
    return file_id, call.state.store.get(_KIND, file_id)


def _fileinfo(call: Call) -> Response:
    file_id, record = _record(call)
    if record is None:
        return json_response({"error": "file_not_found"})
    if record["status"] == "in_progress" and call.fault != "job_stuck":
        if record["polls_left"] > 0:
            record["polls_left"] -= 1
        else:
            record["status"] = "error" if call.fault == "job_failed" else "finished"
        call.state.store.put(_KIND, file_id, record)
    return json_response(_shown(file_id, record))


def _filelist(call: Call) -> Response:
    try:
        offset, limit = int(call.query.get("offset", "0")), int(call.query.get("limit", str(_LARGEST_PAGE)))
    except ValueError:
        return json_response({"error": "offset and limit must be whole numbers"})
    found = [_shown(file_id, record) for file_id, record in call.state.store.items(_KIND)]
    page = found[::-1][offset : offset + min(limit, _LARGEST_PAGE)]
    return json_response({"files": page, "total": str(len(found)), "error": ""})


def _download(call: Call) -> Response:
    file_id, record = _record(call)
    if record is None:
        return json_response({"error": "file_not_found"})
    if record["status"] == "in_progress":
        return json_response({"error": "file_not_finished"})
    chosen = call.query.get("filter", "all")
    statuses = set(call.query.get("statuses", "").split(",")) if chosen == "custom" else _FILTERS.get(chosen)
    if statuses is None:
        return json_response({"error": "invalid_filter"})
    column = record["column"]
    out = io.StringIO()
    writer = csv.writer(out)
    header = record["header"] or ["email" if position == column else "" for position in range(len(record["rows"][0]))]
    writer.writerow([*header, "quality", "result", "free", "role"])
    for row in Dice(call.state.config.seed, "bulk order", file_id).shuffled(record["rows"]):
        verdict = verdict_on(call.state, row[column].strip())
        if verdict.result in statuses:
            flags = ["yes" if flag else "no" for flag in (verdict.free, verdict.role)]
            writer.writerow([*row, verdict.quality, verdict.result, *flags])
    return Response(out.getvalue(), media_type="text/csv")


def _stop(call: Call) -> Response:
    file_id, record = _record(call)
    if record is None:
        return json_response({"error": "file_not_found"})
    if record["status"] == "in_progress":
        call.state.store.put(_KIND, file_id, {**record, "status": "canceled"})
    return json_response({"error": ""})


def _delete(call: Call) -> Response:
    found = call.state.store.delete(_KIND, call.query.get("file_id", ""))
    return json_response({"error": "" if found else "file_not_found"})
