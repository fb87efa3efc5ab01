"""Finding Instagram creators: the paid search export and the reading of its profiles (spec 5.2, 6.2)."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import cast
from urllib.parse import quote
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from socialanalyzer_dagster.domain.creator_lists import ListRow
from socialanalyzer_dagster.domain.leads import AudienceKind, Candidate, CandidateKind, FoundItem, LeadRecord
from socialanalyzer_dagster.domain.link_shapes import Link, LinkKind
from socialanalyzer_dagster.domain.links import accept, social_link
from socialanalyzer_dagster.domain.outcomes import ItemResult
from socialanalyzer_dagster.domain.outside_text import account_name, known_text
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable
from socialanalyzer_dagster.domain.types import JsonObject, JsonValue, PlatformKey
from socialanalyzer_dagster.platforms.base import StageContext
from socialanalyzer_dagster.platforms.contact_candidates import (
    Source,
    email_candidates,
    link_candidate,
    phone_candidates,
    text_candidates,
)
from socialanalyzer_dagster.platforms.instagram_filters import InstagramFilters
from socialanalyzer_dagster.platforms.list_items import Account, lead_in, nobody_in
from socialanalyzer_dagster.vendors.insightiq import InsightIQ, Profile

KEY = PlatformKey("instagram")
PROVIDER = "insightiq"
_MOST_NAME_CHARS = 100
_AT_SIGN_FLAG = "audience_lookalike_at_sign"
_LOCAL_SHAPES = {"tiktok": "https://www.tiktok.com/@{}", "youtube": "https://www.youtube.com/@{}"}


class FixedSearch(BaseModel):
    """The parts of the request that only the policy can change (vendor-contracts 3.2)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    work_platform_id: UUID
    sort_by: Mapping[str, str]
    audience_lookalike_at_sign: bool
    specific_contact_details: tuple[Mapping[str, str], ...] = ()
    creator_language: Mapping[str, str] | None = None
    creator_locations: tuple[UUID, ...] = ()
    audience_locations: tuple[JsonObject, ...] = ()
    audience_credibility_category: tuple[str, ...] = ()


async def discover(context: StageContext) -> AsyncIterator[FoundItem]:
    """Buy one export and yield its profiles in provider order; a job already bought for the batch is resumed."""
    filters = cast("InstagramFilters", context.filters)
    body = search_body(filters, context.policy)
    job = insightiq_of(context).search_export(body)
    answer = await context.gate.run_job(job, leads=(), step="search_export")
    for number, profile in enumerate(answer.value, start=1):
        yield found_item(number, profile, context.policy, answer.fetched_at)


def insightiq_of(context: StageContext) -> InsightIQ:
    """The provider's client; raises ProviderUnavailable where none is configured."""
    if context.vendors.insightiq is None:
        raise ProviderUnavailable(PROVIDER, "not_configured")
    return context.vendors.insightiq


def search_body(filters: InstagramFilters, policy: Policy) -> JsonObject:
    """The export request: the policy's fixed part and every accepted filter (spec 6.2, I-11)."""
    fixed = policy.discovery.fixed[KEY]
    body: dict[str, JsonValue] = {key: value for key, value in fixed.items() if key != _AT_SIGN_FLAG}
    body["max_results"] = filters.max_results
    body["follower_count"] = {"min": filters.follower_count.min, "max": filters.follower_count.max}
    if filters.lookalike_username:
        at_sign = filters.lookalike_type == "creator" or bool(fixed[_AT_SIGN_FLAG])
        handle = f"{'@' if at_sign else ''}{filters.lookalike_username}"
        body[f"{filters.lookalike_type}_lookalikes"] = handle
    optional: dict[str, JsonValue] = {
        "creator_interests": list(filters.creator_interests),
        "audience_interests": list(filters.audience_interests),
        "hashtags": [{"name": tag} for tag in filters.hashtags],
        **_bio_part(filters),
    }
    return {**body, **{key: value for key, value in optional.items() if value}}


def _bio_part(filters: InstagramFilters) -> dict[str, JsonValue]:
    """A base phrase alone, or all phrases as clauses (spec 5.2)."""
    if not filters.clauses:
        return {"bio_phrase": filters.bio_phrase}
    return {"bio_phrase_advanced": [clause.model_dump(mode="json") for clause in filters.clauses]}


def found_item(number: int, profile: Profile, policy: Policy, fetched_at: datetime) -> FoundItem:
    """A lead with every contact the provider lists, or the reason why the profile is none."""
    raw = cast("JsonValue", profile.model_dump(mode="json", exclude_none=True, by_alias=True))
    handle = handle_of(profile.platform_username, profile.url)
    if handle is None:
        empty = not (profile.full_name or profile.introduction or profile.url or profile.contact_details)
        problem = ItemResult.MALFORMED_ITEM if empty else ItemResult.NO_IDENTITY
        return FoundItem(item_no=number, record=None, problem=problem, raw=raw)
    source = Source(step="discovery", provider=PROVIDER, source_url=profile_url(handle), fetched_at=fetched_at)
    candidates = _contacts(profile, source, policy)
    links = {found.field: found.value for found in reversed(candidates) if found.field in set(LinkKind)}
    record = LeadRecord(
        platform=KEY,
        platform_id=handle,
        handle=handle,
        profile_url=profile_url(handle),
        display_name=known_text(profile.full_name, 300),
        bio=known_text(profile.introduction),
        language=known_text(profile.language, 20),
        city=known_text(profile.place.city, 120),
        region=known_text(profile.place.state, 120),
        country=known_text(profile.place.country, 120),
        links=links,
        audience_size=profile.follower_count,
        audience_kind=AudienceKind.FOLLOWERS,
        engagement_rate=_rate(profile.engagement_rate),
    )
    return FoundItem(item_no=number, record=record, candidates=tuple(candidates), raw=raw)


def from_list_row(row: ListRow, policy: Policy, read_at: datetime) -> FoundItem:
    """A lead of a creator list; what the row does not say is unknown."""
    handle = handle_of(row.handle, row.url)
    if handle is None:
        return nobody_in(row, wanted="the handle or address of an Instagram profile")
    account = Account(
        platform=KEY,
        handle=handle,
        profile_url=profile_url(handle),
        audience_kind=AudienceKind.FOLLOWERS,
        own=LinkKind.INSTAGRAM,
    )
    return lead_in(row, account, policy, read_at)


def handle_of(username: str | None, url: str | None) -> str | None:
    """Lower-case user name without @, else the profile that the address names; None when there is neither."""
    if (name := account_name(username, _MOST_NAME_CHARS)) is not None:
        return name
    link = social_link(url) if url else None
    return link.handle if link is not None and link.kind is LinkKind.INSTAGRAM else None


def profile_url(handle: str) -> str:
    """The canonical address of a profile."""
    return f"https://www.instagram.com/{quote(handle, safe='@+.-_~')}"


def _rate(value: float | None) -> Decimal | None:
    return Decimal(str(value)) if value is not None and value >= 0 and value < float("inf") else None


def _contacts(profile: Profile, source: Source, policy: Policy) -> list[Candidate]:
    kind = CandidateKind.DISCOVERY
    found: list[Candidate] = []
    for detail in profile.contact_details:
        if detail.kind == "email":
            found += email_candidates([detail.value], source, kind, policy)
        elif detail.kind == "phone":
            found += phone_candidates([detail.value], source, kind)
        elif (link := _listed_link(detail.kind, detail.value, policy)) is not None:
            found.append(link_candidate(link, source, kind))
    found += text_candidates("name", profile.full_name, source, kind)
    place: Mapping[str, str | None] = {
        "city": profile.place.city,
        "region": profile.place.state,
        "country": profile.place.country,
    }
    return found + [one for name, value in place.items() for one in text_candidates(name, value, source, kind)]


def _listed_link(kind: str, value: str, policy: Policy) -> Link | None:
    """A contact detail that is a link of its own kind; a bare account name is put into its site's address."""
    wanted = {"linktree": "link_aggregator", "website": "personal_website", "x": "twitter"}.get(kind, kind)
    if wanted not in set(LinkKind):
        return None
    link = accept(LinkKind(wanted), value, policy.hosts)
    if link is None and wanted in _LOCAL_SHAPES and "/" not in value:
        link = accept(LinkKind(wanted), _LOCAL_SHAPES[wanted].format(value.strip().lstrip("@")), policy.hosts)
    return link
