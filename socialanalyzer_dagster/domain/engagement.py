"""S-6: how a creator's recent posts are received, counted in code (spec 9.3)."""

from collections.abc import Iterable
from enum import StrEnum
from itertools import islice
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from socialanalyzer_dagster.domain.policy_judgement import AnalysisPolicy


class EngagedItem(Protocol):
    """What is read of a post; a count of None is unknown."""

    @property
    def is_pinned(self) -> bool: ...

    @property
    def likes(self) -> int | None: ...

    @property
    def comments(self) -> int | None: ...

    @property
    def likes_hidden(self) -> bool: ...


class Reception(StrEnum):
    """How one post was received."""

    ABOVE = "above"
    BELOW = "below"
    MIXED = "mixed"
    HIDDEN = "hidden"
    UNKNOWN = "unknown"


class EngagementMetrics(BaseModel):
    """Counts over unpinned posts; they sum to `posts_analyzed`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    posts_above_threshold: int = Field(ge=0)
    posts_below_threshold: int = Field(ge=0)
    posts_mixed: int = Field(ge=0)
    posts_hidden: int = Field(ge=0)
    posts_unknown: int = Field(ge=0)
    posts_analyzed: int = Field(ge=0)


def engagement_metrics(items: Iterable[EngagedItem], analysis: AnalysisPolicy) -> EngagementMetrics:
    """S-6 over the first `analysis.evidence_items` items (the caller leaves stories out); pinned ones do not count."""
    receptions = [reception(item, analysis) for item in islice(items, analysis.evidence_items) if not item.is_pinned]
    return EngagementMetrics(
        posts_above_threshold=receptions.count(Reception.ABOVE),
        posts_below_threshold=receptions.count(Reception.BELOW),
        posts_mixed=receptions.count(Reception.MIXED),
        posts_hidden=receptions.count(Reception.HIDDEN),
        posts_unknown=receptions.count(Reception.UNKNOWN),
        posts_analyzed=len(receptions),
    )


def reception(item: EngagedItem, analysis: AnalysisPolicy) -> Reception:
    """Above and below need both counts on that side; one of each is mixed and costs nothing."""
    if item.likes_hidden:
        return Reception.HIDDEN
    if item.likes is None or item.comments is None:
        return Reception.UNKNOWN
    enough = {item.likes >= analysis.min_likes, item.comments >= analysis.min_comments}
    if len(enough) > 1:
        return Reception.MIXED
    return Reception.ABOVE if True in enough else Reception.BELOW
