"""The actors that the simulated Apify store has, by id and by name."""

from collections.abc import Iterator
from typing import Any

from socialanalyzer_dagster.sandbox.vendors import apify_actors_cheerio as cheerio
from socialanalyzer_dagster.sandbox.vendors import apify_actors_people as people
from socialanalyzer_dagster.sandbox.vendors import apify_actors_search as google
from socialanalyzer_dagster.sandbox.vendors.apify_work import Actor, Item
from socialanalyzer_dagster.sandbox.world.world import World

ACTORS = (
    Actor(
        "nFJndFXA5zjCTuudP", "apify~google-search-scraper", "Google Search Results Scraper", "search-page",
        "apify.google_search", google.INPUT, google.search,
    ),
    Actor(
        "YrQuEkowkNCLdk4j2", "apify~cheerio-scraper", "Cheerio Scraper", "page-loaded",
        "apify.cheerio", cheerio.INPUT, cheerio.crawl,
    ),
    Actor(
        "dSCLg0C3YEZ83HzYX", "apify~instagram-profile-scraper", "Instagram Profile Scraper", "profile-scraped",
        "apify.instagram_profile", people.INSTAGRAM_INPUT, people.instagram_profiles,
    ),
    Actor(
        "V38PZzpEgOfeeWvZY", "apidojo~twitter-user-scraper", "Twitter User Scraper", "user-item",
        "apify.twitter_user", people.TWITTER_INPUT, people.twitter_users,
    ),
    Actor(
        "IoSHqwTR9YGhzccez", "code_crafter~leads-finder", "Leads Finder", "lead-fetched",
        "apify.leads_finder", people.LEADS_INPUT, people.business_leads, "apify.leads_finder.start",
    ),
    Actor(
        "mJiXU9PT4eLHuY0pi", "louisdeconinck~patreon-scraper", "Patreon Scraper", "creator-scraped",
        "apify.patreon", people.PATREON_INPUT, people.patreon_pages,
    ),
)  # fmt: skip

_BY_KEY = {key.lower(): actor for actor in ACTORS for key in (actor.id, actor.name)}


def actor_named(key: str) -> Actor | None:
    """Return the actor with an id or `owner~name` (`owner/name` too), or None."""
    return _BY_KEY.get(key.replace("/", "~").lower())


def items_shown(actor: Actor, world: World, given: dict[str, Any], fault: str | None) -> Iterator[Item]:
    """Yield what a run puts into its dataset, or what a fault puts there instead (contracts 16)."""
    if fault == "empty_dataset":
        return iter(())
    if fault == "refusal_row":
        return iter([Item({"error": "Users on the free plan can run this actor only from the console"}, events=0)])
    if fault == "demo_rows":
        return iter([Item({"demo": True}) for _ in range(10)])
    return actor.work(world, given)
