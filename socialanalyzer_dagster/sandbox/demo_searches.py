"""Searches that find creators in every simulated world: the demonstration's, and a team's whole collection."""

from collections.abc import Collection, Iterator, Mapping
from itertools import chain

from socialanalyzer_dagster.sandbox.world.names import PATREON_CRAFTS
from socialanalyzer_dagster.sandbox.world.niches import NICHES, Niche

DEMO_SEARCHES: Mapping[str, Mapping[str, object]] = {
    "instagram": {"max_results": 40, "hashtags": ["travel", "hiking", "yoga"]},
    "patreon": {"max_results": 25, "search_keywords": ["travel", "hiking", "yoga"]},
    "facebook": {"max_results": 25, "keywords": ["travel", "hiking", "yoga"]},
}
"""Platform -> filters; every other filter keeps its default."""

Search = tuple[str, str, Mapping[str, object]]
"""Platform, name and filters."""


def team_searches(platforms: Collection[str] = tuple(DEMO_SEARCHES)) -> Iterator[Search]:
    """Searches for every topic, but for those whose creators are never taken; on Patreon for every craft as well.

    Groups of any size are wanted, public and private ones each by a search of its own: web search shows the first
    hundred results of a query, and a topic has some hundreds of groups.
    """
    for platform, name, filters in chain(*map(_of_topic, NICHES), _of_crafts()):
        if platform in platforms:
            yield platform, name, filters


def _of_topic(niche: Niche) -> Iterator[Search]:
    if niche.reject_code is not None:
        return
    yield "instagram", niche.label, {"hashtags": list(niche.hashtags)}
    yield "patreon", niche.label, {"search_keywords": [niche.label.lower()]}
    for visibility in ("public", "private"):
        of_any_size = {"visibility": visibility, "min_members": None, "max_members": None}
        yield "facebook", f"{niche.label}, {visibility}", {"keywords": list(niche.hashtags[:5]), **of_any_size}


def _of_crafts() -> Iterator[Search]:
    for craft in PATREON_CRAFTS:
        yield "patreon", f"{craft.capitalize()} (craft)", {"search_keywords": [craft]}
