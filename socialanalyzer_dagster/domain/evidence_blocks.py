"""The evidence blocks all platforms share: what the scoring model is shown of a lead, and what nobody could see."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from socialanalyzer_dagster.domain.content_judgements import (
    BioEvidence,
    CaptionEvidence,
    ContentItemJudgement,
    CreatorProfile,
    GridEvidence,
)
from socialanalyzer_dagster.domain.engagement import EngagementMetrics
from socialanalyzer_dagster.domain.judgement_fields import Judgement
from socialanalyzer_dagster.domain.leads import Evidence, LeadRecord
from socialanalyzer_dagster.domain.types import EvidenceId, LeadUid

Fact = str | bool | int | float | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Observation:
    """Findings from one source, e.g. "captions"; `facts` None means that this source was not observed."""

    source: str
    facts: Mapping[str, Fact] | None


Block = tuple[Observation, ...] | None
"""Observations on one subject; None = not observable on this platform (spec 9.5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceBlocks:
    """One block per subject of spec 9.5.

    `communities` are the keys of communities that were found, () when somebody looked and there was none, None when
    nobody could look.
    """

    niche: Block
    in_person_events: Block
    community_platforms: Block
    monetization: Block
    authenticity_degree: Block
    creator_visibility: Block
    audience_engagement: Block
    travel_relevance: Block
    engagement_metrics: EngagementMetrics | None
    communities: tuple[str, ...] | None


class AnalyzedItem(BaseModel):
    """S-2 with what code adds: the facts of the item beside the model's judgement; None counts are unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    judgement: ContentItemJudgement
    type: str
    url: str | None
    description: str | None
    is_pinned: bool
    likes_and_views_disabled: bool
    likes: int | None
    comments: int | None
    transcript_missing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringMaterial:
    """Everything the score prompt may show; the size of the audience is not part of it (spec 10.1).

    `category` is a category key; `assessment` is the overall assessment where there is no creator profile.
    """

    record: LeadRecord
    category: str
    blocks: EvidenceBlocks
    items: tuple[AnalyzedItem, ...] = ()
    profile: CreatorProfile | None = None
    assessment: str | None = None


def observed_blocks(
    *,
    bio: BioEvidence | None,
    captions: CaptionEvidence | None,
    grid: GridEvidence | None,
    metrics: EngagementMetrics | None,
) -> EvidenceBlocks:
    """The blocks of a platform whose bio, captions and pictures can be seen; None = that source was not observed."""
    return EvidenceBlocks(
        niche=(_facts("bio", bio, "niche_signals"), _facts("grid", grid, "niche_consistency")),
        in_person_events=(
            _facts("bio", bio, "in_person_events"),
            _facts("captions", captions, "in_person_events"),
            _facts("grid", grid, "event_promotion"),
        ),
        community_platforms=(
            _facts("bio", bio, "community_platforms"),
            _facts("captions", captions, "community_platforms"),
        ),
        monetization=(_facts("bio", bio, "monetization"),),
        authenticity_degree=(_facts("captions", captions, "authenticity_vulnerability"),),
        creator_visibility=(_facts("grid", grid, "creator_visibility"),),
        audience_engagement=(
            _facts("captions", captions, "audience_engagement"),
            _facts("grid", grid, "audience_engagement_cues"),
        ),
        travel_relevance=None,
        engagement_metrics=metrics,
        communities=None if bio is None else bio.community_platforms.platforms,
    )


def found(source: str, **facts: Fact) -> Block:
    """A block with one observation."""
    return (Observation(source, facts),)


def foreign_evidence(uid: LeadUid, evidence: Iterable[Evidence]) -> tuple[EvidenceId, ...]:
    """Ids of evidence that belongs to another lead; anything here is `evidence_mismatch`, before a prompt (I-2)."""
    return tuple(item.evidence_id for item in evidence if item.lead != uid)


def _facts(source: str, judgement: Judgement | None, name: str) -> Observation:
    return Observation(source, None if judgement is None else getattr(judgement, name).model_dump())
