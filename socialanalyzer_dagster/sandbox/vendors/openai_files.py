"""Uploaded files: stored bytes with the vendor's description of them."""

from typing import Any

from starlette.responses import Response

from socialanalyzer_dagster.sandbox.vendors.openai_wire import RefusedError, error_body, multipart_parts
from socialanalyzer_dagster.sandbox.wire import Call, json_response

_KIND = "openai.file"
_LIFETIME_SECONDS = 30 * 86_400
_LARGEST_BYTES = 200 * 1024 * 1024


def upload(call: Call) -> Response:
    """``POST /files`` with purpose batch."""
    parts = multipart_parts(call)
    if "file" not in parts or "purpose" not in parts:
        raise RefusedError(400, "'file' and 'purpose' are required.", param="file")
    purpose = parts["purpose"].body.decode()
    if purpose != "batch":
        raise RefusedError(400, f"'{purpose}' is not one of ['batch'] - 'purpose'", param="purpose")
    if len(parts["file"].body) > _LARGEST_BYTES:
        raise RefusedError(413, "The file is too large.")
    file_id = f"file-{call.state.mint_base62('openai.file', call.fingerprint, 22)}"
    lifetime = parts["expires_after[seconds"].body if "expires_after[seconds" in parts else b""
    seconds = int(lifetime) if lifetime.isdigit() else _LIFETIME_SECONDS
    return json_response(
        save(
            call,
            file_id,
            parts["file"].body,
            filename=parts["file"].filename or "batch.jsonl",
            lifetime_seconds=seconds,
        )
    )


def save(
    call: Call,
    file_id: str,
    body: bytes,
    *,
    filename: str,
    purpose: str = "batch",
    lifetime_seconds: int = _LIFETIME_SECONDS,
) -> dict[str, Any]:
    """Store a file and return its description."""
    created = call.state.clock.timestamp()
    row = {
        "id": file_id, "object": "file", "bytes": len(body), "created_at": created,
        "expires_at": created + lifetime_seconds,
        "filename": filename, "purpose": purpose, "status": "processed",
    }  # fmt: skip
    call.state.store.put(_KIND, file_id, row)
    call.state.store.put_blob(_KIND, file_id, body)
    return row


def content_of(call: Call, file_id: str) -> bytes | None:
    """A stored file's bytes, or None."""
    return call.state.store.get_blob(_KIND, file_id)


def describe(call: Call) -> Response:
    """``GET /files/{id}``."""
    row = call.state.store.get(_KIND, call.path_params["file_id"])
    return _missing(call) if row is None else json_response(row)


def content(call: Call) -> Response:
    """``GET /files/{id}/content``: the raw bytes."""
    body = content_of(call, call.path_params["file_id"])
    return _missing(call) if body is None else Response(body, media_type="application/octet-stream")


def delete(call: Call) -> Response:
    """``DELETE /files/{id}``."""
    file_id = call.path_params["file_id"]
    if not call.state.store.delete(_KIND, file_id):
        return _missing(call)
    call.state.store.delete_blob(_KIND, file_id)
    return json_response({"id": file_id, "object": "file", "deleted": True})


def _missing(call: Call) -> Response:
    message = f"No such File object: {call.path_params['file_id']}"
    return json_response(error_body(message, "invalid_request_error", param="id"), 404)
