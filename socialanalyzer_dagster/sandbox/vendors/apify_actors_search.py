"""The simulated google-search-scraper: one item per results page, joined to its query by `searchQuery.term`."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_plus, urlsplit

from socialanalyzer_dagster.sandbox.vendors.apify_inputs import FLAG, POSITIVE, TEXT, WHOLE, Field, InputRules
from socialanalyzer_dagster.sandbox.vendors.apify_work import Item
from socialanalyzer_dagster.sandbox.world.models import GoogleResult
from socialanalyzer_dagster.sandbox.world.world import World

JsonObject = dict[str, Any]

RESULTS_PER_PAGE = 10
"""Google gives about ten whatever is asked (contracts 4.3)."""

INPUT = InputRules(
    fields={
        "queries": TEXT,
        "maxPagesPerQuery": POSITIVE,
        "resultsPerPage": Field("whole", least=1, most=100),
        "countryCode": TEXT,
        "languageCode": TEXT,
        "mobileResults": FLAG,
        "forceExactMatch": FLAG,
        "quickDateRange": TEXT,
        "includeUnfilteredResults": FLAG,
        "saveHtml": FLAG,
        "saveHtmlToKeyValueStore": FLAG,
        "maxConcurrency": WHOLE,
    },
    required=("queries",),
)


def search(world: World, given: JsonObject) -> Iterator[Item]:
    """Yield the results pages of every query; the last page of a query is the first that has nothing behind it."""
    for term in (line.strip() for line in given["queries"].splitlines()):
        if not term:
            continue
        results = world.google(f'"{term}"' if given.get("forceExactMatch") else term)
        pages = max(1, -(-len(results) // RESULTS_PER_PAGE))
        for number in range(1, min(pages, given.get("maxPagesPerQuery", 1)) + 1):
            shown = results[(number - 1) * RESULTS_PER_PAGE : number * RESULTS_PER_PAGE]
            yield Item(_page(term, number, shown, given))


def _page(term: str, number: int, results: list[GoogleResult], given: JsonObject) -> JsonObject:
    start = f"&start={(number - 1) * RESULTS_PER_PAGE}" if number > 1 else ""
    url = f"https://www.google.com/search?q={quote_plus(term)}{start}"
    asked = given.get("resultsPerPage")
    search_query = {
        "term": term,
        "url": url,
        "device": "MOBILE" if given.get("mobileResults") else "DESKTOP",
        "page": number,
        "type": "SEARCH",
        "domain": "google.com",
        "countryCode": str(given.get("countryCode") or "us").upper(),
        "languageCode": given.get("languageCode"),
        "locationUule": None,
        "resultsPerPage": None if asked is None else str(asked),
    }
    return {
        "searchQuery": search_query,
        "url": url,
        "resultsTotal": None,
        "organicResults": [_result(result) for result in results],
        "paidResults": [],
        "paidProducts": [],
        "relatedQueries": [],
        "peopleAlsoAsk": [],
    }


def _result(result: GoogleResult) -> JsonObject:
    parts = urlsplit(result.url)
    shown = " › ".join([f"{parts.scheme}://{parts.netloc}", *[part for part in parts.path.split("/") if part][:1]])
    return {
        "title": result.title,
        "url": result.url,
        "displayedUrl": shown,
        "description": result.description,
        "emphasizedKeywords": [],
        "siteLinks": [],
        "productInfo": {},
        "type": "organic",
        "position": result.position,
    }
