"""The simulated cheerio-scraper: crawls the world's pages; page functions are recognised by name, never executed."""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urldefrag, urljoin

from socialanalyzer_dagster.sandbox.vendors.apify_extract import (
    LoadedPage,
    Reading,
    extracted,
    page_links,
    pages_of_site,
)
from socialanalyzer_dagster.sandbox.vendors.apify_inputs import (
    ANY_OBJECTS,
    COUNT,
    FLAG,
    OBJECT,
    POSITIVE,
    PROXY,
    TEXT,
    TEXTS,
    Field,
    InputRules,
)
from socialanalyzer_dagster.sandbox.vendors.apify_work import Item
from socialanalyzer_dagster.sandbox.world.world import World

JsonObject = dict[str, Any]

MOST_REDIRECTS = 10

_HTML_TYPES = ("text/html", "application/xhtml+xml")
_GLOBS = Field("objects", inner="glob")

INPUT = InputRules(
    fields={
        "startUrls": Field("objects", inner="url"),
        "pageFunction": TEXT,
        "proxyConfiguration": PROXY,
        "globs": _GLOBS,
        "pseudoUrls": ANY_OBJECTS,
        "excludes": _GLOBS,
        "linkSelector": TEXT,
        "keepUrlFragments": FLAG,
        "respectRobotsTxtFile": FLAG,
        "additionalMimeTypes": TEXTS,
        "suggestResponseEncoding": TEXT,
        "forceResponseEncoding": FLAG,
        "ignoreSslErrors": FLAG,
        "maxRequestRetries": COUNT,
        "maxPagesPerCrawl": COUNT,
        "maxResultsPerCrawl": COUNT,
        "maxCrawlingDepth": COUNT,
        "maxConcurrency": POSITIVE,
        "pageLoadTimeoutSecs": POSITIVE,
        "pageFunctionTimeoutSecs": POSITIVE,
        "proxyRotation": Field("text", among=frozenset({"RECOMMENDED", "PER_REQUEST", "UNTIL_FAILURE"})),
        "initialCookies": ANY_OBJECTS,
        "preNavigationHooks": TEXT,
        "postNavigationHooks": TEXT,
        "customData": OBJECT,
        "datasetName": TEXT,
        "keyValueStoreName": TEXT,
        "requestQueueName": TEXT,
        "debugLog": FLAG,
    },
    required=("startUrls", "pageFunction", "proxyConfiguration"),
    is_closed=True,
)


@dataclass(frozen=True)
class _Visit:
    url: str
    label: object
    depth: int
    is_start: bool = False


@dataclass(frozen=True)
class _Failure:
    url: str
    status: int | None
    message: str


def crawl(world: World, given: JsonObject) -> Iterator[Item]:
    """Yield an item per page, breadth first: what the page function returned, or the hidden keys of a failed page."""
    waiting = deque(_first_visits(given))
    seen = {_key(visit.url) for visit in waiting}
    limit = given.get("maxPagesPerCrawl") or float("inf")
    retries = given.get("maxRequestRetries", 3)
    reading = Reading.of(given.get("customData"))
    visited = 0
    while waiting and visited < limit:
        visit = waiting.popleft()
        visited += 1
        loaded = _load(world, visit.url)
        if isinstance(loaded, _Failure):
            yield Item(_failed_item(loaded, retries))
            continue
        if not _is_taken(loaded.content_type, given):
            continue
        yield Item({**extracted(loaded, reading, visit.label), "#error": False, "#debug": _debug(loaded)})
        enqueued = pages_of_site(loaded, reading) if visit.is_start else []
        for url in [*enqueued, *_next_urls(loaded, given, visit.depth)]:
            if _key(url) not in seen:
                seen.add(_key(url))
                waiting.append(_Visit(url, visit.label, visit.depth + 1))


def _first_visits(given: JsonObject) -> Iterator[_Visit]:
    seen = set()
    for start in given["startUrls"]:
        user_data = start.get("userData") or {}
        key = start.get("uniqueKey") or _key(start["url"])
        if key not in seen:
            seen.add(key)
            yield _Visit(start["url"], user_data.get("label"), 0, bool(user_data.get("isStart")))


def _key(url: str) -> str:
    return urldefrag(url).url.rstrip("/")


def _load(world: World, url: str) -> LoadedPage | _Failure:
    current = url
    for _ in range(MOST_REDIRECTS + 1):
        page = world.page(current)
        if page.location is not None:
            current = urljoin(current, page.location)
        elif page.status >= 400:
            return _Failure(url, page.status, f"Request blocked - received {page.status} status code.")
        else:
            return LoadedPage(current, url, page.content_type, page.body)
    return _Failure(url, None, f"Redirected more than {MOST_REDIRECTS} times.")


def _is_taken(content_type: str, given: JsonObject) -> bool:
    """Say whether the crawler keeps a page of this type; feeds need `additionalMimeTypes`, else they are skipped."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind in {*_HTML_TYPES, *(extra.lower() for extra in given.get("additionalMimeTypes") or ())}


def _next_urls(page: LoadedPage, given: JsonObject, depth: int) -> list[str]:
    deepest = given.get("maxCrawlingDepth") or 0
    if not given.get("linkSelector") or (deepest and depth >= deepest):
        return []
    wanted = [_pattern(entry["glob"]) for entry in given.get("globs") or ()]
    unwanted = [_pattern(entry["glob"]) for entry in given.get("excludes") or ()]
    taken = [url for url in page_links(page) if not wanted or any(pattern.fullmatch(url) for pattern in wanted)]
    return [url for url in taken if not any(pattern.fullmatch(url) for pattern in unwanted)]


def _pattern(glob: str) -> re.Pattern[str]:
    """Return a glob as a pattern: `**` any text, `*` any text without a slash, `?` one character, `{a,b}` either."""
    parts = re.split(r"(\*\*|\*|\?|\{[^}]*\})", glob)
    shapes = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    written = [shapes.get(part) or (_either(part) if part.startswith("{") else re.escape(part)) for part in parts]
    return re.compile("".join(written))


def _either(part: str) -> str:
    return "(?:" + "|".join(re.escape(choice) for choice in part[1:-1].split(",")) + ")"


def _debug(page: LoadedPage) -> JsonObject:
    return {"url": page.requested_url, "loadedUrl": page.url, "statusCode": 200, "retryCount": 0, "errorMessages": []}


def _failed_item(failure: _Failure, retries: int) -> JsonObject:
    debug = {
        "url": failure.url,
        "statusCode": failure.status,
        "retryCount": retries,
        "errorMessages": [failure.message] * (retries + 1),
    }
    return {"#error": True, "#debug": debug}
