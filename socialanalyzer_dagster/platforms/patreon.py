"""The Patreon platform: membership pages found by keyword, judged by their text and counts."""

from collections.abc import Mapping

from socialanalyzer_dagster.domain.evidence_blocks import ScoringMaterial
from socialanalyzer_dagster.domain.leads import LeadRecord
from socialanalyzer_dagster.domain.ports import LeadWork
from socialanalyzer_dagster.domain.range_rules import nsfw_problem, patrons_problem, posts_problem
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.platforms.adapters import LOGGED_OUT, OFFICIAL, StageFacts, adapters_of
from socialanalyzer_dagster.platforms.base import KeywordFields, Platform
from socialanalyzer_dagster.platforms.enrichment import enrich
from socialanalyzer_dagster.platforms.evidence_kinds import PATREON_PROFILE, StoredPatreonProfile
from socialanalyzer_dagster.platforms.evidence_reading import body_of
from socialanalyzer_dagster.platforms.one_call_analysis import OneCall, analyzed_by
from socialanalyzer_dagster.platforms.patreon_discovery import KEY, FixedSearch, discover, from_list_row
from socialanalyzer_dagster.platforms.patreon_filters import PatreonFilters
from socialanalyzer_dagster.platforms.patreon_judgement import (
    patreon_blocks,
    patreon_profile_prompt,
    patreon_profile_schema,
)
from socialanalyzer_dagster.platforms.rescreening import rescreened_by_text
from socialanalyzer_dagster.platforms.scoring import scored_by
from socialanalyzer_dagster.platforms.text_triage import screened_by_text

_FACTS = {
    Stage.DISCOVERED: StageFacts(
        description=(
            "Runs a search actor with one query per keyword and the location, billed per creator; links and addresses "
            "on the page become candidates."
        ),
        providers=("apify",),
        access_mode=LOGGED_OUT,
        terms_url="https://www.patreon.com/policy/legal",
        allowed_fields=("name", "about", "patron counts", "post count", "tiers", "links", "is_nsfw"),
    ),
    Stage.SCREENED: StageFacts(
        description=(
            "Drops adult pages and pages outside the batch's ranges by rule (unknown counts pass), then the small "
            "model drops obvious bad fits from the text."
        ),
        providers=("openai",),
        access_mode=OFFICIAL,
        terms_url="https://openai.com/policies/",
        allowed_fields=("name", "about", "counts"),
    ),
    Stage.ENRICHED: StageFacts(
        description=(
            "Looks for an e-mail in feeds, link pages, linked accounts, search results and the creator's own site, "
            "then in paid lookups by domain, and verifies what it found: steps B to L, at most $0.10 per lead."
        ),
        providers=("apify", "apollo", "email_verifier"),
        access_mode=LOGGED_OUT,
        terms_url="https://docs.apify.com/legal",
        allowed_fields=("email", "phone", "name", "links", "public biographies"),
    ),
    Stage.ANALYZED: StageFacts(
        description="One text call judges niche, audience, community, events and the way of earning from the page.",
        providers=("openai",),
        access_mode=OFFICIAL,
        terms_url="https://openai.com/policies/",
        allowed_fields=("name", "about", "counts", "link kinds", "website"),
    ),
}


def rule_problem(record: LeadRecord, filters: object) -> str | None:
    """The first rule of spec 7.1 that the page breaks; a creator list has no ranges."""
    if problem := nsfw_problem(record.is_nsfw):
        return problem
    if not isinstance(filters, PatreonFilters):
        return None
    return patrons_problem(record.audience_size, filters.min_patrons, filters.max_patrons) or posts_problem(
        record.post_count, filters.min_posts
    )


def scoring_material(work: LeadWork) -> ScoringMaterial | None:
    """The analysis as scoring sees it; None when there is none."""
    profile = body_of(work.evidence, PATREON_PROFILE, StoredPatreonProfile)
    if profile is None:
        return None
    return ScoringMaterial(
        record=work.record,
        category=profile.primary_category,
        blocks=patreon_blocks(profile),
        assessment=profile.overall_assessment,
    )


def crm_properties(record: LeadRecord) -> Mapping[str, str | None]:
    """The platform's own rows of spec 11.4."""
    return {
        "patreon_link": record.profile_url,
        "flagship_social_platform": "patreon",
        "flagship_social_platform_handle": record.handle,
        "patreon_title": record.display_name,
        "patreon_description": record.bio,
        "total_patrons": None if record.audience_size is None else str(record.audience_size),
        "paid_patrons": None if record.paid_audience_size is None else str(record.paid_audience_size),
    }


PATREON = Platform(
    key=KEY,
    label="Patreon",
    description="Creators with a membership page, found by keywords and place.",
    adapters=adapters_of(KEY, _FACTS),
    filter_model=PatreonFilters,
    fixed_search=FixedSearch,
    keywords=KeywordFields(read=("search_keywords",), ideas="search_keywords"),
    discover=discover,
    from_list_row=from_list_row,
    screen=screened_by_text(rule_problem),
    enrich=enrich,
    analyze=analyzed_by(
        OneCall(
            kind=PATREON_PROFILE,
            prompt=lambda writer, work: patreon_profile_prompt(
                writer, work.record, has_email=any(one.field == "email" for one in work.candidates)
            ),
            schema=patreon_profile_schema,
            quotable=lambda record: (record.bio,),
        )
    ),
    score=scored_by(scoring_material),
    rescreen=rescreened_by_text(rule_problem),
    scoring_material=scoring_material,
    crm_properties=crm_properties,
    expected_yield={
        Stage.DISCOVERED: 0.70, Stage.SCREENED: 0.90, Stage.ENRICHED: 0.50, Stage.ANALYZED: 0.98, Stage.SCORED: 0.90,
        Stage.SYNCED: 0.95,
    },
)  # fmt: skip
