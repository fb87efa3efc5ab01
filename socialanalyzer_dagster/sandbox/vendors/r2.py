"""The simulated Cloudflare R2: path-style object calls of the S3 API; any bucket but `no-such-bucket` exists."""

import hashlib
import re
from collections.abc import Mapping
from email.utils import format_datetime
from typing import Any
from urllib.parse import unquote
from xml.sax.saxutils import escape

from starlette.responses import Response
from starlette.routing import Route

from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.vendors.r2_listing import listing_xml
from socialanalyzer_dagster.sandbox.wire import Call, Refusal, VendorWire, endpoint
from socialanalyzer_dagster.sandbox.world.dice import token

MISSING_BUCKET = "no-such-bucket"
LONGEST_PRESIGN_SECONDS = 604_800

_CODES = {
    "unauthorized": "SignatureDoesNotMatch",
    "forbidden": "AccessDenied",
    "method_not_allowed": "MethodNotAllowed",
}
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_CHUNK_HEAD = re.compile(rb"([0-9a-fA-F]+)(?:;[^\r\n]*)?\r\n")
_KEPT_HEADERS = ("content-type", "cache-control", "content-disposition", "content-language")


def routes(state: SandboxState) -> list[Route]:
    """Return the routes of the object and bucket calls; storage is free here (spec 12.3), so nothing is billed."""
    one = "/{bucket}/{key:path}"
    return [
        endpoint(state, WIRE, operation="head_bucket", path="/{bucket}", handler=_bucket, methods=("HEAD",)),
        endpoint(state, WIRE, operation="list_objects", path="/{bucket}", handler=_list),
        endpoint(state, WIRE, operation="head_object", path=one, handler=_get, methods=("HEAD",)),
        endpoint(state, WIRE, operation="get_object", path=one, handler=_get),
        endpoint(state, WIRE, operation="put_object", path=one, handler=_put, methods=("PUT",)),
        endpoint(state, WIRE, operation="delete_object", path=one, handler=_delete, methods=("DELETE",)),
    ]


def _error(call: Call, status: int, code: str, message: str) -> Response:
    if call.request.method == "HEAD":
        return Response(status_code=status)
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{escape(message)}</Message>"
        f"<RequestId>{token(16, call.fingerprint, call.ordinal).upper()}</RequestId></Error>"
    )
    return Response(text, status_code=status, media_type="application/xml")


def _authorize(call: Call) -> Response | None:
    header, query = call.request.headers.get("authorization", ""), call.query
    if header.startswith("AWS4-HMAC-SHA256") and "Signature=" in header:
        credential = header.partition("Credential=")[2].partition("/")[0]
    elif "X-Amz-Signature" in query:
        credential = query.get("X-Amz-Credential", "").partition("/")[0]
        if int(query.get("X-Amz-Expires", "0") or 0) > LONGEST_PRESIGN_SECONDS:
            return _error(call, 400, "AuthorizationQueryParametersError", "X-Amz-Expires must be less than a week")
    else:
        return _error(call, 403, "AccessDenied", "Access Denied")
    if credential == "invalid":
        return _error(call, 403, "InvalidAccessKeyId", "The access key does not exist")
    return None


def _refuse(call: Call, refusal: Refusal) -> Response:
    if refusal.kind == "rate_limited" or refusal.status == 503:
        answer = _error(call, refusal.status, "SlowDown", "Reduce your request rate")
        if refusal.retry_after_seconds is not None:
            answer.headers["Retry-After"] = str(max(1, round(refusal.retry_after_seconds)))
        return answer
    default = "NoSuchKey" if refusal.kind == "not_found" else "InternalError"
    status = 403 if refusal.kind == "unauthorized" else refusal.status
    return _error(call, status, _CODES.get(refusal.kind, default), refusal.message)


WIRE = VendorWire("r2", "/r2", _authorize, _refuse)


def _place(call: Call) -> tuple[str, str]:
    """Return the storage kind of the bucket and the object's key."""
    return f"r2:{call.path_params['bucket']}", unquote(str(call.path_params.get("key", "")))


def _bucket(call: Call) -> Response:
    missing = _missing_bucket(call)
    return missing if missing is not None else Response(status_code=200)


def _missing_bucket(call: Call) -> Response | None:
    if call.path_params["bucket"] == MISSING_BUCKET:
        return _error(call, 404, "NoSuchBucket", "The specified bucket does not exist")
    return None


def _put(call: Call) -> Response:
    missing = _missing_bucket(call)
    if missing is not None:
        return missing
    kind, key = _place(call)
    headers, store = call.request.headers, call.state.store
    if headers.get("if-none-match") == "*" and store.get(kind, key) is not None:
        message = "At least one of the pre-conditions you specified did not hold."
        return _error(call, 412, "PreconditionFailed", message)
    body = _unchunked(call)
    meta = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
    meta |= {name: value for name, value in headers.items() if name.startswith("x-amz-meta-")}
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
    row = {"etag": etag, "size": len(body), "modified": call.state.clock.iso(), "headers": meta}
    store.put(kind, key, row)
    store.put_blob(kind, key, body)
    answer = {"ETag": f'"{etag}"'}
    answer |= {name: headers[name] for name in headers if name.startswith("x-amz-checksum-")}
    return Response(status_code=200, headers=answer)


def _unchunked(call: Call) -> bytes:
    """Return the object's bytes; an `aws-chunked` body is a row of sized chunks and, at the end, trailers."""
    headers = call.request.headers
    is_chunked = "aws-chunked" in headers.get("content-encoding", "")
    if not is_chunked and not headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
        return call.body
    found, position = bytearray(), 0
    while (head := _CHUNK_HEAD.match(call.body, position)) is not None:
        size = int(head.group(1), 16)
        if size == 0:
            break
        found += call.body[head.end() : head.end() + size]
        position = head.end() + size + len(b"\r\n")
    return bytes(found)


def _get(call: Call) -> Response:
    missing = _missing_bucket(call)
    if missing is not None:
        return missing
    kind, key = _place(call)
    row = call.state.store.get(kind, key)
    body = call.state.store.get_blob(kind, key)
    if row is None or body is None:
        return _error(call, 404, "NoSuchKey", "The specified key does not exist.")
    headers = _object_headers(call, row)
    if headers["ETag"] == call.request.headers.get("if-none-match"):
        return Response(status_code=304, headers=headers)
    wanted = call.request.headers.get("range")
    if wanted:
        return _part(call, body, wanted, headers)
    if call.request.method == "HEAD":
        return Response(status_code=200, headers={**headers, "Content-Length": str(row["size"])})
    return Response(body, headers=headers)


def _object_headers(call: Call, row: Mapping[str, Any]) -> dict[str, str]:
    modified = call.state.clock.now().fromisoformat(row["modified"])
    return {
        "content-type": "binary/octet-stream",
        **row["headers"],
        "ETag": f'"{row["etag"]}"',
        "Last-Modified": format_datetime(modified, usegmt=True),
        "Accept-Ranges": "bytes",
    }


def _part(call: Call, body: bytes, wanted: str, headers: Mapping[str, str]) -> Response:
    match = _RANGE.fullmatch(wanted)
    if match is None or match.groups() == ("", ""):
        return _error(call, 416, "InvalidRange", "The requested range is not satisfiable")
    first, last = match.groups()
    start = int(first) if first else max(0, len(body) - int(last))
    end = min(int(last), len(body) - 1) if first and last else len(body) - 1
    if start > end:
        return _error(call, 416, "InvalidRange", "The requested range is not satisfiable")
    part_headers = {**headers, "Content-Range": f"bytes {start}-{end}/{len(body)}"}
    return Response(body[start : end + 1], status_code=206, headers=part_headers)


def _delete(call: Call) -> Response:
    missing = _missing_bucket(call)
    if missing is not None:
        return missing
    kind, key = _place(call)
    call.state.store.delete(kind, key)
    call.state.store.delete_blob(kind, key)
    return Response(status_code=204)


def _list(call: Call) -> Response:
    missing = _missing_bucket(call)
    if missing is not None:
        return missing
    kind, _key = _place(call)
    try:
        text = listing_xml(call.path_params["bucket"], list(call.state.store.items(kind)), call.query)
    except ValueError as problem:
        return _error(call, 400, "InvalidArgument", str(problem))
    return Response(text, media_type="application/xml")
