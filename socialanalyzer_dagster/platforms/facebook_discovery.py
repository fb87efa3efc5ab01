"""Finding Facebook groups in web search results alone: no Facebook page is fetched, no login is used (spec 6.4)."""

import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import cast

from pydantic import BaseModel, ConfigDict

from socialanalyzer_dagster.domain.creator_lists import ListRow
from socialanalyzer_dagster.domain.found_text import members_in, neutral_words, posts_per_month_in, visibility_in
from socialanalyzer_dagster.domain.leads import AudienceKind, CandidateKind, FoundItem, LeadRecord
from socialanalyzer_dagster.domain.link_shapes import LinkKind
from socialanalyzer_dagster.domain.links import group_link
from socialanalyzer_dagster.domain.outcomes import ItemResult
from socialanalyzer_dagster.domain.outside_text import known_text, one_line
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.policy_search import Positive
from socialanalyzer_dagster.domain.types import JsonValue, PlatformKey
from socialanalyzer_dagster.platforms.base import StageContext
from socialanalyzer_dagster.platforms.contact_candidates import Source, text_email_candidates, text_link_candidates
from socialanalyzer_dagster.platforms.enrichment_sources import apify_of, run_limits
from socialanalyzer_dagster.platforms.facebook_filters import FacebookFilters
from socialanalyzer_dagster.platforms.list_items import links_of, list_candidates, nobody_in, raw_row
from socialanalyzer_dagster.vendors.apify_actors import GoogleSearch
from socialanalyzer_dagster.vendors.apify_items import GoogleResult

KEY = PlatformKey("facebook")
MAX_DESCRIPTION_CHARS = 2000
_SITE = "site:facebook.com/groups"
_SITE_NAME = re.compile(r"\s*[|\-–·]\s*Facebook\s*$", re.IGNORECASE)


class FixedSearch(BaseModel):
    """The parts of the request that only the policy can change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pages_per_query: Positive
    results_per_page: Positive
    country_code: str
    language_code: str


async def discover(context: StageContext) -> AsyncIterator[FoundItem]:
    """Search once for all keywords and yield every organic result in the order of queries, pages and positions.

    A result that is no group is `no_identity`; the same group found again is for the caller to merge.
    """
    filters = cast("FacebookFilters", context.filters)
    queries = search_queries(filters)
    fixed = FixedSearch.model_validate(context.policy.discovery.fixed[KEY])
    search = GoogleSearch(queries=queries, **fixed.model_dump())
    job = apify_of(context).google_search(search, run_limits(context.policy.discovery.actor_seconds, context.policy))
    answer = await context.gate.run_job(job, leads=(), step="group_search")
    order = {query: place for place, query in enumerate(queries)}
    pages = sorted(answer.value.items, key=lambda page: (order[page.query], page.page or 0))
    results = [result for page in pages for result in page.results]
    for number, result in enumerate(results, start=1):
        yield found_item(number, result, context.policy, answer.fetched_at)


def search_queries(filters: FacebookFilters) -> tuple[str, ...]:
    """Three queries per keyword: quoted, with 'community', with 'group'; visibility as a quoted phrase (spec 6.4)."""
    wanted = f' "{filters.visibility} group"' if filters.visibility != "all" else ""
    words = [plain for keyword in filters.keywords if (plain := neutral_words(keyword))]
    forms = ('"{}"', "{} community", "{} group")
    return tuple(f"{_SITE} {form.format(word)}{wanted}" for word in words for form in forms)


def found_item(number: int, result: GoogleResult, policy: Policy, fetched_at: datetime) -> FoundItem:
    """A group with what title and snippet say about it; what is not seen is None."""
    raw = cast("JsonValue", result.model_dump(mode="json", exclude_none=True))
    link = group_link(result.url) if result.url else None
    if link is None or link.handle is None:
        problem = ItemResult.NO_IDENTITY if result.url else ItemResult.MALFORMED_ITEM
        return FoundItem(item_no=number, record=None, problem=problem, raw=raw)
    source = Source(step="discovery", provider="google_search", source_url=link.url, fetched_at=fetched_at)
    candidates = [
        *text_email_candidates(result.description, source, policy),
        *text_link_candidates(result.description, source, CandidateKind.DISCOVERY, policy),
    ]
    title, snippet = known_text(result.title, 500), known_text(result.description, MAX_DESCRIPTION_CHARS)
    record = LeadRecord(
        platform=KEY,
        platform_id=link.handle,
        handle=link.handle,
        profile_url=link.url,
        display_name=group_name(title),
        bio=snippet,
        links=links_of(candidates),
        search_title=title,
        search_snippet=snippet,
        audience_size=members_in(snippet, title),
        audience_kind=AudienceKind.MEMBERS,
        posts_per_month=posts_per_month_in(snippet, title),
        visibility=visibility_in(title, snippet),
    )
    return FoundItem(item_no=number, record=record, candidates=tuple(candidates), raw=raw)


def from_list_row(row: ListRow, policy: Policy, read_at: datetime) -> FoundItem:
    """A lead of a creator list; the about text is read like a search snippet for what the row itself does not say."""
    address = row.url or (f"https://www.facebook.com/groups/{row.handle}" if row.handle else None)
    link = group_link(address) if address else None
    if link is None or link.handle is None:
        return nobody_in(row, wanted="the name or address of a Facebook group")
    candidates = list_candidates(row, policy, read_at, own=LinkKind.FACEBOOK)
    members = row.audience_size if row.audience_size is not None else members_in(row.about)
    record = LeadRecord(
        platform=KEY,
        platform_id=link.handle,
        handle=link.handle,
        profile_url=link.url,
        display_name=group_name(row.name),
        bio=known_text(row.about, MAX_DESCRIPTION_CHARS),
        links=links_of(candidates),
        audience_size=members,
        audience_kind=AudienceKind.MEMBERS,
        posts_per_month=posts_per_month_in(row.about),
        visibility=visibility_in(row.about),
    )
    return FoundItem(item_no=row.line, record=record, candidates=tuple(candidates), raw=raw_row(row))


def group_name(title: str | None) -> str | None:
    """The title without ' | Facebook' or ' - Facebook'."""
    return known_text(_SITE_NAME.sub("", one_line(title)), 300) if title else None
