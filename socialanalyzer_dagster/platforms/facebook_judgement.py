"""S-9: how a Facebook group is judged by its search result, and what that says in the shared blocks (spec 9.4, 9.5)."""

from typing import Literal

from socialanalyzer_dagster.domain.answer_schemas import answer_about
from socialanalyzer_dagster.domain.evidence_blocks import EvidenceBlocks, found
from socialanalyzer_dagster.domain.judgement_fields import Assessment, CategoryKey, Flag, Judgement, Quotes, Text200
from socialanalyzer_dagster.domain.judgements import AnswerSchema
from socialanalyzer_dagster.domain.lead_prompts import data_of, passage
from socialanalyzer_dagster.domain.leads import LeadRecord
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.prompts import Line, PromptText, PromptWriter

PROMPT_ID = "facebook_profile_v1"
_SOURCE = "search result"
_COMMUNITY = "facebook_group"


class FacebookProfile(Judgement):
    """S-9."""

    niche_description: Text200
    primary_category: CategoryKey
    community_health: Literal["healthy", "moderate", "low"]
    travel_relevance: Literal["high", "medium", "low"]
    engagement_level: Literal["high", "medium", "low"]
    admin_identifiable: Flag
    overall_assessment: Assessment
    quotes: Quotes


def facebook_profile_schema(record: LeadRecord, policy: Policy) -> AnswerSchema[FacebookProfile]:
    """The named answer of S-9."""
    return answer_about(record, PROMPT_ID, FacebookProfile, policy=policy)


def facebook_profile_prompt(writer: PromptWriter, record: LeadRecord) -> PromptText:
    """The question of S-9: name, description, counts, visibility and the search snippet (spec 9.2)."""
    llm = writer.policy.llm
    return writer.write(
        PROMPT_ID,
        data_of(
            record,
            Line("name", record.display_name),
            Line("members", record.audience_size),
            Line("posts per month", record.posts_per_month),
            Line("visibility", record.visibility),
            passage("description", record.bio, llm.bio_chars),
            passage("search snippet", record.search_snippet, llm.caption_chars),
        ),
    )


def facebook_blocks(profile: FacebookProfile) -> EvidenceBlocks:
    """S-9 in the common blocks; what a search result cannot show is None (spec 9.5)."""
    return EvidenceBlocks(
        niche=found(_SOURCE, niche_description=profile.niche_description),
        in_person_events=None,
        community_platforms=found(_SOURCE, platforms=(_COMMUNITY,), community_health=profile.community_health),
        monetization=None,
        authenticity_degree=None,
        creator_visibility=found(_SOURCE, admin_identifiable=profile.admin_identifiable),
        audience_engagement=found(_SOURCE, engagement_level=profile.engagement_level),
        travel_relevance=found(_SOURCE, travel_relevance=profile.travel_relevance),
        engagement_metrics=None,
        communities=(_COMMUNITY,),
    )
