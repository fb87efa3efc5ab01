"""What the daily assets about people's data share: their group, and running their work on one event loop."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import dagster as dg

from socialanalyzer_dagster.pipeline.privacy_parts import PrivacyParts
from socialanalyzer_dagster.resources.privacy import PrivacyResource

GROUP = "privacy"

T = TypeVar("T")


def with_parts(
    instance: dg.DagsterInstance, privacy: PrivacyResource, work: Callable[[PrivacyParts], Awaitable[T]]
) -> T:
    """Open everything, do the work, close it."""

    async def opened() -> T:
        async with privacy.opened(instance) as parts:
            return await work(parts)

    return asyncio.run(opened())


def counts_metadata(counts: Mapping[str, int]) -> dict[str, dg.MetadataValue]:
    """Counts per kind; no lead and no person is named (I-68)."""
    return {name: dg.MetadataValue.int(number) for name, number in sorted(counts.items())}
