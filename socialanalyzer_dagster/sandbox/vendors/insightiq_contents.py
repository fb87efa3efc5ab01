"""Content of Instagram accounts in the simulated InsightIQ: the synchronous fetch and the asynchronous one."""

from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.routing import Route

from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.vendors.insightiq_shapes import content_items, private_item
from socialanalyzer_dagster.sandbox.vendors.insightiq_wire import (
    INSTAGRAM,
    PLATFORMS,
    WIRE,
    answering,
    bad_request,
    body_object,
    not_found,
    whole_number,
    work_platform,
)
from socialanalyzer_dagster.sandbox.wire import Call, endpoint, json_response
from socialanalyzer_dagster.sandbox.world.models import InstagramCreator, Post

ITEMS_PER_FETCH = 30

_JOBS = "insightiq.contents"
_KINDS = {"REELS": "REELS", "STORY": "STORY", "IGTV": "IGTV"}


def routes(state: SandboxState) -> list[Route]:
    """Return the routes of the content calls."""
    table = (
        ("contents_fetch", "POST", "/v1/social/creators/contents/fetch", _fetch),
        ("async_contents_fetch", "POST", "/v1/social/creators/async/contents/fetch", _start),
        ("async_contents_poll", "GET", "/v1/social/creators/async/contents/fetch/{job_id}", _poll),
    )
    return [
        endpoint(state, WIRE, operation=operation, path=path, handler=answering(handler), methods=(method,))
        for operation, method, path, handler in table
    ]


def creator_of(call: Call, identifier: object, platform_id: object) -> InstagramCreator:
    """Return the account that a name or profile URL names; raises `RefusedError` 400 or 404."""
    if not isinstance(identifier, str) or not identifier.strip():
        raise bad_request("A profile name or URL is required")
    if platform_id not in PLATFORMS:
        raise bad_request("work_platform_id is required and must be a known platform")
    found = call.state.world.instagram_by_handle(_handle(identifier)) if platform_id == INSTAGRAM else None
    if found is None:
        raise not_found("The profile does not exist or is not available")
    return found


def _handle(identifier: str) -> str:
    text = identifier.strip()
    path = urlsplit(text).path if "//" in text else text
    return next((part for part in path.split("/") if part), "").removeprefix("@")


def _fetch(call: Call) -> Response:
    body = body_object(call)
    items = _items(call, body)
    call.state.bill.charge("insightiq", "contents_fetch", {"insightiq.contents_fetch": 1})
    if call.fault == "empty_contents":
        items = []
    return json_response({"data": items})


def _items(call: Call, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the content rows a request asks for; raises `RefusedError` when it is refused, and then not billed."""
    if bool(body.get("profile_url")) == bool(body.get("content_url")):
        raise bad_request("Send either profile_url or content_url")
    published = call.state.config.switches.insightiq_published_shape
    if body.get("content_url"):
        creator, post = _post_at(call, str(body["content_url"]), body.get("work_platform_id"))
        return content_items(call, creator, [post], published=published)
    creator = creator_of(call, body["profile_url"], body.get("work_platform_id"))
    wanted, offset = body.get("content_type"), body.get("offset", 0)
    if wanted is not None and wanted not in _KINDS:
        raise bad_request(f"content_type must be one of {', '.join(_KINDS)}")
    if not isinstance(offset, int) or offset < 0:
        raise bad_request("offset must be a whole number")
    if creator.is_private:
        return [private_item(call, creator, published=published)]
    posts = [post for post in call.state.world.instagram_posts(creator.handle) or () if wanted in {None, post.kind}]
    page = posts[offset : offset + ITEMS_PER_FETCH]
    _served(call).update({post.code: creator.handle for post in page})
    return content_items(call, creator, page, published=published)


def _served(call: Call) -> dict[str, str]:
    """Return the handles of the posts served so far, by short code."""
    return call.state.memory("insightiq.served_posts", dict)


def _post_at(call: Call, url: str, platform_id: object) -> tuple[InstagramCreator, Post]:
    """Return a post that was served before, or whose URL names its account: a short code alone names nobody."""
    if platform_id not in PLATFORMS:
        raise bad_request("work_platform_id is required and must be a known platform")
    parts = [part for part in urlsplit(url).path.split("/") if part]
    known = _served(call).get(parts[-1]) if parts else None
    handle = known or (parts[0] if len(parts) > 2 else "")
    creator = call.state.world.instagram_by_handle(handle) if handle else None
    for post in (call.state.world.instagram_posts(handle) or ()) if creator else ():
        if creator is not None and post.code == parts[-1]:
            return creator, post
    raise not_found("The content does not exist or is not available")


def _start(call: Call) -> Response:
    body = body_object(call)
    _items(call, body)
    job_id = call.state.mint_uuid(_JOBS, call.fingerprint)
    call.state.bill.charge("insightiq", "async_contents_fetch", {"insightiq.contents_fetch": 1}, reference=job_id)
    polls = call.state.config.switches.insightiq_export_polls
    call.state.store.put(_JOBS, job_id, {"request": body, "polls_left": polls})
    answer = {
        "id": job_id,
        "profile_url": body.get("profile_url") or "",
        "content_url": body.get("content_url") or "",
        "work_platform": work_platform(call, str(body["work_platform_id"])),
        "status": "IN_PROGRESS",
    }
    return json_response(answer, 202)


def _poll(call: Call) -> Response:
    job_id = call.path_params["job_id"]
    job = call.state.store.get(_JOBS, job_id)
    if job is None:
        raise not_found(f"There is no content job {job_id}")
    if job["polls_left"] > 0 or call.fault == "job_stuck":
        call.state.store.put(_JOBS, job_id, {**job, "polls_left": max(0, job["polls_left"] - 1)})
        return json_response({"id": job_id, "status": "IN_PROGRESS", "data": []})
    if call.fault == "job_failed":
        return json_response({"id": job_id, "status": "FAILURE", "data": []})
    limit = whole_number(call.query.get("limit"), ITEMS_PER_FETCH, "limit")
    offset = whole_number(call.query.get("offset"), 0, "offset")
    items = _items(call, job["request"])
    return json_response({"id": job_id, "status": "SUCCESS", "data": items[offset : offset + limit]})
