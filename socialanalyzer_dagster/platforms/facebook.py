"""The Facebook Groups platform: groups seen through search results only, judged by what those say."""

from collections.abc import Mapping

from socialanalyzer_dagster.domain.evidence_blocks import ScoringMaterial
from socialanalyzer_dagster.domain.leads import LeadRecord
from socialanalyzer_dagster.domain.ports import LeadWork
from socialanalyzer_dagster.domain.range_rules import members_problem, posting_rate_problem, visibility_problem
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.platforms.adapters import LOGGED_OUT, OFFICIAL, StageFacts, adapters_of
from socialanalyzer_dagster.platforms.base import KeywordFields, Platform
from socialanalyzer_dagster.platforms.enrichment import enrich
from socialanalyzer_dagster.platforms.evidence_kinds import FACEBOOK_PROFILE, StoredFacebookProfile
from socialanalyzer_dagster.platforms.evidence_reading import body_of
from socialanalyzer_dagster.platforms.facebook_discovery import KEY, FixedSearch, discover, from_list_row
from socialanalyzer_dagster.platforms.facebook_filters import FacebookFilters
from socialanalyzer_dagster.platforms.facebook_judgement import (
    facebook_blocks,
    facebook_profile_prompt,
    facebook_profile_schema,
)
from socialanalyzer_dagster.platforms.one_call_analysis import OneCall, analyzed_by
from socialanalyzer_dagster.platforms.rescreening import rescreened_by_text
from socialanalyzer_dagster.platforms.scoring import scored_by
from socialanalyzer_dagster.platforms.text_triage import screened_by_text

_FACTS = {
    Stage.DISCOVERED: StageFacts(
        description=(
            "Three web searches per keyword limited to group addresses, billed per results page; name, members, "
            "posting rate and visibility are read from title and snippet. No Facebook page is opened."
        ),
        providers=("apify",),
        access_mode=LOGGED_OUT,
        terms_url="https://docs.apify.com/legal",
        allowed_fields=("group address", "title", "snippet"),
    ),
    Stage.SCREENED: StageFacts(
        description=(
            "Drops groups outside the batch's member range, posting rate and visibility by rule (unknown passes), "
            "then the small model drops obvious bad fits from the text."
        ),
        providers=("openai",),
        access_mode=OFFICIAL,
        terms_url="https://openai.com/policies/",
        allowed_fields=("name", "description", "snippet", "counts"),
    ),
    Stage.ENRICHED: StageFacts(
        description=(
            "Looks for the organiser, a website and an e-mail in search results, linked accounts and the group's own "
            "site, then in paid lookups by domain, and verifies what it found: steps A to L, at most $0.10 per lead."
        ),
        providers=("apify", "apollo", "email_verifier"),
        access_mode=LOGGED_OUT,
        terms_url="https://docs.apify.com/legal",
        allowed_fields=("email", "phone", "organiser name", "links", "public biographies"),
    ),
    Stage.ANALYZED: StageFacts(
        description="One text call judges niche, health of the community, engagement and closeness to travel.",
        providers=("openai",),
        access_mode=OFFICIAL,
        terms_url="https://openai.com/policies/",
        allowed_fields=("name", "description", "snippet", "counts", "visibility"),
    ),
}


def rule_problem(record: LeadRecord, filters: object) -> str | None:
    """The first rule of spec 7.1 that the group breaks; a creator list has no ranges."""
    if not isinstance(filters, FacebookFilters):
        return None
    return (
        members_problem(record.audience_size, filters.min_members, filters.max_members)
        or visibility_problem(filters.visibility, record.visibility)
        or posting_rate_problem(record.posts_per_month, filters.min_posts_per_month)
    )


def scoring_material(work: LeadWork) -> ScoringMaterial | None:
    """The analysis as scoring sees it; None when there is none."""
    profile = body_of(work.evidence, FACEBOOK_PROFILE, StoredFacebookProfile)
    if profile is None:
        return None
    return ScoringMaterial(
        record=work.record,
        category=profile.primary_category,
        blocks=facebook_blocks(profile),
        assessment=profile.overall_assessment,
    )


def crm_properties(record: LeadRecord) -> Mapping[str, str | None]:
    """The platform's own rows of spec 11.4."""
    return {
        "flagship_social_platform": "facebook_group",
        "flagship_social_platform_handle": record.handle,
        "facebook_group_link": record.profile_url,
        "facebook_group_name": record.display_name,
        "facebook_group_size": None if record.audience_size is None else str(record.audience_size),
        "facebook_group_description": record.bio,
    }


FACEBOOK = Platform(
    key=KEY,
    label="Facebook Groups",
    description="Public and private groups, found by keywords in web search results.",
    adapters=adapters_of(KEY, _FACTS),
    filter_model=FacebookFilters,
    fixed_search=FixedSearch,
    keywords=KeywordFields(read=("keywords",), ideas="keywords"),
    discover=discover,
    from_list_row=from_list_row,
    screen=screened_by_text(rule_problem),
    enrich=enrich,
    analyze=analyzed_by(
        OneCall(
            kind=FACEBOOK_PROFILE,
            prompt=lambda writer, work: facebook_profile_prompt(writer, work.record),
            schema=facebook_profile_schema,
            quotable=lambda record: (record.bio, record.search_snippet),
        )
    ),
    score=scored_by(scoring_material),
    rescreen=rescreened_by_text(rule_problem),
    scoring_material=scoring_material,
    crm_properties=crm_properties,
    expected_yield={
        Stage.DISCOVERED: 0.70, Stage.SCREENED: 0.90, Stage.ENRICHED: 0.40, Stage.ANALYZED: 0.98, Stage.SCORED: 0.90,
        Stage.SYNCED: 0.95,
    },
)  # fmt: skip
