"""The kinds of evidence that stages record, each with the shape of its body; checks validate stored evidence by it."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from socialanalyzer_dagster.domain.content_items import ContentItem, MediaKind
from socialanalyzer_dagster.domain.content_judgements import BioEvidence, CaptionEvidence, CreatorProfile, GridEvidence
from socialanalyzer_dagster.domain.emails import EmailStatus
from socialanalyzer_dagster.domain.engagement import EngagementMetrics
from socialanalyzer_dagster.domain.evidence_blocks import AnalyzedItem
from socialanalyzer_dagster.domain.lead_judgements import LeadScore, Salutation, Triage
from socialanalyzer_dagster.domain.leads import CandidateKind
from socialanalyzer_dagster.domain.outcomes import StepState
from socialanalyzer_dagster.domain.types import JsonObject
from socialanalyzer_dagster.platforms.facebook_judgement import FacebookProfile
from socialanalyzer_dagster.platforms.patreon_judgement import PatreonProfile

CONTENT_ITEMS = "content_items"
TRAVEL_FLAG = "travel_flag"
TRIAGE = "triage"
EMAIL_VERIFICATION = "email_verification"
ENRICHMENT_SUMMARY = "enrichment_summary"
ITEM_JUDGEMENTS = "item_judgements"
BIO_EVIDENCE = "bio_evidence"
CAPTION_EVIDENCE = "caption_evidence"
GRID_EVIDENCE = "grid_evidence"
ENGAGEMENT = "engagement"
CREATOR_PROFILE = "creator_profile"
PATREON_PROFILE = "patreon_profile"
FACEBOOK_PROFILE = "facebook_profile"
SCORE_ANSWERS = "score_answers"
SALUTATION = "salutation"
STEP_LETTERS = "ABCDEFGHIJKL"


SCORING_KINDS = frozenset({
    TRAVEL_FLAG, ITEM_JUDGEMENTS, BIO_EVIDENCE, CAPTION_EVIDENCE, GRID_EVIDENCE, ENGAGEMENT, CREATOR_PROFILE,
    PATREON_PROFILE, FACEBOOK_PROFILE,
})  # fmt: skip
"""What a score is judged on: unchanged evidence of these kinds keeps an earlier tier near a threshold (spec 10.4)."""


def step_finds(step: str) -> str:
    """Kind of what an enrichment step found: 'step_a_finds'."""
    return f"step_{step.lower()}_finds"


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StoredItem(_Body):
    """One published item as analysis reads it; media addresses are left out because they expire."""

    item_id: str
    published_at: datetime | None
    is_pinned: bool
    kind: MediaKind
    url: str | None
    title: str | None
    caption: str | None
    likes: int | None
    comments: int | None
    likes_hidden: bool
    duration_seconds: Decimal | None
    thumbnail_key: str | None

    @classmethod
    def of(cls, item: ContentItem, thumbnail_key: str | None) -> "StoredItem":
        """The stored form of an item, with where its thumbnail was put."""
        return cls(
            item_id=item.item_id,
            published_at=item.published_at,
            is_pinned=item.is_pinned,
            kind=item.kind,
            url=item.url,
            title=item.title,
            caption=item.caption,
            likes=item.likes,
            comments=item.comments,
            likes_hidden=item.likes_hidden,
            duration_seconds=item.duration_seconds,
            thumbnail_key=thumbnail_key,
        )


class ContentItems(_Body):
    """The first items without stories; `received` counts all of them, `unreadable` those that were no objects."""

    items: tuple[StoredItem, ...]
    received: int
    unreadable: int


class TravelMatch(_Body):
    """The text unit in which both word classes stand."""

    source: str
    text: str
    travel_words: tuple[str, ...]
    booking_words: tuple[str, ...]


class TravelFlagEvidence(_Body):
    """Whether the creator already hosts trips (spec 7.4)."""

    flag: bool
    match: TravelMatch | None


class TriageEvidence(Triage):
    """S-1 with what code decided: `doubt` = a reject below the confidence; `selected` item ids, () without pictures."""

    doubt: bool
    selected_content_indices: tuple[int, ...] | None = None
    selected: tuple[str, ...] = ()
    selection_fallback: bool = False
    sheet_sha256: str | None = None


class Find(_Body):
    """One value a step found."""

    field: str
    value: str
    kind: CandidateKind
    source_url: str | None


class StepFinds(_Body):
    """What one enrichment step found, and facts seen beside it."""

    finds: tuple[Find, ...]
    facts: JsonObject


class VerifiedAddress(_Body):
    """The verdict on one address."""

    email: str
    status: EmailStatus
    quality: str | None
    free: bool | None
    role: bool | None
    verified_at: datetime


class EmailVerifications(_Body):
    """All addresses step L asked about, in order."""

    addresses: tuple[VerifiedAddress, ...]


class EnrichmentSummary(_Body):
    """How every step ended, and the codes that warn."""

    steps: Mapping[str, StepState]
    warnings: tuple[str, ...]


class _Quoted(BaseModel):
    """Judgements with quotes also tell how many were dropped."""

    dropped_quotes: int = Field(default=0, ge=0)


class StoredBioEvidence(BioEvidence, _Quoted):
    """S-3 as stored."""


class StoredCaptionEvidence(CaptionEvidence, _Quoted):
    """S-4 as stored."""


class StoredPatreonProfile(PatreonProfile, _Quoted):
    """S-8 as stored."""


class StoredFacebookProfile(FacebookProfile, _Quoted):
    """S-9 as stored."""


class ItemJudgements(_Body):
    """S-2 of every selected item that could be judged, and the ids of those that could not."""

    items: tuple[AnalyzedItem, ...]
    failed: Mapping[str, str]


class ScoreAnswers(_Body):
    """All answers to S-10 in order of their ordinals."""

    answers: tuple[LeadScore, ...]


class SalutationEvidence(Salutation):
    """S-11, or the fallback when the model gave none."""

    source: Literal["model", "fallback"]


EVIDENCE_SCHEMAS: Mapping[str, type[BaseModel]] = {
    CONTENT_ITEMS: ContentItems,
    TRAVEL_FLAG: TravelFlagEvidence,
    TRIAGE: TriageEvidence,
    **{step_finds(letter): StepFinds for letter in STEP_LETTERS},
    EMAIL_VERIFICATION: EmailVerifications,
    ENRICHMENT_SUMMARY: EnrichmentSummary,
    ITEM_JUDGEMENTS: ItemJudgements,
    BIO_EVIDENCE: StoredBioEvidence,
    CAPTION_EVIDENCE: StoredCaptionEvidence,
    GRID_EVIDENCE: GridEvidence,
    ENGAGEMENT: EngagementMetrics,
    CREATOR_PROFILE: CreatorProfile,
    PATREON_PROFILE: StoredPatreonProfile,
    FACEBOOK_PROFILE: StoredFacebookProfile,
    SCORE_ANSWERS: ScoreAnswers,
    SALUTATION: SalutationEvidence,
}
"""Kind -> shape of the body; evidence of another kind is a programming error."""
