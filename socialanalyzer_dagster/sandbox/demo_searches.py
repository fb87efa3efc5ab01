"""Searches that find creators in every simulated world: the demonstration's, and a team's whole collection."""

from collections.abc import Iterator, Mapping

from socialanalyzer_dagster.sandbox.world.niches import NICHES

DEMO_SEARCHES: Mapping[str, Mapping[str, object]] = {
    "instagram": {"max_results": 40, "hashtags": ["travel", "hiking", "yoga"]},
    "patreon": {"max_results": 25, "search_keywords": ["travel", "hiking", "yoga"]},
    "facebook": {"max_results": 25, "keywords": ["travel", "hiking", "yoga"]},
}
"""Platform -> filters; every other filter keeps its default."""


def topic_searches() -> Iterator[tuple[str, str, Mapping[str, object]]]:
    """Platform, name and filters of a search for every topic, but for those whose creators are never taken."""
    for niche in NICHES:
        if niche.reject_code is None:
            words = [niche.label.lower()]
            yield "instagram", niche.label, {"hashtags": list(niche.hashtags)}
            yield "patreon", niche.label, {"search_keywords": words}
            yield "facebook", niche.label, {"keywords": words}
