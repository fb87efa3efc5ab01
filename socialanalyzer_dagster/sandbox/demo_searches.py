"""Searches that find enough creators in every simulated world: what the demonstration runs."""

from collections.abc import Mapping

DEMO_SEARCHES: Mapping[str, Mapping[str, object]] = {
    "instagram": {"max_results": 40, "hashtags": ["travel", "hiking", "yoga"]},
    "patreon": {"max_results": 25, "search_keywords": ["travel", "hiking", "yoga"]},
    "facebook": {"max_results": 25, "keywords": ["travel", "hiking", "yoga"]},
}
"""Platform -> filters; every other filter keeps its default."""
