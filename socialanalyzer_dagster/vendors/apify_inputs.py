"""The inputs of the actors in use as our own models: a misspelt key never leaves the machine (contracts 4.3)."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from socialanalyzer_dagster.domain.hosts import has_known_suffix
from socialanalyzer_dagster.domain.types import JsonObject, JsonValue

Text = Annotated[str, Field(min_length=1)]
AtLeastOne = Annotated[int, Field(ge=1)]
FEED_MIME_TYPES = ("application/rss+xml", "application/atom+xml", "application/xml", "text/xml")


class ActorInput(BaseModel):
    """Strict and immutable; keys are sent in the actor's own spelling."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel, populate_by_name=True)

    def as_json(self) -> JsonObject:
        """The input as the actor expects it, without keys that are not set."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Proxy(ActorInput):
    """Which of the vendor's proxies a crawl goes through."""

    use_apify_proxy: bool = True
    apify_proxy_groups: tuple[str, ...] | None = None


class GoogleSearchInput(ActorInput):
    """`queries` holds one query per line; a list would be misread."""

    queries: Text
    max_pages_per_query: AtLeastOne = 1
    results_per_page: Annotated[int, Field(ge=1, le=100)] = 10
    country_code: str = "us"
    language_code: str = "en"
    mobile_results: bool = False


def _web_address(url: str) -> str:
    """The address itself; raises ValueError for another scheme, a bare IP address or a name inside a network."""
    if not has_known_suffix(url) or not url.startswith(("http://", "https://")):
        raise ValueError("a start page needs an http(s) address under a public suffix")
    return url


class StartUrl(ActorInput):
    """A page to load; the page function returns `user_data` so that results find their way back."""

    url: Annotated[Text, AfterValidator(_web_address)]
    user_data: Mapping[str, JsonValue]


class CheerioInput(ActorInput):
    """Every limit is required: without `max_pages_per_crawl` a crawl has no end."""

    start_urls: Annotated[tuple[StartUrl, ...], Field(min_length=1)]
    page_function: Text
    proxy_configuration: Proxy
    max_pages_per_crawl: AtLeastOne
    max_concurrency: AtLeastOne
    page_load_timeout_secs: AtLeastOne
    max_request_retries: Annotated[int, Field(ge=0)] = 1
    respect_robots_txt_file: bool = True
    additional_mime_types: tuple[str, ...] | None = None
    custom_data: Mapping[str, JsonValue]


class InstagramProfilesInput(ActorInput):
    """Profiles by user name."""

    usernames: Annotated[tuple[Text, ...], Field(min_length=1)]
    results_limit: AtLeastOne = 1


class TwitterUsersInput(ActorInput):
    """Users by handle without `@`; everything that costs extra is off."""

    twitter_handles: Annotated[tuple[Text, ...], Field(min_length=1)]
    max_items: AtLeastOne
    get_followers: bool = False
    get_following: bool = False
    get_retweeters: bool = False
    get_about: bool = False
    include_unavailable_users: bool = False


class LeadsFinderInput(ActorInput):
    """Contacts of companies; without `fetch_count` a run may not end, so it is required."""

    model_config = ConfigDict(alias_generator=None)

    fetch_count: AtLeastOne
    company_domain: Annotated[tuple[Text, ...], Field(min_length=1)]
    email_status: tuple[str, ...] = ("validated",)


class PatreonInput(ActorInput):
    """A creator search, one query per keyword."""

    search_queries: Annotated[tuple[Text, ...], Field(min_length=1)]
    max_requests_per_crawl: AtLeastOne
    proxy_configuration: Proxy
    max_concurrency: AtLeastOne
    max_request_retries: Annotated[int, Field(ge=0)]
    request_handler_timeout_secs: AtLeastOne
