"""S-8: how a Patreon page is judged by its text, and what that says in the shared blocks (spec 9.4, 9.5)."""

from typing import Literal

from pydantic import model_validator

from socialanalyzer_dagster.domain.answer_schemas import answer_about
from socialanalyzer_dagster.domain.evidence_blocks import EvidenceBlocks, found
from socialanalyzer_dagster.domain.judgement_fields import (
    Assessment,
    CategoryKey,
    Entries,
    Flag,
    Judgement,
    Quotes,
    Ratio,
    Text200,
)
from socialanalyzer_dagster.domain.judgements import AnswerSchema
from socialanalyzer_dagster.domain.lead_prompts import data_of, passage
from socialanalyzer_dagster.domain.leads import LeadRecord
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.prompts import Line, PromptText, PromptWriter

PROMPT_ID = "patreon_profile_v1"
_SOURCE = "membership page"


class EventEvidence(Judgement):
    """Events in person that the page speaks of."""

    evidence_found: Flag
    event_types: Entries

    @model_validator(mode="after")
    def _is_consistent(self) -> "EventEvidence":
        if not self.evidence_found and self.event_types:
            raise ValueError("evidence_found false requires count 0 and empty lists")
        return self


class PatreonProfile(Judgement):
    """S-8."""

    niche_description: Text200
    primary_category: CategoryKey
    audience_type: Literal["identity", "interest", "mixed"]
    community_signals: Entries
    monetization_sophistication: Literal["high", "medium", "low"]
    event_evidence: EventEvidence
    authenticity_score: Ratio | None
    overall_assessment: Assessment
    quotes: Quotes


def patreon_profile_schema(record: LeadRecord, policy: Policy) -> AnswerSchema[PatreonProfile]:
    """The named answer of S-8."""
    return answer_about(record, PROMPT_ID, PatreonProfile, policy=policy)


def patreon_profile_prompt(writer: PromptWriter, record: LeadRecord, *, has_email: bool) -> PromptText:
    """The question of S-8: name, counts, kinds of links, website and the start of the page's text (spec 9.2)."""
    return writer.write(
        PROMPT_ID,
        data_of(
            record,
            Line("name", record.display_name),
            Line("patrons", record.audience_size),
            Line("paying patrons", record.paid_audience_size),
            Line("posts", record.post_count),
            Line("tiers", record.tier_count),
            Line("link kinds", tuple(sorted(record.links))),
            Line("e-mail address known", has_email),
            Line("website", record.links.get("personal_website")),
            passage("about", record.bio, writer.policy.llm.about_chars),
        ),
    )


def patreon_blocks(profile: PatreonProfile) -> EvidenceBlocks:
    """S-8 in the common blocks; what a page cannot show is None (spec 9.5)."""
    level = profile.monetization_sophistication
    return EvidenceBlocks(
        niche=found(_SOURCE, niche_description=profile.niche_description, audience_type=profile.audience_type),
        in_person_events=found(_SOURCE, **profile.event_evidence.model_dump()),
        community_platforms=found(_SOURCE, community_signals=profile.community_signals, platforms=("patreon",)),
        monetization=found(_SOURCE, evidence_found=level != "low", level=level),
        authenticity_degree=found(_SOURCE, degree=profile.authenticity_score),
        creator_visibility=None,
        audience_engagement=None,
        travel_relevance=None,
        engagement_metrics=None,
        communities=("patreon",),
    )
