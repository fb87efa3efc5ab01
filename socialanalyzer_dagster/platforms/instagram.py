"""The Instagram platform: creators found by a paid search, judged by what they publish."""

from collections.abc import AsyncIterator, Mapping, Sequence

from socialanalyzer_dagster.domain.content_judgements import CreatorProfile, GridEvidence
from socialanalyzer_dagster.domain.engagement import EngagementMetrics
from socialanalyzer_dagster.domain.evidence_blocks import ScoringMaterial, observed_blocks
from socialanalyzer_dagster.domain.leads import LeadRecord
from socialanalyzer_dagster.domain.outcomes import failed
from socialanalyzer_dagster.domain.ports import LeadResult, LeadWork
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.platforms.adapters import LICENSED, OFFICIAL, SHORT_MEDIA, StageFacts, adapters_of
from socialanalyzer_dagster.platforms.base import KeywordFields, Platform, StageContext
from socialanalyzer_dagster.platforms.enrichment import enrich
from socialanalyzer_dagster.platforms.evidence_kinds import (
    BIO_EVIDENCE,
    CAPTION_EVIDENCE,
    CONTENT_ITEMS,
    CREATOR_PROFILE,
    ENGAGEMENT,
    GRID_EVIDENCE,
    ITEM_JUDGEMENTS,
    ItemJudgements,
    StoredBioEvidence,
    StoredCaptionEvidence,
)
from socialanalyzer_dagster.platforms.evidence_reading import body_of
from socialanalyzer_dagster.platforms.instagram_analysis import analyze_lead
from socialanalyzer_dagster.platforms.instagram_discovery import KEY, FixedSearch, discover, from_list_row
from socialanalyzer_dagster.platforms.instagram_filters import InstagramFilters
from socialanalyzer_dagster.platforms.instagram_screening import screen_lead
from socialanalyzer_dagster.platforms.lead_stream import each_lead
from socialanalyzer_dagster.platforms.rescreening import rescreened_by_content
from socialanalyzer_dagster.platforms.scoring import scored_by

_FACTS = {
    Stage.DISCOVERED: StageFacts(
        description=(
            "Buys one search export with the batch's filters and the policy's fixed part (US, English, e-mail known, "
            "credible audience), billed per profile returned; every listed contact becomes a candidate."
        ),
        providers=("insightiq",),
        access_mode=LICENSED,
        terms_url="https://www.insightiq.ai/terms-of-service",
        allowed_fields=("handle", "name", "bio", "followers", "engagement_rate", "location", "contact details"),
    ),
    Stage.SCREENED: StageFacts(
        description=(
            "Fetches the creator's latest items, drops private, empty and inactive accounts by rule, then one vision "
            "call on a picture of bio and thumbnails drops obvious bad fits and picks the three items to analyze."
        ),
        providers=("insightiq", "openai"),
        access_mode=LICENSED,
        terms_url="https://www.insightiq.ai/terms-of-service",
        allowed_fields=("items", "captions", "engagement counts", "thumbnails", "profile facts"),
        retention_class=SHORT_MEDIA,
    ),
    Stage.ENRICHED: StageFacts(
        description=(
            "Verifies the e-mail addresses that discovery supplied, the best three at most; the policy can switch on "
            "the link page, website and person lookups."
        ),
        providers=("email_verifier",),
        access_mode=OFFICIAL,
        terms_url="https://www.millionverifier.com/terms-of-service",
        allowed_fields=("email",),
    ),
    Stage.ANALYZED: StageFacts(
        description=(
            "Judges three items (picture, or spoken words of a video), bio, captions and a grid of thumbnails, counts "
            "engagement in code, and sums the creator up in one profile: about eight model calls per lead."
        ),
        providers=("insightiq", "openai"),
        access_mode=OFFICIAL,
        terms_url="https://openai.com/policies/",
        allowed_fields=("media of the selected items", "thumbnails", "captions", "bio"),
        retention_class=SHORT_MEDIA,
    ),
}


async def enrich_with_content(works: Sequence[LeadWork], context: StageContext) -> AsyncIterator[LeadResult]:
    """Enrichment; a lead without stored items never reaches a paid step (spec 2.3)."""
    ready = [work for work in works if CONTENT_ITEMS in work.evidence]
    for work in works:
        if CONTENT_ITEMS not in work.evidence:
            yield LeadResult(uid=work.uid, outcome=failed(Stage.ENRICHED, "no_content_items"))
    async for result in enrich(ready, context):
        yield result


def scoring_material(work: LeadWork) -> ScoringMaterial | None:
    """The analysis as scoring sees it; None without a creator profile."""
    evidence = work.evidence
    profile = body_of(evidence, CREATOR_PROFILE, CreatorProfile)
    if profile is None:
        return None
    judged = body_of(evidence, ITEM_JUDGEMENTS, ItemJudgements)
    return ScoringMaterial(
        record=work.record,
        category=profile.primary_category,
        blocks=observed_blocks(
            bio=body_of(evidence, BIO_EVIDENCE, StoredBioEvidence),
            captions=body_of(evidence, CAPTION_EVIDENCE, StoredCaptionEvidence),
            grid=body_of(evidence, GRID_EVIDENCE, GridEvidence),
            metrics=body_of(evidence, ENGAGEMENT, EngagementMetrics),
        ),
        items=judged.items if judged else (),
        profile=profile,
    )


def crm_properties(record: LeadRecord) -> Mapping[str, str | None]:
    """The platform's own rows of spec 11.4."""
    rate = record.engagement_rate
    return {
        "instagram_handle": record.profile_url,
        "flagship_social_platform": "instagram",
        "flagship_social_platform_handle": record.handle,
        "instagram_bio": record.bio,
        "instagram_followers": None if record.audience_size is None else str(record.audience_size),
        "average_engagement": None if rate is None else str(rate),
    }


INSTAGRAM = Platform(
    key=KEY,
    label="Instagram",
    description="Creators with a public account, found by followers, interests, hashtags, bio words and similarity.",
    adapters=adapters_of(KEY, _FACTS),
    filter_model=InstagramFilters,
    fixed_search=FixedSearch,
    keywords=KeywordFields(read=("hashtags", "bio_phrase"), ideas="hashtags"),
    discover=discover,
    from_list_row=from_list_row,
    screen=each_lead(screen_lead, Stage.SCREENED),
    enrich=enrich_with_content,
    analyze=each_lead(analyze_lead, Stage.ANALYZED),
    score=scored_by(scoring_material),
    rescreen=rescreened_by_content,
    scoring_material=scoring_material,
    crm_properties=crm_properties,
    expected_yield={
        Stage.DISCOVERED: 0.70, Stage.SCREENED: 0.80, Stage.ENRICHED: 0.85, Stage.ANALYZED: 0.98, Stage.SCORED: 0.90,
        Stage.SYNCED: 0.95,
    },
)  # fmt: skip
