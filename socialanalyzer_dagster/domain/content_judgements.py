"""What models say about content: S-2 items, S-3 bio, S-4 captions, S-5 grid, S-7 profile (spec 9.3, 9.4)."""

from typing import Annotated, Literal

from pydantic import StringConstraints, model_validator

from socialanalyzer_dagster.domain.judgement_fields import (
    CLEANED,
    CategoryKey,
    Communities,
    Description,
    Entries,
    Flag,
    ItemCount,
    Judgement,
    Quotes,
    Ratio,
    Text80,
    Text400,
)


def _refuse_found_without_evidence(found: bool, *claims: int | tuple[str, ...]) -> None:
    if not found and any(claims):
        raise ValueError("evidence_found false requires count 0 and empty lists")


class ContentItemJudgement(Judgement):
    """S-2: one published item and what it shows about the person behind it."""

    summary: Annotated[str, StringConstraints(strict=True, min_length=40, max_length=1200), CLEANED]
    niche_theme: Text80
    shows_pov: Flag
    shows_authenticity: Flag
    shows_vulnerability: Flag
    facilitates_engagement: Flag
    event_promotion: Flag


class NicheSignals(Judgement):
    """Whether a niche can be told from the bio."""

    niche_identified: Flag
    niche_description: Description
    confidence: Ratio


class EventsInBio(Judgement):
    """Events in person that the bio speaks of."""

    evidence_found: Flag
    event_types: Entries
    confidence: Ratio

    @model_validator(mode="after")
    def _is_consistent(self) -> "EventsInBio":
        _refuse_found_without_evidence(self.evidence_found, self.event_types)
        return self


class CommunitiesInBio(Judgement):
    """Owned communities that the bio names."""

    evidence_found: Flag
    platforms: Communities
    confidence: Ratio

    @model_validator(mode="after")
    def _is_consistent(self) -> "CommunitiesInBio":
        _refuse_found_without_evidence(self.evidence_found, self.platforms)
        return self


class MonetizationInBio(Judgement):
    """Ways of earning that the bio names."""

    evidence_found: Flag
    types: Entries
    confidence: Ratio

    @model_validator(mode="after")
    def _is_consistent(self) -> "MonetizationInBio":
        _refuse_found_without_evidence(self.evidence_found, self.types)
        return self


class BioEvidence(Judgement):
    """S-3."""

    niche_signals: NicheSignals
    in_person_events: EventsInBio
    community_platforms: CommunitiesInBio
    monetization: MonetizationInBio
    quotes: Quotes


class Mentions(Judgement):
    """In how many captions something occurs."""

    evidence_found: Flag
    mention_count: ItemCount
    confidence: Ratio

    @model_validator(mode="after")
    def _is_consistent(self) -> "Mentions":
        _refuse_found_without_evidence(self.evidence_found, self.mention_count)
        return self


class QuestionsAsked(Judgement):
    """Captions that ask the audience something."""

    asks_questions: Flag
    question_count: ItemCount
    confidence: Ratio


class Openness(Judgement):
    """How much of the person the captions show; `degree` 0..1."""

    shares_personal_details: Flag
    shows_vulnerability: Flag
    degree: Ratio
    post_count: ItemCount


class CaptionEvidence(Judgement):
    """S-4."""

    in_person_events: Mentions
    community_platforms: Mentions
    audience_engagement: QuestionsAsked
    authenticity_vulnerability: Openness
    quotes: Quotes


class Visibility(Judgement):
    """Whether any person is visible, and how often: most 8+, some 4-7, rare 1-3."""

    visible_in_content: Flag
    frequency: Literal["most", "some", "rare", "none"]
    confidence: Ratio


class NicheConsistency(Judgement):
    """Whether the thumbnails share one theme."""

    consistent_theme: Flag
    niche_description: Description
    confidence: Ratio


class EventsInGrid(Judgement):
    """Thumbnails that promote an event."""

    evidence_found: Flag
    post_count: ItemCount
    confidence: Ratio

    @model_validator(mode="after")
    def _is_consistent(self) -> "EventsInGrid":
        _refuse_found_without_evidence(self.evidence_found, self.post_count)
        return self


class EngagementCues(Judgement):
    """Thumbnails whose text invites people in."""

    invitational_language: Flag
    post_count: ItemCount
    confidence: Ratio


class GridEvidence(Judgement):
    """S-5."""

    creator_visibility: Visibility
    niche_consistency: NicheConsistency
    event_promotion: EventsInGrid
    audience_engagement_cues: EngagementCues


class CreatorProfile(Judgement):
    """S-7."""

    content_category: Text80
    primary_category: CategoryKey
    content_types: Text400
    audience_engagement: Text400
    creator_presence: Text400
    monetization: Text400
    community_building: Text400
