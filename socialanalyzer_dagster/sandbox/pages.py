"""The world's web and media as HTTP: pages through a forward-proxy-like path, media behind expiring addresses."""

from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from socialanalyzer_dagster.sandbox.media import is_signature_valid, media_file
from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.wire import Call, Refusal, VendorWire, endpoint

_PRIVATE_ADDRESS = "http://169.254.169.254/latest/meta-data/"
_VERY_LARGE_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 256 * 1024


def _open_to_all(call: Call) -> Response | None:
    return None


def _refuse(call: Call, refusal: Refusal) -> Response:
    headers: dict[str, Any] = {}
    if refusal.retry_after_seconds is not None:
        headers["Retry-After"] = str(max(1, round(refusal.retry_after_seconds)))
    return PlainTextResponse(refusal.message, refusal.status, headers)


WEB = VendorWire(key="web", prefix="/web", authorize=_open_to_all, refuse=_refuse)
MEDIA = VendorWire(key="media", prefix="/media", authorize=_open_to_all, refuse=_refuse)


def web_routes(state: SandboxState) -> list[Route]:
    """``GET /web/<scheme>/<host>/<path>`` answers as that page of the world would, redirects with real addresses."""
    return [
        endpoint(state, WEB, operation="page", path="/{scheme}/{host}", handler=_page),
        endpoint(state, WEB, operation="page", path="/{scheme}/{host}/{path:path}", handler=_page),
    ]


def media_routes(state: SandboxState) -> list[Route]:
    """``GET /media/...?expires=&signature=`` gives generated files: 403 when expired or unsigned, 404 when unknown."""
    return [endpoint(state, MEDIA, operation="media", path="/{path:path}", handler=_media)]


def _page(call: Call) -> Response:
    scheme, host = call.path_params["scheme"], call.path_params["host"]
    if scheme not in ("http", "https"):
        return PlainTextResponse("Bad scheme", 400)
    if call.fault == "private_redirect":
        return RedirectResponse(_PRIVATE_ADDRESS, 302)
    found = call.state.world.page(f"{scheme}://{host}/{call.path_params.get('path', '')}")
    if found.location is not None:
        return Response(status_code=found.status, headers={"Location": found.location})
    return Response(found.body, found.status, headers={"Content-Type": found.content_type})


def _media(call: Call) -> Response:
    path = call.request.url.path
    expires, signature = call.query.get("expires", ""), call.query.get("signature", "")
    if not is_signature_valid(path, seed=call.state.config.seed, expires=expires, signature=signature):
        return PlainTextResponse("Bad URL hash", 403)
    if call.fault == "expired_media" or int(expires) < call.state.clock.timestamp():
        return PlainTextResponse("URL signature expired", 403)
    found = media_file(call.state.world, path)
    if found is None:
        return PlainTextResponse("Not Found", 404)
    if call.fault == "private_redirect":
        return RedirectResponse(_PRIVATE_ADDRESS, 302)
    if call.fault == "very_large":
        return StreamingResponse(_endless(_VERY_LARGE_BYTES), media_type=found[1])
    content_type = "text/html" if call.fault == "wrong_content_type" else found[1]
    return Response(found[0], media_type=content_type, headers={"Cache-Control": "private, max-age=3600"})


async def _endless(total: int) -> AsyncIterator[bytes]:
    for _ in range(total // _CHUNK_BYTES):
        yield b"\0" * _CHUNK_BYTES
