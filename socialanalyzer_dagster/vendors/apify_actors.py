"""The actors in use, one typed method each: a run bounded in pages, time and money, results joined by what we sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, partial
from importlib.resources import files

from socialanalyzer_dagster.domain.calls import JobStatus, Units, VendorCall, VendorJob
from socialanalyzer_dagster.domain.types import JsonValue
from socialanalyzer_dagster.vendors.apify import ActorRun, ApifyRuns, RunLimits
from socialanalyzer_dagster.vendors.apify_inputs import (
    FEED_MIME_TYPES,
    CheerioInput,
    GoogleSearchInput,
    InstagramProfilesInput,
    LeadsFinderInput,
    PatreonInput,
    Proxy,
    StartUrl,
    TwitterUsersInput,
)
from socialanalyzer_dagster.vendors.apify_items import (
    ActorResult,
    CrawledPage,
    FoundContact,
    GooglePage,
    InstagramProfile,
    PatreonCreator,
    TwitterUser,
    crawled_pages,
    found_contacts,
    google_pages,
    instagram_profiles,
    patreon_creators,
    twitter_users,
)
from socialanalyzer_dagster.vendors.http import Connection, ServiceStatus

START_FEES = {"apify.leads_finder": "apify.leads_finder.start"}
"""What some operations charge once a run, beside their results."""
GOOGLE_SEARCH = "apify~google-search-scraper"
CHEERIO = "apify~cheerio-scraper"
INSTAGRAM_PROFILES = "apify~instagram-profile-scraper"
TWITTER_USERS = "apidojo~twitter-user-scraper"
LEADS_FINDER = "code_crafter~leads-finder"
PATREON = "mJiXU9PT4eLHuY0pi"


class Extract(StrEnum):
    """Which reading of a page is wanted."""

    FEED = "feed"
    LINK_PAGE = "link_page"
    YOUTUBE_ABOUT = "youtube_about"
    SITE = "site"


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleSearch:
    """Searches of one run; quotes and operators are the caller's, line breaks inside a query become spaces."""

    queries: tuple[str, ...]
    pages_per_query: int = 1
    results_per_page: int = 10
    country_code: str = "us"
    language_code: str = "en"


@dataclass(frozen=True, slots=True)
class CrawlStart:
    """A page to load and the label under which its results are found again."""

    label: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Crawl:
    """Pages of one run.

    With Extract.SITE each start page leads to at most `pages_per_start` pages of its site in all: those it links to
    whose path holds one of `crawl_words`, else the first of `crawl_paths` (spec 8.2).
    """

    extract: Extract
    starts: tuple[CrawlStart, ...]
    max_concurrency: int
    text_chars: int
    max_links: int
    pages_per_start: int = 1
    crawl_words: tuple[str, ...] = ()
    crawl_paths: tuple[str, ...] = ()
    page_load_seconds: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class PatreonSearch:
    """A creator search; the crawl settings are policy (spec 6.3)."""

    queries: tuple[str, ...]
    max_results: int
    proxy_groups: tuple[str, ...]
    max_concurrency: int
    max_request_retries: int
    request_handler_timeout_seconds: int


class Apify:
    """Describes runs of the actors in use; nothing is sent before the gate does it.

    Every method raises ValueError (a pydantic ValidationError) when the input breaks the actor's input schema.
    """

    def __init__(self, connection: Connection) -> None:
        self._runs = ApifyRuns(connection)

    def google_search(self, search: GoogleSearch, limits: RunLimits) -> VendorJob[ActorResult[GooglePage]]:
        """Organic results per query and page; billed per results page."""
        queries = tuple(dict.fromkeys(" ".join(query.split()) for query in search.queries))
        actor_input = GoogleSearchInput(
            queries="\n".join(queries),
            max_pages_per_query=search.pages_per_query,
            results_per_page=search.results_per_page,
            country_code=search.country_code,
            language_code=search.language_code,
        )
        run = ActorRun(
            operation="apify.google_search",
            actor_id=GOOGLE_SEARCH,
            actor_input=actor_input.as_json(),
            max_items=len(queries) * search.pages_per_query,
            units=partial(_per_item, "apify.google_search"),
            decode=partial(google_pages, queries=queries),
        )
        return self._runs.job(run, limits)

    def cheerio(self, crawl: Crawl, limits: RunLimits) -> VendorJob[ActorResult[CrawledPage]]:
        """Pages read by our own page function; billed per page loaded. A start without a page was not read."""
        most_pages = len(crawl.starts) * crawl.pages_per_start
        actor_input = CheerioInput(
            start_urls=tuple(
                StartUrl(url=start.url, user_data={"label": start.label, "isStart": True}) for start in crawl.starts
            ),
            page_function=page_function(),
            proxy_configuration=Proxy(),
            max_pages_per_crawl=most_pages,
            max_concurrency=crawl.max_concurrency,
            page_load_timeout_secs=crawl.page_load_seconds,
            additional_mime_types=FEED_MIME_TYPES if crawl.extract is Extract.FEED else None,
            custom_data=_custom_data(crawl),
        )
        run = ActorRun(
            operation="apify.cheerio",
            actor_id=CHEERIO,
            actor_input=actor_input.as_json(),
            max_items=most_pages,
            units=partial(_per_item, "apify.cheerio"),
            decode=crawled_pages,
        )
        return self._runs.job(run, limits)

    def instagram_profiles(
        self, usernames: Sequence[str], limits: RunLimits
    ) -> VendorJob[ActorResult[InstagramProfile]]:
        """Public profiles by user name; billed per profile."""
        names = tuple(dict.fromkeys(name.strip().lstrip("@") for name in usernames))
        run = ActorRun(
            operation="apify.instagram_profile",
            actor_id=INSTAGRAM_PROFILES,
            actor_input=InstagramProfilesInput(usernames=names).as_json(),
            max_items=len(names),
            units=partial(_per_item, "apify.instagram_profile"),
            decode=instagram_profiles,
        )
        return self._runs.job(run, limits)

    def twitter_users(self, handles: Sequence[str], limits: RunLimits) -> VendorJob[ActorResult[TwitterUser]]:
        """Public users by handle; billed per user."""
        names = tuple(dict.fromkeys(handle.strip().lstrip("@") for handle in handles))
        run = ActorRun(
            operation="apify.twitter_user",
            actor_id=TWITTER_USERS,
            actor_input=TwitterUsersInput(twitter_handles=names, max_items=max(1, len(names))).as_json(),
            max_items=len(names),
            units=partial(_per_item, "apify.twitter_user"),
            decode=twitter_users,
        )
        return self._runs.job(run, limits)

    def leads_finder(
        self, domains: Sequence[str], *, fetch_count: int, limits: RunLimits
    ) -> VendorJob[ActorResult[FoundContact]]:
        """Validated contacts of company domains; billed per lead plus one start event, also when refused."""
        names = tuple(dict.fromkeys(domain.strip().lower() for domain in domains))
        run = ActorRun(
            operation="apify.leads_finder",
            actor_id=LEADS_FINDER,
            actor_input=LeadsFinderInput(fetch_count=fetch_count, company_domain=names).as_json(),
            max_items=fetch_count,
            units=_leads_and_start,
            decode=found_contacts,
        )
        return self._runs.job(run, limits)

    def patreon(self, search: PatreonSearch, limits: RunLimits) -> VendorJob[ActorResult[PatreonCreator]]:
        """Creators of a search in provider order; billed per creator."""
        actor_input = PatreonInput(
            search_queries=search.queries,
            max_requests_per_crawl=search.max_results,
            proxy_configuration=Proxy(apify_proxy_groups=search.proxy_groups),
            max_concurrency=search.max_concurrency,
            max_request_retries=search.max_request_retries,
            request_handler_timeout_secs=search.request_handler_timeout_seconds,
        )
        run = ActorRun(
            operation="apify.patreon",
            actor_id=PATREON,
            actor_input=actor_input.as_json(),
            max_items=search.max_results,
            units=partial(_per_item, "apify.patreon"),
            decode=patreon_creators,
        )
        return self._runs.job(run, limits)

    def status(self) -> VendorCall[ServiceStatus]:
        """A free call that proves the token works and tells the usage of the month."""
        return self._runs.status()

    def run_status(self, run_id: str) -> VendorCall[JobStatus]:
        """Where an actor run stands; free."""
        return self._runs.run_status(run_id)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._runs.aclose()


@cache
def page_function() -> str:
    """The JavaScript that runs at the vendor on every page; `customData.extract` chooses the reading."""
    return files("socialanalyzer_dagster.vendors").joinpath("page_functions/extract.js").read_text(encoding="utf-8")


def _custom_data(crawl: Crawl) -> Mapping[str, JsonValue]:
    return {
        "extract": crawl.extract.value,
        "textChars": crawl.text_chars,
        "maxLinks": crawl.max_links,
        "pagesPerSite": crawl.pages_per_start,
        "crawlWords": list(crawl.crawl_words),
        "crawlPaths": list(crawl.crawl_paths),
    }


def _per_item(price_key: str, count: int) -> Units:
    return {price_key: count}


def _leads_and_start(count: int) -> Units:
    return {"apify.leads_finder": count, START_FEES["apify.leads_finder"]: 1}
