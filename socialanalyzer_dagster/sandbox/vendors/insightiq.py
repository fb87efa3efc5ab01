"""The simulated InsightIQ: creator search, search exports with polling and paging, profiles and contact details."""

from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from socialanalyzer_dagster.sandbox.injections import with_injections
from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.vendors import insightiq_contents, insightiq_webhooks
from socialanalyzer_dagster.sandbox.vendors.insightiq_contents import creator_of
from socialanalyzer_dagster.sandbox.vendors.insightiq_filters import found_creators
from socialanalyzer_dagster.sandbox.vendors.insightiq_shapes import (
    basic_profile,
    contact_details,
    export_profile,
    search_profile,
    without_nulls,
)
from socialanalyzer_dagster.sandbox.vendors.insightiq_wire import (
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

FIRST_REFUSED_RESULT = 500

_EXPORTS = "insightiq.export"
_LARGEST_PAGE = 100
_SEARCH_PAGE = 10
_KEPT = {"job_failed": 0.0, "job_cut_short": 0.5}
"""The part of its profiles that a job which fails has found until then."""
_CREATORS = "/v1/social/creators"


def routes(state: SandboxState) -> list[Route]:
    """Return the routes of all InsightIQ calls."""
    table = (
        ("search_export", "POST", f"{_CREATORS}/profiles/search-export", _export),
        ("search_export_poll", "GET", f"{_CREATORS}/profiles/search-export/{{job_id}}", _export_page),
        ("search", "POST", f"{_CREATORS}/profiles/search", _search),
        ("profile", "GET", f"{_CREATORS}/profiles", _profile),
        ("contact_info", "POST", f"{_CREATORS}/profiles/contact-info", _contact_info),
        ("work_platforms", "GET", "/v1/work-platforms", _platforms),
        ("work_platform", "GET", "/v1/work-platforms/{platform_id}", _platform),
    )
    made = [
        endpoint(state, WIRE, operation=operation, path=path, handler=answering(handler), methods=(method,))
        for operation, method, path, handler in table
    ]
    return made + insightiq_contents.routes(state) + insightiq_webhooks.routes(state)


def _export(call: Call) -> Response:
    body = body_object(call)
    count = body.get("max_results")
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise bad_request("max_results is required and must be a whole number above 0")
    found = found_creators(call.state.world, body, count)
    found = found[: int(len(found) * _KEPT.get(call.fault or "", 1))]
    job_id = call.state.mint_uuid(_EXPORTS, call.fingerprint)
    job = {
        "platform": body["work_platform_id"],
        "found": [creator.index for creator in found],
        "polls_left": call.state.config.switches.insightiq_export_polls,
        "end": "FAILED" if call.fault in _KEPT else "SUCCESS",
    }
    if found:
        call.state.bill.charge("insightiq", "search_export", {"insightiq.search_export": len(found)}, reference=job_id)
    call.state.store.put(_EXPORTS, job_id, job)
    answer = {
        "id": job_id,
        "filters": body,
        "status": "IN_PROGRESS",
        "work_platform": work_platform(call, body["work_platform_id"]),
    }
    return json_response(answer, 202)


def _export_page(call: Call) -> Response:
    job_id = call.path_params["job_id"]
    job = call.state.store.get(_EXPORTS, job_id)
    if job is None:
        raise not_found(f"There is no search export {job_id}")
    if call.fault == "job_stuck":
        return json_response({"id": job_id, "status": "IN_PROGRESS", "data": []})
    if job["polls_left"] > 0:
        job["polls_left"] -= 1
        call.state.store.put(_EXPORTS, job_id, job)
        return json_response({"id": job_id, "status": "IN_PROGRESS", "data": []})
    published = call.state.config.switches.insightiq_published_shape
    page = _page(call, job_id, [] if call.fault == "job_failed" else job["found"], published=published)
    if job["end"] == "FAILED" or call.fault == "job_failed":
        failed = {**page, "status": "FAILURE" if published else "FAILED"}
        return json_response(failed if published else {**failed, "error": "The search could not be completed"})
    return json_response(page)


def _page(call: Call, job_id: str, found: list[int], *, published: bool) -> dict[str, Any]:
    limit = min(whole_number(call.query.get("limit"), _LARGEST_PAGE, "limit"), _LARGEST_PAGE)
    offset = whole_number(call.query.get("offset"), 0, "offset")
    start = max(0, offset - limit) if call.fault == "repeated_page" else offset
    page = found[start : start + limit]
    if call.fault == "short_page":
        page = page[: (len(page) + 1) // 2]
    total = len(found) + (limit if call.fault == "total_changes" else 0)
    figures = {"total_results": total, "limit": limit, "offset": offset}
    creators = [call.state.world.instagram(index) for index in page]
    data = [export_profile(call, creator, published=published, page=figures) for creator in creators]
    if call.fault == "injected_bio":
        data = with_injections(data)
    body: dict[str, Any] = {"id": job_id, "status": "SUCCESS", "data": data}
    return body if published else {**body, "metadata": figures}


def _search(call: Call) -> Response:
    body = body_object(call)
    limit, offset = body.get("limit", _SEARCH_PAGE), body.get("offset", 0)
    if not isinstance(limit, int) or not isinstance(offset, int) or limit < 1 or offset < 0:
        raise bad_request("limit and offset must be whole numbers")
    if limit + offset >= FIRST_REFUSED_RESULT or limit > _LARGEST_PAGE:
        raise bad_request(f"limit is at most {_LARGEST_PAGE}, limit + offset must stay below {FIRST_REFUSED_RESULT}")
    page = found_creators(call.state.world, body, offset + limit)[offset:]
    if page:
        call.state.bill.charge("insightiq", "search", {"insightiq.search": len(page)})
    data = [search_profile(call, creator) for creator in page]
    return json_response({"data": data, "metadata": {"offset": offset, "limit": limit}})


def _profile(call: Call) -> Response:
    creator = creator_of(call, call.query.get("identifier"), call.query.get("work_platform_id"))
    call.state.bill.charge("insightiq", "profile", {"insightiq.profile": 1})
    return json_response(basic_profile(call, creator))


def _contact_info(call: Call) -> Response:
    body = body_object(call)
    creator = creator_of(call, body.get("identifier"), body.get("work_platform_id"))
    call.state.bill.charge("insightiq", "contact_info", {"insightiq.contact_info": 1})
    profile = basic_profile(call, creator)
    names = ("platform_username", "url", "external_id", "platform_profile_id", "follower_count")
    answer = {
        "work_platform": profile["work_platform"],
        "profile": without_nulls({name: profile[name] for name in names}),
        "contact_details": contact_details(creator),
    }
    return json_response(answer)


def _platforms(call: Call) -> Response:
    limit, offset = (
        whole_number(call.query.get("limit"), 10, "limit"),
        whole_number(call.query.get("offset"), 0, "offset"),
    )
    if not 1 <= limit <= _LARGEST_PAGE:
        raise bad_request(f"limit must be between 1 and {_LARGEST_PAGE}")
    name = call.query.get("name", "").lower()
    found = [platform_id for platform_id, title in PLATFORMS.items() if name in title.lower()]
    data = [_platform_body(call, platform_id) for platform_id in found[offset : offset + limit]]
    metadata = {"offset": offset, "limit": limit, "from_date": None, "to_date": None}
    return json_response({"data": data, "metadata": metadata})


def _platform(call: Call) -> Response:
    platform_id = call.path_params["platform_id"]
    if platform_id not in PLATFORMS:
        raise not_found(f"There is no work platform {platform_id}")
    return json_response(_platform_body(call, platform_id))


def _platform_body(call: Call, platform_id: str) -> dict[str, Any]:
    no, yes = {"is_supported": False}, {"is_supported": True}
    identity = {"is_supported": True, "audience": {"is_supported": True}}
    products = {
        "identity": identity, "engagement": identity, "income": no, "switch": no, "activity": no, "publish": yes,
    }  # fmt: skip
    return {
        **work_platform(call, platform_id),
        "created_at": "2021-06-01T00:00:00.000000",
        "updated_at": "2026-01-01T00:00:00.000000",
        "category": "SOCIAL",
        "status": "ACTIVE",
        "url": f"https://www.{PLATFORMS[platform_id].lower()}.com",
        "products": products,
    }
