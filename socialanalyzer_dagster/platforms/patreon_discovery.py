"""Finding Patreon creators: one actor run per search, and the reading of its creators (spec 5.3, 6.3)."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import cast

from pydantic import BaseModel, ConfigDict

from socialanalyzer_dagster.domain.creator_lists import ListRow
from socialanalyzer_dagster.domain.found_text import neutral_words
from socialanalyzer_dagster.domain.leads import AudienceKind, Candidate, CandidateKind, FoundItem, LeadRecord
from socialanalyzer_dagster.domain.link_shapes import LinkKind
from socialanalyzer_dagster.domain.links import accept, social_link
from socialanalyzer_dagster.domain.outcomes import ItemResult
from socialanalyzer_dagster.domain.outside_text import account_name, known_text
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.policy_search import Count, Positive
from socialanalyzer_dagster.domain.types import JsonObject, PlatformKey
from socialanalyzer_dagster.platforms.base import StageContext
from socialanalyzer_dagster.platforms.contact_candidates import (
    Source,
    link_candidate,
    text_candidates,
    text_email_candidates,
    text_link_candidates,
)
from socialanalyzer_dagster.platforms.enrichment_sources import apify_of, run_limits
from socialanalyzer_dagster.platforms.list_items import Account, lead_in, nobody_in
from socialanalyzer_dagster.platforms.patreon_filters import PatreonFilters
from socialanalyzer_dagster.vendors.apify_actors import PatreonSearch
from socialanalyzer_dagster.vendors.apify_items import PatreonCreator

KEY = PlatformKey("patreon")
PROVIDER = "apify"
_MOST_NAME_CHARS = 200
_HANDLE_ADDRESSES = {
    LinkKind.INSTAGRAM: "https://www.instagram.com/{}",
    LinkKind.YOUTUBE: "https://www.youtube.com/@{}",
    LinkKind.TWITTER: "https://x.com/{}",
    LinkKind.FACEBOOK: "https://www.facebook.com/{}",
    LinkKind.TIKTOK: "https://www.tiktok.com/@{}",
    LinkKind.TWITCH: "https://www.twitch.tv/{}",
}


class FixedSearch(BaseModel):
    """The parts of the request that only the policy can change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    proxy_groups: tuple[str, ...]
    max_concurrency: Positive
    max_request_retries: Count
    request_handler_timeout_seconds: Positive


async def discover(context: StageContext) -> AsyncIterator[FoundItem]:
    """Run the search actor and yield its creators in provider order; items it could not map come last."""
    filters = cast("PatreonFilters", context.filters)
    fixed = FixedSearch.model_validate(context.policy.discovery.fixed[KEY])
    search = PatreonSearch(queries=search_queries(filters), max_results=filters.max_results, **fixed.model_dump())
    job = apify_of(context).patreon(search, run_limits(context.policy.discovery.actor_seconds, context.policy))
    answer = await context.gate.run_job(job, leads=(), step="patreon_search")
    number = 0
    for creator in answer.value.items:
        number += 1
        yield found_item(number, creator, context.policy, answer.fetched_at)
    for _ in range(answer.value.unmapped):
        number += 1
        yield FoundItem(item_no=number, record=None, problem=ItemResult.MALFORMED_ITEM)


def search_queries(filters: PatreonFilters) -> tuple[str, ...]:
    """One '<keyword> <location>' per keyword, in the order of the filters (spec 6.3)."""
    return tuple(f"{neutral_words(word)} {neutral_words(filters.location)}".strip() for word in filters.search_keywords)


def found_item(number: int, creator: PatreonCreator, policy: Policy, fetched_at: datetime) -> FoundItem:
    """A lead with the links and addresses its page shows, or `no_identity`."""
    raw = cast("JsonObject", creator.model_dump(mode="json", exclude_none=True))
    handle = handle_of(creator.vanity, creator.slug, creator.url)
    campaign = known_text(creator.id, 100)
    if handle is None and campaign is None:
        return FoundItem(item_no=number, record=None, problem=ItemResult.NO_IDENTITY, raw=raw)
    address = profile_url(handle) if handle else f"https://www.patreon.com/user?u={campaign}"
    source = Source(step="discovery", provider=PROVIDER, source_url=address, fetched_at=fetched_at)
    candidates = _contacts(creator, source, policy)
    record = LeadRecord(
        platform=KEY,
        platform_id=campaign or handle or "",
        handle=handle or campaign or "",
        profile_url=address,
        display_name=known_text(creator.name or creator.creator_name, 300),
        bio=known_text(creator.about),
        links={found.field: found.value for found in reversed(candidates) if found.field in set(LinkKind)},
        audience_size=creator.patron_count,
        audience_kind=AudienceKind.PATRONS,
        paid_audience_size=creator.paid_members,
        post_count=creator.post_count,
        tier_count=creator.tier_count,
        is_nsfw=creator.is_nsfw,
    )
    aliases = tuple(name for name in (handle,) if name and name != record.platform_id)
    return FoundItem(item_no=number, record=record, candidates=tuple(candidates), aliases=aliases, raw=raw)


def from_list_row(row: ListRow, policy: Policy, read_at: datetime) -> FoundItem:
    """A lead of a creator list; what the row does not say is unknown."""
    handle = handle_of(row.handle, None, row.url)
    if handle is None:
        return nobody_in(row, wanted="the handle or address of a Patreon page")
    account = Account(
        platform=KEY,
        handle=handle,
        profile_url=profile_url(handle),
        audience_kind=AudienceKind.PATRONS,
        own=LinkKind.PATREON,
    )
    return lead_in(row, account, policy, read_at)


def handle_of(vanity: str | None, slug: str | None, url: str | None) -> str | None:
    """Lower-case vanity or slug, else the page that the address names; None when there is none of them."""
    for written in (vanity, slug):
        if (name := account_name(written, _MOST_NAME_CHARS)) is not None:
            return name
    link = social_link(url) if url else None
    return link.handle if link is not None and link.kind is LinkKind.PATREON else None


def profile_url(handle: str) -> str:
    """The canonical address of a page; odd characters are quoted by the link rules."""
    link = social_link(f"https://www.patreon.com/{handle}")
    return link.url if link is not None else f"https://www.patreon.com/{handle}"


def _contacts(creator: PatreonCreator, source: Source, policy: Policy) -> list[Candidate]:
    kind = CandidateKind.DISCOVERY
    found = text_email_candidates(creator.about, source, policy)
    for link_kind, pattern in _HANDLE_ADDRESSES.items():
        value = getattr(creator, link_kind.value)
        link = accept(link_kind, value, policy.hosts) if value else None
        if link is None and value and "/" not in value:
            link = accept(link_kind, pattern.format(value.lstrip("@")), policy.hosts)
        found += [link_candidate(link, source, kind)] if link else []
    listed = ((LinkKind.PERSONAL_WEBSITE, creator.personal_website), (LinkKind.RSS, creator.rss_url))
    for link_kind, value in listed:
        link = accept(link_kind, value, policy.hosts) if value else None
        link = link or (accept(LinkKind.LINK_AGGREGATOR, value, policy.hosts) if value else None)
        found += [link_candidate(link, source, kind)] if link else []
    found += text_link_candidates(creator.about, source, kind, policy)
    found = [one for one in found if one.field != LinkKind.PATREON]
    return found + text_candidates("name", creator.creator_name or creator.name, source, kind)
