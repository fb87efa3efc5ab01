"""Items of the actors in use: one mapping per actor from whatever the build of the day delivers (contracts 4.3)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import Field, field_validator

from socialanalyzer_dagster.domain.types import JsonObject, JsonValue
from socialanalyzer_dagster.vendors.apify_words import Number, Word, first_present
from socialanalyzer_dagster.vendors.http import UnexpectedBodyError, as_object
from socialanalyzer_dagster.vendors.lenient import Lenient

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorResult(Generic[T]):
    """What a run delivered; `unmapped` counts items we could not read, `refusal` says that the run itself was refused.

    `refusal` is `demo` (free plan stubs) or `refused`; such a run answered nothing, which is not 'nothing found'.
    """

    items: tuple[T, ...]
    unmapped: int = 0
    refusal: str | None = None

    @property
    def unmapped_share(self) -> float:
        """Share of the delivered items that could not be read; 0 when nothing was delivered."""
        total = len(self.items) + self.unmapped
        return self.unmapped / total if total else 0.0


class GoogleResult(Lenient):
    """One organic result."""

    title: Word = None
    url: Word = None
    description: Word = None
    position: int | None = None


class GooglePage(Lenient):
    """One results page; `query` is the query we sent, never the one echoed back."""

    query: str
    page: int | None = None
    results: tuple[GoogleResult, ...] = ()


class FeedFacts(Lenient):
    """Who a feed says it belongs to."""

    owner_email: Word = None
    author: Word = None
    owner_name: Word = None
    link: Word = None


class CrawledPage(Lenient):
    """One page as our page function read it; `label` is the request label we sent (I-15).

    `text` is cut to the length asked for, `links` are absolute, `mailto` holds bare addresses.
    """

    label: str
    url: str
    requested_url: str | None = Field(default=None, alias="requestedUrl")
    title: Word = None
    text: str = ""
    links: tuple[str, ...] = ()
    mailto: tuple[str, ...] = ()
    feed: FeedFacts | None = None

    @field_validator("links", mode="before")
    @classmethod
    def _as_urls(cls, value: JsonValue | tuple[str, ...]) -> list[str]:
        entries = value if isinstance(value, list | tuple) else []
        urls = [one if isinstance(one, str) else as_object(one).get("url") for one in entries]
        return [url for url in urls if isinstance(url, str) and url]

    @field_validator("mailto", mode="before")
    @classmethod
    def _as_addresses(cls, value: JsonValue | tuple[str, ...]) -> list[str]:
        return [one for one in value if isinstance(one, str) and one] if isinstance(value, list | tuple) else []


class InstagramProfile(Lenient):
    """A public profile; `missing` is the vendor's positive word that there is no such profile."""

    username: str
    missing: bool = False
    full_name: Word = Field(default=None, alias="fullName")
    biography: Word = None
    external_url: Word = Field(default=None, alias="externalUrl")
    external_urls: tuple[str, ...] = Field(default=(), alias="externalUrls")
    followers_count: Number = Field(default=None, alias="followersCount")
    private: bool | None = None
    url: Word = None

    @field_validator("external_urls", mode="before")
    @classmethod
    def _both_shapes(cls, value: JsonValue) -> list[str]:
        """A list of strings in older builds, of objects now; a bare redirect link is no address of anything."""
        entries = value if isinstance(value, list) else []
        urls = [one if isinstance(one, str) else as_object(one).get("url") for one in entries]
        return [url for url in urls if isinstance(url, str) and url]


class TwitterUser(Lenient):
    """A public user; `handle` is the user name in lower case, `expanded_urls` come from profile and bio."""

    handle: str
    name: Word = None
    description: Word = None
    url: Word = None
    followers: Number = None
    expanded_urls: tuple[str, ...] = ()


class FoundContact(Lenient):
    """A contact the leads finder knows for a company domain; an address is work first, then personal."""

    company_domain: str
    email: Word = None
    phone: Word = None
    linkedin: Word = None
    first_name: Word = None
    last_name: Word = None
    full_name: Word = None
    job_title: Word = None
    city: Word = None
    state: Word = None
    country: Word = None


class PatreonCreator(Lenient):
    """One creator of a search, counts as whole numbers; everything may be missing."""

    id: Word = None
    slug: Word = None
    vanity: Word = None
    name: Word = None
    creator_name: Word = None
    url: Word = None
    about: Word = None
    is_nsfw: bool | None = None
    patron_count: Number = None
    paid_members: Number = None
    post_count: Number = None
    tier_count: int | None = None
    personal_website: Word = None
    rss_url: Word = None
    instagram: Word = None
    youtube: Word = None
    twitter: Word = None
    facebook: Word = None
    tiktok: Word = None
    twitch: Word = None


def rows_of(body: JsonValue) -> Sequence[JsonObject]:
    """The items of a dataset; raises ValueError when the body is no list."""
    if not isinstance(body, list):
        raise UnexpectedBodyError("the dataset is not a list of items")
    return [as_object(item) for item in body]


def collect(body: JsonValue, mapping: Callable[[JsonObject], T | None]) -> ActorResult[T]:
    """Every item through one mapping; None and a ValueError count as unmapped."""
    items: list[T] = []
    unmapped = 0
    for row in rows_of(body):
        try:
            item = mapping(row)
        except ValueError:
            item = None
        if item is None:
            unmapped += 1
        else:
            items.append(item)
    return ActorResult(items=tuple(items), unmapped=unmapped)


def same_query(text: str) -> str:
    """The form in which queries are compared: one space, no case."""
    return " ".join(text.split()).casefold()


def google_pages(body: JsonValue, queries: Sequence[str]) -> ActorResult[GooglePage]:
    """Result pages joined by the query we sent; pages of other queries are unmapped."""
    sent = {same_query(query): query for query in queries}

    def mapping(row: JsonObject) -> GooglePage | None:
        echoed = as_object(row.get("searchQuery"))
        term = echoed.get("term")
        query = sent.get(same_query(term)) if isinstance(term, str) else None
        results = row.get("organicResults")
        if query is None or not isinstance(results, list):
            return None
        rows = [one for one in results if isinstance(one, Mapping)]
        return GooglePage.model_validate({"query": query, "page": echoed.get("page"), "results": rows})

    return collect(body, mapping)


def crawled_pages(body: JsonValue) -> ActorResult[CrawledPage]:
    """Pages with their labels; failed loads carry none, so a start whose label is in no page was not read."""
    rows = [row for row in rows_of(body) if row.get("#error") is not True]
    return collect(rows, CrawledPage.model_validate)


def instagram_profiles(body: JsonValue) -> ActorResult[InstagramProfile]:
    """Profiles by user name; an error row is `missing` only for the vendor's 'not found' words."""

    def mapping(row: JsonObject) -> InstagramProfile | None:
        error = row.get("error")
        if error is not None and error not in ("not_found", "no_items"):
            return None
        return InstagramProfile.model_validate({**row, "missing": error is not None})

    return collect(body, mapping)


def twitter_users(body: JsonValue) -> ActorResult[TwitterUser]:
    """Users; stub rows of the free plan are a refusal, a `noResults` row is nothing found."""
    rows = [row for row in rows_of(body) if row.get("noResults") is not True]
    real = [row for row in rows if row.get("demo") is not True]
    found = collect(real, _twitter_user)
    refusal = "demo" if rows and not real else None
    return ActorResult(items=found.items, unmapped=found.unmapped + len(rows) - len(real), refusal=refusal)


def _twitter_user(row: JsonObject) -> TwitterUser | None:
    handle = first_present(row, "userName", "username", "screen_name")
    if not isinstance(handle, str) or not handle.strip("@ "):
        return None
    entities = as_object(row.get("entities"))
    groups = [as_object(entities.get(part)).get("urls") for part in ("url", "description")]
    links = [as_object(one).get("expanded_url") for group in groups if isinstance(group, list) for one in group]
    urls = [link for link in links if isinstance(link, str) and link]
    return TwitterUser.model_validate({**row, "handle": handle.strip("@ ").lower(), "expanded_urls": urls})


def found_contacts(body: JsonValue) -> ActorResult[FoundContact]:
    """Contacts by company domain; a single row with nothing but an error is a refused run (contracts 4.3)."""
    rows = rows_of(body)
    if len(rows) == 1 and "error" in rows[0]:
        return ActorResult(items=(), unmapped=1, refusal="refused")
    return collect(rows, _found_contact)


def _found_contact(row: JsonObject) -> FoundContact | None:
    domain = first_present(row, "company_domain", "domain")
    if not isinstance(domain, str) or not domain.strip():
        return None
    return FoundContact.model_validate(
        {
            **row,
            "company_domain": domain.strip().lower(),
            "email": first_present(row, "email", "work_email", "personal_email"),
            "phone": first_present(row, "mobile_number", "phone"),
            "linkedin": first_present(row, "linkedin", "linkedin_url"),
        }
    )


def patreon_creators(body: JsonValue) -> ActorResult[PatreonCreator]:
    """Creators; an item without any name, address or id cannot be mapped."""
    return collect(body, _patreon_creator)


def _patreon_creator(row: JsonObject) -> PatreonCreator | None:
    tiers = row.get("tiers")
    social = ("instagram", "youtube", "twitter", "facebook", "tiktok", "twitch")
    found = PatreonCreator.model_validate(
        {
            **row,
            **{kind: first_present(row, kind, f"{kind}_url") for kind in social},
            "name": first_present(row, "name", "creator_name"),
            "url": first_present(row, "url", "profile_url"),
            "about": first_present(row, "about", "description", "summary", "creation_name"),
            "patron_count": first_present(row, "patron_count", "total_members"),
            "paid_members": first_present(row, "paid_members", "paid_patrons"),
            "post_count": first_present(row, "post_count", "total_posts", "posts_count"),
            "tier_count": len(tiers) if isinstance(tiers, list) else None,
        }
    )
    return found if found.id or found.slug or found.vanity or found.url or found.name else None
