"""Searches that find creators in every simulated world: the demonstration's, and a team's whole collection."""

from collections.abc import Collection, Iterator, Mapping

from socialanalyzer_dagster.sandbox.world.niches import NICHES

DEMO_SEARCHES: Mapping[str, Mapping[str, object]] = {
    "instagram": {"max_results": 40, "hashtags": ["travel", "hiking", "yoga"]},
    "patreon": {"max_results": 25, "search_keywords": ["travel", "hiking", "yoga"]},
    "facebook": {"max_results": 25, "keywords": ["travel", "hiking", "yoga"]},
}
"""Platform -> filters; every other filter keeps its default."""


def topic_searches(
    platforms: Collection[str] = tuple(DEMO_SEARCHES),
) -> Iterator[tuple[str, str, Mapping[str, object]]]:
    """Platform, name and filters of a search for every topic, but for those whose creators are never taken."""
    for niche in NICHES:
        words = [niche.label.lower()]
        filters: dict[str, Mapping[str, object]] = {
            "instagram": {"hashtags": list(niche.hashtags)},
            "patreon": {"search_keywords": words},
            "facebook": {"keywords": words},
        }
        if niche.reject_code is None:
            yield from (
                (platform, niche.label, of_platform)
                for platform, of_platform in filters.items()
                if platform in platforms
            )
