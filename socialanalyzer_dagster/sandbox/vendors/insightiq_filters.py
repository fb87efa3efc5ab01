"""Reading InsightIQ's search filters into a query of the world; a filter it has no data for is refused."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, cast

from socialanalyzer_dagster.sandbox.vendors.insightiq_wire import INSTAGRAM, PLATFORMS, USA, bad_request
from socialanalyzer_dagster.sandbox.world.models import InstagramCreator
from socialanalyzer_dagster.sandbox.world.queries import BioClause, InstagramQuery
from socialanalyzer_dagster.sandbox.world.world import World

MOST_CLAUSES = 14
NOT_ACCEPTED_INTERESTS = frozenset({"Home Decor, Furniture & Garden", "Friends, Family & Relationships"})
CREDIBILITY = ("BAD", "LOW", "NORMAL", "HIGH", "EXCELLENT")
ACCOUNT_TYPES = ("PERSONAL", "BUSINESS", "CREATOR")

_SORT_FIELDS: Mapping[str, Callable[[InstagramCreator], float]] = {
    "FOLLOWER_COUNT": lambda creator: creator.follower_count,
    "ENGAGEMENT_RATE": lambda creator: creator.engagement_rate,
    "AVERAGE_LIKES": lambda creator: creator.average_likes,
    "AVERAGE_VIEWS": lambda creator: creator.average_views,
    "CONTENT_COUNT": lambda creator: creator.post_count,
}
_RANGES: Mapping[str, Callable[[InstagramCreator], float]] = {
    "content_count": lambda creator: creator.post_count,
    "average_likes": lambda creator: creator.average_likes,
    "average_views": lambda creator: creator.average_views,
}
_ELSEWHERE = frozenset({"work_platform_id", "sort_by", "max_results", "limit", "offset", "subscriber_count"})
_READ = frozenset(
    {
        "follower_count", "creator_interests", "audience_interests", "hashtags", "bio_phrase", "bio_phrase_advanced",
        "creator_lookalikes", "audience_lookalikes", "specific_contact_details", "has_contact_details",
        "creator_language", "creator_locations", "audience_locations", "audience_credibility_category",
        "creator_account_type", "is_verified", "engagement_rate", "creator_gender", *_RANGES,
    }
)  # fmt: skip


def found_creators(world: World, body: Mapping[str, Any], count: int) -> list[InstagramCreator]:
    """Return up to `count` creators that fit, in the order asked for; raises `RefusedError` for bad filters."""
    _check_frame(body)
    query = _query(body)
    extra = _extra_tests(body)
    if body["work_platform_id"] != INSTAGRAM:
        return []
    matches: Iterator[InstagramCreator] = world.search_instagram(query)
    found = list(islice((one for one in matches if all(test(one) for test in extra)), count))
    field = body["sort_by"]["field"]
    if field != "FOLLOWER_COUNT":
        found.sort(key=_SORT_FIELDS[field], reverse=True)
    return found


def _check_frame(body: Mapping[str, Any]) -> None:
    if body.get("work_platform_id") not in PLATFORMS:
        raise bad_request("work_platform_id is required and must be a known platform")
    sort = body.get("sort_by")
    if not isinstance(sort, dict) or sort.get("order") != "DESCENDING":
        raise bad_request("sort_by is required, with the order DESCENDING")
    if sort.get("field") not in _SORT_FIELDS:
        raise bad_request(f"sort_by.field must be one of {', '.join(_SORT_FIELDS)}")
    unknown = sorted(set(body) - _ELSEWHERE - _READ)
    if unknown:
        raise bad_request(f"These filters are not known here: {', '.join(unknown)}")
    for name in ("subscriber_count", "follower_count", *_RANGES):
        _range(body, name)


def _query(body: Mapping[str, Any]) -> InstagramQuery:
    low, high = _range(body, "follower_count")
    language = body.get("creator_language")
    return InstagramQuery(
        follower_min=low,
        follower_max=high,
        interests=_interests(body, "creator_interests"),
        audience_interests=_interests(body, "audience_interests"),
        hashtags=_hashtags(body),
        clauses=_clauses(body),
        lookalike=_lookalike(body),
        requires_email=_requires_email(body),
        language=None if language is None else str(_object(language, "creator_language").get("code")),
        country_code=_country(body),
        audience_usa_above=_usa_share(body),
        credibility=_chosen(body, "audience_credibility_category", CREDIBILITY),
        account_types=_chosen(body, "creator_account_type", ACCOUNT_TYPES),
    )


def _extra_tests(body: Mapping[str, Any]) -> list[Callable[[InstagramCreator], bool]]:
    tests: list[Callable[[InstagramCreator], bool]] = []
    for name, value_of in _RANGES.items():
        low, high = _range(body, name)
        if low is not None or high is not None:
            tests.append(_within(value_of, low or 0, float("inf") if high is None else high))
    if body.get("is_verified") is not None:
        wanted = bool(body["is_verified"])
        tests.append(lambda creator: creator.is_verified == wanted)
    if body.get("engagement_rate") is not None:
        share = _percent(_object(body["engagement_rate"], "engagement_rate").get("percentage_value"))
        tests.append(lambda creator: creator.engagement_rate * 100 >= share)
    if body.get("creator_gender") not in {None, "ANY"}:
        gender = str(body["creator_gender"])
        tests.append(lambda creator: creator.gender is not None and creator.gender in gender.split("_OR_"))
    return tests


def _within(
    value_of: Callable[[InstagramCreator], float], low: float, high: float
) -> Callable[[InstagramCreator], bool]:
    return lambda creator: low <= value_of(creator) <= high


def _object(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise bad_request(f"{name} must be an object")
    return value


def _list(body: Mapping[str, Any], name: str) -> list[Any]:
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise bad_request(f"{name} must be a list")
    return value


def _range(body: Mapping[str, Any], name: str) -> tuple[int | None, int | None]:
    if body.get(name) is None:
        return None, None
    bounds = _object(body[name], name)
    low, high = bounds.get("min"), bounds.get("max")
    for bound in (low, high):
        if bound is not None and (not isinstance(bound, int) or isinstance(bound, bool)):
            raise bad_request(f"{name} takes whole numbers")
    if low is not None and high is not None and low > high:
        raise bad_request(f"{name}.min is above {name}.max")
    return low, high


def _percent(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        raise bad_request("percentage_value must be a number") from None


def _interests(body: Mapping[str, Any], name: str) -> tuple[str, ...]:
    values = tuple(str(value) for value in _list(body, name))
    refused = NOT_ACCEPTED_INTERESTS.intersection(values)
    if refused:
        raise bad_request(f"{name} does not take {', '.join(sorted(refused))}")
    return values


def _hashtags(body: Mapping[str, Any]) -> tuple[str, ...]:
    names = tuple(str(_object(entry, "hashtags").get("name") or "") for entry in _list(body, "hashtags"))
    if any(not name or name.startswith("#") for name in names):
        raise bad_request("hashtags are objects with a name, written without #")
    return names


def _clauses(body: Mapping[str, Any]) -> tuple[BioClause, ...]:
    advanced = _list(body, "bio_phrase_advanced")
    if body.get("bio_phrase") and advanced:
        raise bad_request("Send bio_phrase or bio_phrase_advanced, not both")
    if len(advanced) > MOST_CLAUSES:
        raise bad_request(f"bio_phrase_advanced takes at most {MOST_CLAUSES} phrases")
    if body.get("bio_phrase"):
        return (BioClause(str(body["bio_phrase"]), "AND"),)
    return tuple(_clause(_object(entry, "bio_phrase_advanced")) for entry in advanced)


def _clause(entry: Mapping[str, Any]) -> BioClause:
    phrase, action = entry.get("bio_phrase"), entry.get("action")
    if not phrase or action not in {"AND", "OR", "NOT"}:
        raise bad_request("bio_phrase_advanced holds objects with bio_phrase and action AND, OR or NOT")
    return BioClause(str(phrase), cast(Any, action))


def _lookalike(body: Mapping[str, Any]) -> str | None:
    handle = body.get("creator_lookalikes") or body.get("audience_lookalikes")
    return str(handle).removeprefix("@") if handle else None


def _requires_email(body: Mapping[str, Any]) -> bool:
    if body.get("has_contact_details"):
        return True
    wanted = [_object(entry, "specific_contact_details") for entry in _list(body, "specific_contact_details")]
    return any(entry.get("type") == "EMAIL" and entry.get("preference") == "MUST_HAVE" for entry in wanted)


def _country(body: Mapping[str, Any]) -> str | None:
    """Return the country of the only location the world's dictionary knows; any other finds nobody."""
    places = _list(body, "creator_locations")
    if not places:
        return None
    return "US" if USA in places else "-"


def _usa_share(body: Mapping[str, Any]) -> float | None:
    for entry in _list(body, "audience_locations"):
        share = _object(entry, "audience_locations")
        if share.get("operator", "GT") != "GT":
            raise bad_request("audience_locations.operator must be GT")
        if share.get("location_id") == USA:
            return _percent(share.get("percentage_value"))
    return None


def _chosen(body: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    values = tuple(str(value) for value in _list(body, name))
    if not set(values) <= set(allowed):
        raise bad_request(f"{name} takes {', '.join(allowed)}")
    return values
