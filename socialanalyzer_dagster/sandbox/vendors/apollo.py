"""The simulated Apollo: matching one person or up to ten, usage statistics, and the rate headers of its windows."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from socialanalyzer_dagster.sandbox.limits import WINDOWS, Window
from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.wire import Call, Refusal, VendorWire, endpoint, json_response
from socialanalyzer_dagster.sandbox.world.dice import token
from socialanalyzer_dagster.sandbox.world.models import Person

PLACEHOLDER_EMAIL = "email_not_unlocked@domain.com"
LARGEST_BULK = 10

_IDENTIFIERS = (
    "first_name", "last_name", "name", "email", "hashed_email", "organization_name", "domain", "id", "linkedin_url",
)  # fmt: skip
_GDPR_COUNTRIES = frozenset(
    {"Austria", "Belgium", "Denmark", "Finland", "France", "Germany", "Ireland", "Italy", "Netherlands", "Norway",
     "Poland", "Portugal", "Spain", "Sweden", "Switzerland", "United Kingdom", "Greece", "Czechia", "Hungary"}
)  # fmt: skip
_HEADER_NAMES = {
    "minute": ("x-rate-limit-minute", "x-minute-usage", "x-minute-requests-left"),
    "hour": ("x-rate-limit-hourly", "x-hourly-usage", "x-hourly-requests-left"),
    "day": ("x-rate-limit-24-hour", "x-24-hour-usage", "x-24-hour-requests-left"),
}


def routes(state: SandboxState) -> list[Route]:
    """Return the routes of the Apollo calls in use."""
    table = (
        ("people_match", "/people/match", _match),
        ("bulk_match", "/people/bulk_match", _bulk_match),
        ("usage_stats", "/usage_stats/api_usage_stats", _usage_stats),
    )
    return [
        endpoint(state, WIRE, operation=operation, path=path, handler=handler, methods=("POST",))
        for operation, path, handler in table
    ]


def _authorize(call: Call) -> Response | None:
    headers = call.request.headers
    key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
    if key and key != "invalid":
        return None
    return PlainTextResponse("Invalid access credentials.", status_code=401)


def _refuse(call: Call, refusal: Refusal) -> Response:
    if refusal.kind == "unauthorized":
        return PlainTextResponse("Invalid access credentials.", status_code=401)
    if refusal.kind == "forbidden":
        return _inaccessible(call)
    if refusal.kind == "rate_limited":
        return _throttled(call, refusal)
    return json_response({"error": refusal.message, "error_code": refusal.kind.upper()}, refusal.status)


def _inaccessible(call: Call) -> Response:
    path = call.request.url.path
    return json_response(
        {"error": f"{path} is not accessible with this api_key", "error_code": "API_INACCESSIBLE"}, 403
    )


def _throttled(call: Call, refusal: Refusal) -> Response:
    window = refusal.usage.window if refusal.usage else _windows(call)[0]
    answer = _window_answer(call, window)
    if refusal.retry_after_seconds is not None and refusal.usage is None:
        answer.headers["Retry-After"] = str(max(1, round(refusal.retry_after_seconds)))
    return answer


def _window_answer(call: Call, window: Window) -> Response:
    name = call.request.url.path.removeprefix("/apollo/").rstrip("/")
    message = f"The maximum number of api calls allowed for {name} is {window.calls} times per {window.name}."
    headers = {
        key: str(value)
        for other in _windows(call)
        for key, value in zip(_HEADER_NAMES[other.name], _figures(other, full=other.name == window.name), strict=True)
    }
    return json_response({"message": message}, 429, headers)


def _figures(window: Window, *, full: bool) -> tuple[int, int, int]:
    used = window.calls if full else 1
    return window.calls, used, window.calls - used


def _windows(call: Call) -> tuple[Window, ...]:
    operation = "bulk_match" if call.request.url.path.rstrip("/").endswith("bulk_match") else "people_match"
    return WINDOWS[f"apollo.{operation}"]


def _rate_headers(call: Call) -> Mapping[str, str]:
    used = {usage.window.name: usage.used for usage in call.usage}
    return {
        key: str(value)
        for window in _windows(call)
        for key, value in zip(
            _HEADER_NAMES[window.name],
            (window.calls, used.get(window.name, 1), window.calls - used.get(window.name, 1)),
            strict=True,
        )
    }


WIRE = VendorWire("apollo", "/apollo/api/v1", _authorize, _refuse, _rate_headers)


def _match(call: Call) -> Response:
    try:
        asked = {**call.query, **(call.json() or {})}
    except (ValueError, TypeError):
        return json_response({"error": "The body is not JSON", "error_code": "BAD_REQUEST"}, 400)
    refused = _refused(call, asked)
    if refused is not None:
        return refused
    if not any(asked.get(name) for name in _IDENTIFIERS):
        return json_response({"error": "At least one identifier is needed", "error_code": "UNPROCESSABLE"}, 422)
    person = _found(call, asked, reveals_personal=_is_true(asked.get("reveal_personal_emails")))
    if person is None:
        return json_response({} if call.state.config.switches.apollo_empty_object else {"person": None})
    call.state.bill.charge("apollo", "people_match", {"apollo.people_match": 1}, reference=str(person["id"]))
    return json_response({"person": person})


def _bulk_match(call: Call) -> Response:
    try:
        body = call.json()
    except ValueError:
        body = None
    details = body.get("details") if isinstance(body, dict) else None
    if not isinstance(details, list) or not all(isinstance(one, dict) for one in details):
        return json_response({"error": "details must be a list", "error_code": "BAD_REQUEST"}, 400)
    if not 1 <= len(details) <= LARGEST_BULK:
        return json_response({"error": f"details holds 1 to {LARGEST_BULK} people", "error_code": "UNPROCESSABLE"}, 422)
    refused = _refused(call, call.query)
    if refused is not None:
        return refused
    reveals = _is_true(call.query.get("reveal_personal_emails"))
    matches = [_found(call, one, reveals_personal=reveals) for one in details]
    found = len({person["id"] for person in matches if person is not None})
    if found:
        call.state.bill.charge("apollo", "bulk_match", {"apollo.people_match": found})
    answer = {
        "status": "success",
        "error_code": None,
        "error_message": None,
        "total_requested_enrichments": len(details),
        "unique_enriched_records": found,
        "missing_records": matches.count(None),
        "credits_consumed": found,
        "matches": matches,
    }
    return json_response(answer)


def _refused(call: Call, asked: Mapping[str, Any]) -> Response | None:
    if call.fault in {"hour_limit", "day_limit"}:
        name = call.fault.removesuffix("_limit")
        return _window_answer(call, next(window for window in _windows(call) if window.name == name))
    if _is_true(asked.get("reveal_phone_number")) and not asked.get("webhook_url"):
        message = "webhook_url is needed when reveal_phone_number is true"
        return json_response({"error": message, "error_code": "BAD_REQUEST"}, 400)
    return None


def _is_true(value: object) -> bool:
    return value is True or str(value).lower() == "true"


def _found(call: Call, asked: Mapping[str, Any], *, reveals_personal: bool) -> dict[str, Any] | None:
    if call.fault == "no_match":
        return None
    full_name = " ".join(str(asked[part]) for part in ("first_name", "last_name") if asked.get(part))
    person = call.state.world.person(
        domain=_bare_domain(asked.get("domain")),
        name=asked.get("name") or full_name or None,
        linkedin_url=asked.get("linkedin_url") or None,
        email=asked.get("email") or None,
    )
    if person is None:
        return None
    return _body(person, reveals_personal=reveals_personal, locked=call.fault == "placeholder_email")


def _bare_domain(value: object) -> str | None:
    if not value:
        return None
    text = str(value).strip().lower()
    host = urlsplit(text).hostname if "//" in text else text.split("/")[0]
    return (host or "").removeprefix("www.") or None


def _body(person: Person, *, reveals_personal: bool, locked: bool) -> dict[str, Any]:
    shows_personal = reveals_personal and person.personal_email and person.country not in _GDPR_COUNTRIES
    organization_id = token(24, "apollo organization", person.domain)
    return {
        "id": person.id,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "name": f"{person.first_name} {person.last_name}",
        "linkedin_url": person.linkedin_url,
        "title": person.title,
        "email": PLACEHOLDER_EMAIL if locked else person.email,
        "email_status": "verified" if person.email and not locked else None,
        "photo_url": None,
        "twitter_url": None,
        "github_url": None,
        "facebook_url": None,
        "headline": f"{person.title} at {person.organization}",
        "organization_id": organization_id,
        "employment_history": [],
        "city": person.city,
        "state": person.state,
        "country": person.country,
        "seniority": "founder" if "founder" in person.title.lower() else "owner",
        "departments": [],
        "subdepartments": [],
        "functions": [],
        "personal_emails": [person.personal_email] if shows_personal and not locked else [],
        "phone_numbers": [{"raw_number": person.phone}] if person.phone and not locked else [],
        "organization": {
            "id": organization_id,
            "name": person.organization,
            "website_url": f"https://www.{person.domain}",
            "primary_domain": person.domain,
        },
    }


def _usage_stats(call: Call) -> Response:
    if call.request.headers.get("x-api-key") == "limited":
        return _inaccessible(call)
    body = {}
    for operation, name in (("people_match", "match"), ("bulk_match", "bulk_match")):
        used = call.state.calls[f"apollo.{operation}"]
        windows = WINDOWS[f"apollo.{operation}"]
        body[f'["api/v1/people", "{name}"]'] = {
            window.name: {"limit": window.calls, "consumed": used, "left_over": max(0, window.calls - used)}
            for window in windows
        }
    return json_response(body)
