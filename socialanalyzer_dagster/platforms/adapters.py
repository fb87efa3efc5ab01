"""Declarations of the (platform, stage) pairs: what a stage takes from whom, by which way in, and how long it stays."""

from collections.abc import Mapping
from dataclasses import dataclass

from socialanalyzer_dagster.domain.types import PlatformKey, Stage
from socialanalyzer_dagster.platforms.base import StageAdapter

LICENSED = "licensed vendor"
OFFICIAL = "official API"
LOGGED_OUT = "logged-out public"
NOT_REVIEWED = "not reviewed"
"""No person has recorded a review of the vendor's terms yet; the operator writes the date."""

LEAD_DATA = "lead"
"""Kept as long as the lead (spec 19.5)."""
SHORT_MEDIA = "media"
"""Images and videos: 7 days (spec 19.5)."""
CRM_DATA = "synced_lead"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFacts:
    """What one platform says about one stage; the rest of its declaration follows from the pair."""

    description: str
    providers: tuple[str, ...]
    access_mode: str
    terms_url: str
    allowed_fields: tuple[str, ...]
    retention_class: str = LEAD_DATA


SCORE_FACTS = StageFacts(
    description=(
        "Asks the text model for five section scores from the evidence alone (no audience numbers), repeats the "
        "question near a tier threshold, and computes base, boost, adjustment, floor and tier in code. Leads under "
        "the minimum are rejected with their score; the others get a salutation."
    ),
    providers=("openai",),
    access_mode=OFFICIAL,
    terms_url="https://openai.com/policies/",
    allowed_fields=("evidence blocks", "item summaries", "creator profile", "display_name", "bio"),
)

SYNC_FACTS = StageFacts(
    description=(
        "Writes the approved plan's rows to the CRM by our own unique id; e-mails that are invalid or disposable are "
        "never written, unverified ones are held."
    ),
    providers=("hubspot",),
    access_mode=OFFICIAL,
    terms_url="https://legal.hubspot.com/terms-of-service",
    allowed_fields=("contact fields", "links", "score", "tier", "evidence summary", "lineage"),
    retention_class=CRM_DATA,
)


def adapters_of(platform: PlatformKey, facts: Mapping[Stage, StageFacts]) -> Mapping[Stage, StageAdapter]:
    """Complete declarations by stage (spec 3.2); scored and synced are the same for every platform.

    `unit_price_key` is the path of the stage's unit price in the policy, "none" where a stage costs nothing.
    """
    complete = {**facts, Stage.SCORED: SCORE_FACTS, Stage.SYNCED: SYNC_FACTS}
    return {stage: _adapter(platform, stage, known) for stage, known in complete.items()}


def _adapter(platform: PlatformKey, stage: Stage, facts: StageFacts) -> StageAdapter:
    free = stage is Stage.SYNCED
    return StageAdapter(
        name=f"{platform}_{stage}",
        description=facts.description,
        providers=facts.providers,
        unit_price_key="none" if free else f"estimate.stage_usd.{platform}.{stage}",
        access_mode=facts.access_mode,
        terms_url=facts.terms_url,
        terms_reviewed_on=NOT_REVIEWED,
        allowed_fields=facts.allowed_fields,
        retention_class=facts.retention_class,
        keeps_media=facts.retention_class == SHORT_MEDIA,
    )
