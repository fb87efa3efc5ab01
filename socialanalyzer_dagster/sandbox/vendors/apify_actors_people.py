"""The simulated actors that read people: Instagram profiles, X users, business leads and Patreon pages."""

from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import quote, urlsplit

from socialanalyzer_dagster.sandbox.vendors.apify_inputs import (
    FLAG,
    POSITIVE,
    PROXY,
    TEXT,
    TEXTS,
    WHOLE,
    Field,
    InputRules,
)
from socialanalyzer_dagster.sandbox.vendors.apify_work import Item
from socialanalyzer_dagster.sandbox.world.dice import hash64, token
from socialanalyzer_dagster.sandbox.world.models import InstagramCreator, PatreonCreator, Person, SideAccount
from socialanalyzer_dagster.sandbox.world.places import US_CITIES
from socialanalyzer_dagster.sandbox.world.world import World

JsonObject = dict[str, Any]

_COUNTRIES = (
    "united states", "united kingdom", "canada", "australia", "ireland", "spain", "germany", "portugal", "france",
    "japan", "italy",
)  # fmt: skip
_PLACES = frozenset({*_COUNTRIES, *(name.lower() for city in US_CITIES for name in city)})
_LONGEST_PLACE_WORDS = 3

INSTAGRAM_INPUT = InputRules({"usernames": Field("texts", least=1), "resultsLimit": WHOLE}, required=("usernames",))
TWITTER_INPUT = InputRules(
    {
        **dict.fromkeys(("twitterHandles", "startUrls", "twitterUserIds", "searchTerms"), TEXTS),
        **dict.fromkeys(("getFollowers", "getFollowing", "getRetweeters", "getAbout", "includeUnavailableUsers"), FLAG),
        "maxItems": POSITIVE,
        "customMapFunction": TEXT,
    }
)
LEADS_INPUT = InputRules(
    {
        "fetch_count": POSITIVE,
        "email_status": Field("texts", among=frozenset({"validated", "not_validated", "unknown"})),
        **dict.fromkeys(
            ("company_domain", "contact_job_title", "contact_location", "contact_city", "seniority_level"), TEXTS
        ),
        **dict.fromkeys(("functional_level", "company_keywords", "company_industry", "size", "funding"), TEXTS),
        **dict.fromkeys(("min_revenue", "max_revenue", "file_name"), TEXT),
    },
    required=("fetch_count",),
)
PATREON_INPUT = InputRules(
    {
        "searchQueries": Field("texts", least=1),
        "maxRequestsPerCrawl": POSITIVE,
        "proxyConfiguration": PROXY,
        **dict.fromkeys(("maxConcurrency", "maxRequestRetries", "requestHandlerTimeoutSecs"), WHOLE),
    },
    required=("searchQueries",),
)


def instagram_profiles(world: World, given: JsonObject) -> Iterator[Item]:
    """Yield a profile per name or profile URL; a missing one is a row with an error, and costs nothing."""
    for asked in given["usernames"]:
        name = _last_part(asked)
        account = world.instagram_account(name)
        if account is None:
            missing = {"username": name, "error": "not_found", "errorDescription": "Profile does not exist"}
            yield Item(missing, events=0)
        else:
            yield Item(_instagram_profile(asked, account))


def _instagram_profile(asked: str, account: InstagramCreator | SideAccount) -> JsonObject:
    if isinstance(account, SideAccount):
        posts, external = account.post_count, account.external_url
    else:
        posts, external = account.post_count, account.links.aggregator or account.links.website
    return {
        "id": str(hash64("instagram id", account.handle) % 10**11),
        "inputUrl": asked if "//" in asked else f"https://www.instagram.com/{account.handle}",
        "username": account.handle,
        "url": f"https://www.instagram.com/{account.handle}",
        "fullName": account.display_name,
        "biography": account.bio,
        "externalUrl": external,
        "externalUrls": [_external(account.handle, external)] if external else [],
        "followersCount": account.follower_count,
        "followsCount": account.following_count,
        "postsCount": posts,
        "highlightReelCount": 0,
        "isBusinessAccount": isinstance(account, InstagramCreator) and account.account_type == "BUSINESS",
        "businessCategoryName": None,
        "private": account.is_private,
        "verified": isinstance(account, InstagramCreator) and account.is_verified,
        "profilePicUrl": None,
        "latestPosts": [],
    }


def _external(handle: str, url: str) -> JsonObject | str:
    """Return a link in one of the shapes in use: an object, one without `url`, or a bare string of older builds."""
    lynx = f"https://l.instagram.com/?u={quote(url, safe='')}"
    shape = hash64("external url", handle) % 10
    if shape == 0:
        return url
    named = {"title": "", "lynx_url": lynx, "link_type": "external"}
    return named if shape == 1 else {**named, "url": url}


def twitter_users(world: World, given: JsonObject) -> Iterator[Item]:
    """Yield a user per handle or URL; when nobody is found, one row that says so, for nothing."""
    asked = [*(given.get("twitterHandles") or ()), *map(_last_part, given.get("startUrls") or ())]
    found = (user for user in map(world.twitter_user, asked) if user is not None)
    is_empty = True
    for user in islice(found, given.get("maxItems")):
        is_empty = False
        yield Item(_twitter_user(user))
    if is_empty:
        yield Item({"noResults": True}, events=0)


def _twitter_user(user: SideAccount) -> JsonObject:
    url = user.external_url
    link = (
        {"url": f"https://t.co/{token(10, user.handle)}", "expanded_url": url, "display_url": _host(url)}
        if url
        else None
    )
    return {
        "type": "user",
        "id": str(hash64("x id", user.handle) % 10**10),
        "userName": user.handle,
        "name": user.display_name,
        "url": f"https://x.com/{user.handle}",
        "twitterUrl": f"https://twitter.com/{user.handle}",
        "description": user.bio,
        "location": user.owner.place.city,
        "isVerified": False,
        "followers": user.follower_count,
        "following": user.following_count,
        "statusesCount": user.post_count,
        "profilePicture": None,
        "entities": {"url": {"urls": [link] if link else []}, "description": {"urls": []}},
    }


def business_leads(world: World, given: JsonObject) -> Iterator[Item]:
    """Yield the people known at the company domains, at most `fetch_count`."""
    domains = dict.fromkeys(domain.lower().removeprefix("www.") for domain in given.get("company_domain") or ())
    validated_only = given.get("email_status") == ["validated"]
    people = (person for domain in domains for person in world.leads_of_domain(domain))
    kept = (person for person in people if not validated_only or _has_valid_email(world, person))
    for person in islice(kept, given["fetch_count"]):
        yield Item(_lead(person))


def _has_valid_email(world: World, person: Person) -> bool:
    return person.email is not None and world.mailbox(person.email) == "ok"


def _lead(person: Person) -> JsonObject:
    return {
        "first_name": person.first_name,
        "last_name": person.last_name,
        "full_name": f"{person.first_name} {person.last_name}",
        "email": person.email,
        "personal_email": person.personal_email,
        "mobile_number": person.phone,
        "linkedin": person.linkedin_url,
        "job_title": person.title,
        "company_name": person.organization,
        "company_domain": person.domain,
        "company_website": f"https://www.{person.domain}",
        "company_size": None,
        "city": person.city,
        "state": person.state,
        "country": person.country,
    }


def patreon_pages(world: World, given: JsonObject) -> Iterator[Item]:
    """Yield the pages that the queries find, in turn, each once, at most `maxRequestsPerCrawl`."""
    limit = given.get("maxRequestsPerCrawl")
    seen: set[str] = set()
    for query in given["searchQueries"]:
        keyword, location = _split_query(query)
        for page in world.search_patreon(keyword, location):
            if limit is not None and len(seen) >= limit:
                return
            if page.campaign_id not in seen:
                seen.add(page.campaign_id)
                yield Item(_patreon_page(page))


def _split_query(query: str) -> tuple[str, str | None]:
    """Return a query's words and the place it ends in, if it ends in one."""
    words = query.split()
    for count in range(min(_LONGEST_PLACE_WORDS, len(words) - 1), 0, -1):
        if " ".join(words[-count:]).lower() in _PLACES:
            return " ".join(words[:-count]), " ".join(words[-count:])
    return query, None


def _patreon_page(page: PatreonCreator) -> JsonObject:
    """Return a page in one of the shapes the actor's builds have had: counts as numbers or text, other key names."""
    shape = hash64("patreon shape", page.handle) % 3
    patrons, paid, posts = (
        ("patron_count", "paid_members", "post_count"),
        ("total_members", "paid_patrons", "total_posts"),
        ("patron_count", "paid_members", "posts_count"),
    )[shape]
    links = page.links
    return {
        "id": page.campaign_id,
        "slug": page.handle,
        "vanity": page.handle,
        "name": page.display_name,
        "creator_name": f"{page.contact.first_name} {page.contact.last_name}",
        "creation_name": page.creation_name,
        "url": page.url,
        ("about", "description", "summary")[shape]: page.about,
        patrons: _written(page.patron_count, shape),
        paid: _written(page.paid_count, shape),
        posts: _written(page.post_count, shape),
        "tiers": [{"title": tier.title, "amount": tier.amount_cents / 100} for tier in page.tiers],
        "is_nsfw": page.is_nsfw,
        "instagram": links.instagram,
        "youtube": links.youtube,
        "twitter": links.twitter,
        "facebook": links.facebook,
        "tiktok": links.tiktok,
        "twitch": links.twitch,
        "personal_website": links.website,
        "rss_url": links.rss,
    }


def _written(count: int | None, shape: int) -> int | str | None:
    if count is None or shape == 0:
        return count
    return f"{count:,}"


def _last_part(text: str) -> str:
    path = urlsplit(text).path if "//" in text else text
    return next((part for part in path.split("/") if part), "").removeprefix("@").lower()


def _host(url: str | None) -> str | None:
    return urlsplit(url).hostname if url else None
