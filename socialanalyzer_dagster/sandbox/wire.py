"""The one wrapper around every simulated call: body, credential, counting, faults, rate limits, latency, commit."""

import asyncio
import gzip
import inspect
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from socialanalyzer_dagster.sandbox.connection import close_connection, hold_connection
from socialanalyzer_dagster.sandbox.fault_log import TRACE_HEADER, HitRequest
from socialanalyzer_dagster.sandbox.faults import GENERIC_KINDS, HANGS, Fault
from socialanalyzer_dagster.sandbox.limits import Usage
from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.store import Json

_DROPS = 10
"""In how many pieces a dripping answer comes."""


@dataclass(frozen=True)
class Refusal:
    """Why a call is refused before any work, in words that no vendor shape knows yet.

    ``kind`` is one of bad_request, unauthorized, forbidden, not_found, method_not_allowed, rate_limited, server_error.
    ``retry_after_seconds`` is None when no Retry-After may be sent. ``usage`` is the window that was full, if one was.
    """

    status: int
    kind: str
    message: str
    retry_after_seconds: float | None = None
    usage: Usage | None = None


@dataclass(frozen=True)
class Call:
    """One request as a handler sees it, its body already unpacked."""

    state: SandboxState
    request: Request
    body: bytes
    fingerprint: str
    ordinal: int
    fault: str | None = None
    usage: list[Usage] = field(default_factory=list)

    @property
    def path_params(self) -> Mapping[str, Any]:
        """The values of the path's placeholders."""
        return self.request.path_params

    @property
    def query(self) -> Mapping[str, str]:
        """Query parameters; of a repeated one the last."""
        return self.request.query_params

    @property
    def base_url(self) -> str:
        """Where the caller reached the sandbox, without a trailing slash (from its Host header)."""
        return str(self.request.base_url).rstrip("/")

    def json(self) -> Json:
        """The body as JSON; None when it is empty; ValueError when it is not JSON."""
        return json.loads(self.body) if self.body else None

    def form(self) -> dict[str, str]:
        """A URL-encoded body as a mapping."""
        return dict(parse_qsl(self.body.decode(errors="replace"), keep_blank_values=True))


_TOO_MANY = 429
Handler = Callable[[Call], Response | Awaitable[Response]]


@dataclass(frozen=True)
class VendorWire:
    """What the wrapper must know about a vendor.

    ``authorize`` gets the call first and returns the vendor's own refusal of a bad credential, or None.
    ``refuse`` writes any ``Refusal`` in the vendor's error shape. ``rate_headers`` gives the headers that answers carry
    (windows may be an empty list: limits are off).
    """

    key: str
    prefix: str
    authorize: Callable[[Call], Response | None]
    refuse: Callable[[Call, Refusal], Response]
    rate_headers: Callable[[Call], Mapping[str, str]] | None = None


def json_response(body: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A compact JSON answer."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status_code=status, headers=dict(headers or {}), media_type="application/json")


def endpoint(
    state: SandboxState,
    vendor: VendorWire,
    *,
    operation: str,
    path: str,
    handler: Handler,
    methods: tuple[str, ...] = ("GET",),
) -> Route:
    """A route for one call of a vendor: ``path`` is below the vendor's prefix and written without a trailing slash.

    The handler (plain or async) gets a ``Call`` and returns the vendor's answer; what it wrote to bill and store is
    committed before the answer goes out.
    """
    return Route(vendor.prefix + path, _Endpoint(state, vendor, operation, handler), methods=list(methods))


class _Endpoint:
    """ASGI endpoint of one operation."""

    def __init__(self, state: SandboxState, vendor: VendorWire, operation: str, handler: Handler) -> None:
        self._state = state
        self._vendor = vendor
        self._operation = operation
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            call = await read_call(self._state, Request(scope, receive))
        except ClientDisconnect:  # the caller died while it was asking: nobody is there to be answered
            return
        self._state.calls[f"{self._vendor.key}.{self._operation}"] += 1
        refused = self._vendor.authorize(call)
        if refused is not None:
            await refused(scope, receive, send)
            return
        fault = self._state.faults.pick(
            self._vendor.key, self._operation, fingerprint=call.fingerprint, ordinal=call.ordinal
        )
        if fault is None:
            self._state.fault_log.answered(call.fingerprint)
        else:
            self._state.fault_log.add((self._vendor.key, self._operation), fault.kind, _hit(call))
            if fault.kind not in GENERIC_KINDS:
                call = replace(call, fault=fault.kind)
        answer = await self._answer(call, fault)
        self._state.store.commit()
        if answer is not None and answer.status_code == _TOO_MANY:
            self._state.throttled[f"{self._vendor.key}.{self._operation}"] += 1
        if answer is None and fault is not None and fault.kind in HANGS:
            await hold_connection(scope, receive, fault.seconds)
        elif answer is None:
            await close_connection(scope, receive)
        else:
            await answer(scope, receive, send)

    async def _answer(self, call: Call, fault: Fault | None) -> Response | None:
        """The answer to send; None when there is none: the connection hangs or is closed."""
        kind = fault.kind if fault is not None else ""
        if kind in ("closed_before", "hangs_before"):
            return None
        refusal = _refusal_of(fault)
        if refusal is not None:
            refused = self._vendor.refuse(call, refusal)
            refused.status_code = 200 if kind == "error_200" else refused.status_code
            return refused
        call = replace(call, usage=self._state.limits.take(self._vendor.key, self._operation))
        full = next((usage for usage in call.usage if usage.is_over), None)
        if full is not None:
            wait = max(1.0, full.resets_in_seconds)
            return self._vendor.refuse(call, Refusal(429, "rate_limited", "Too many requests", wait, full))
        with self._state.limits.opened(self._vendor.key) as is_served:
            if not is_served:
                return self._vendor.refuse(call, Refusal(429, "rate_limited", "Too many open requests", 1.0))
            await self._wait(fault)
            answer = await self._work(call)
        if kind in ("closed_after", "hangs_after"):
            return None
        return _damaged(answer, fault) if fault is not None else answer

    async def _wait(self, fault: Fault | None) -> None:
        seconds = self._state.limits.latency_seconds(self._vendor.key, self._operation)
        if fault is not None and fault.kind == "slow":
            seconds += fault.seconds
        if seconds > 0:
            await asyncio.sleep(seconds)

    async def _work(self, call: Call) -> Response:
        found = self._handler(call)
        answer = await found if inspect.isawaitable(found) else found
        if self._vendor.rate_headers is not None:
            for name, value in self._vendor.rate_headers(call).items():
                answer.headers.setdefault(name, value)
        return answer


async def read_call(state: SandboxState, request: Request) -> Call:
    """Read and unpack the body (gzip, deflate) and fingerprint the request by method, path, query and body."""
    body = await request.body()
    packing = request.headers.get("content-encoding", "")
    if packing == "gzip":
        body = gzip.decompress(body)
    elif packing == "deflate":
        body = zlib.decompress(body)
    digest = blake2b(f"{request.method} {request.url.path}?{request.url.query}\n".encode(), digest_size=16)
    digest.update(body)
    fingerprint = digest.hexdigest()
    return Call(state, request, body, fingerprint, state.request_ordinal(fingerprint))


def unknown_path(state: SandboxState, vendor: VendorWire, status: int = 404) -> ASGIApp:
    """The ASGI app for paths no route knows: the vendor's own 404 (or 405), counted per method and path."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        call = await read_call(state, request)
        state.unknown_paths[f"{request.method} {request.url.path}"] += 1
        kind = "not_found" if status == 404 else "method_not_allowed"
        refused = vendor.authorize(call) or vendor.refuse(call, Refusal(status, kind, "Not Found"))
        await refused(scope, receive, send)

    return answer


def _refusal_of(fault: Fault | None) -> Refusal | None:
    if fault is None:
        return None
    if fault.kind == "rate_limited":
        return Refusal(429, "rate_limited", "Too many requests", fault.seconds)
    if fault.kind == "rate_limited_bare":
        return Refusal(429, "rate_limited", "Too many requests")
    if fault.kind == "error_200":
        return Refusal(500, "server_error", "The server had an error")
    if fault.kind.startswith("error_"):
        return Refusal(int(fault.kind.removeprefix("error_")), "server_error", "The server had an error")
    if fault.kind == "unauthorized":
        return Refusal(401, "unauthorized", "The credential is not valid")
    if fault.kind == "forbidden":
        return Refusal(403, "forbidden", "The credential lacks a right")
    return None


def _damaged(answer: Response, fault: Fault) -> Response:
    if fault.kind == "truncated":
        body = bytes(answer.body)
        return Response(body[: len(body) // 2], answer.status_code, media_type=answer.headers.get("content-type"))
    if fault.kind == "malformed":
        return Response("<html><body>upstream error</body></html>", 200, media_type="application/json")
    if fault.kind == "drip":
        drops = _drops(bytes(answer.body), fault.seconds)
        return StreamingResponse(drops, answer.status_code, headers=dict(answer.headers))
    return answer


async def _drops(body: bytes, seconds: float) -> AsyncIterator[bytes]:
    size = len(body) // _DROPS + 1
    for start in range(0, len(body), size):
        yield body[start : start + size]
        await asyncio.sleep(seconds / _DROPS)


def _hit(call: Call) -> HitRequest:
    url = call.request.url
    trace = call.request.headers.get(TRACE_HEADER, "")
    target = f"{url.path}?{url.query}" if url.query else url.path
    return HitRequest(call.request.method, target, trace, call.body, call.fingerprint)
