"""The people of the simulated HubSpot account: owners that contacts are given to, the same in every world."""

from collections.abc import Mapping
from typing import Any

from socialanalyzer_dagster.sandbox.vendors.hubspot_properties import JsonObject, Problem, RefusedError, invalid

_MADE_AT = "2025-02-03T09:00:00.000Z"
_LARGEST_PAGE = 500
_PEOPLE = (
    ("70000001", "Bea", "Dee", False),
    ("70000002", "Cas", "Ember", False),
    ("70000003", "Dara", "Fenn", False),
    ("70000004", "Eli", "Garrow", False),
    ("70000005", "Fay", "Holt", False),
    ("70000006", "Gus", "Ivory", False),
    ("70000007", "Hal", "Jarrow", True),
)


def _person(owner_id: str, first: str, last: str, archived: bool) -> JsonObject:
    return {
        "id": owner_id,
        "userId": int(owner_id) - 60_000_000,
        "type": "PERSON",
        "email": f"{first}.{last}@reps.example".lower(),
        "firstName": first,
        "lastName": last,
        "archived": archived,
        "createdAt": _MADE_AT,
        "updatedAt": _MADE_AT,
        "teams": [{"id": "500", "name": "Creators", "primary": True}],
    }


OWNERS: tuple[JsonObject, ...] = tuple(_person(*row) for row in _PEOPLE)
OWNER_IDS = frozenset(owner["id"] for owner in OWNERS if not owner["archived"])


def owners_page(query: Mapping[str, str]) -> JsonObject:
    """Return the page of owners a query asks for, by `email`, `archived`, `limit` and `after` (contracts 8.1)."""
    archived = query.get("archived", "false") == "true"
    email = query.get("email", "").lower()
    found = [owner for owner in OWNERS if owner["archived"] == archived and email in {"", owner["email"]}]
    try:
        limit, after = int(query.get("limit") or 100), int(query.get("after") or 0)
    except ValueError:
        raise invalid("limit and after must be whole numbers", about="limit") from None
    if not 1 <= limit <= _LARGEST_PAGE:
        raise invalid(f"limit must be between 1 and {_LARGEST_PAGE}", about="limit")
    body: dict[str, Any] = {"results": found[after : after + limit]}
    if after + limit < len(found):
        body["paging"] = {"next": {"after": str(after + limit)}}
    return body


def owner(owner_id: str) -> JsonObject:
    """Return one owner; raises `RefusedError` 404 when there is none."""
    for person in OWNERS:
        if person["id"] == owner_id:
            return person
    raise RefusedError(404, Problem("OBJECT_NOT_FOUND", f"Owner {owner_id} does not exist"))
