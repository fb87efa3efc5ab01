"""What a lead should look like in the CRM: facts in, property values as text out (spec 11.4)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlsplit

from socialanalyzer_dagster.domain.content_judgements import CreatorProfile
from socialanalyzer_dagster.domain.crm_properties import (
    CHOICE_SEPARATOR,
    EMAIL_ALLOWED,
    EMAIL_NOT_ALLOWED,
    LINK_PROPERTIES,
    PROFILE_PROPERTIES,
    SCORE_PROPERTIES,
    UNIQUE_PROPERTY,
    WriteRule,
)
from socialanalyzer_dagster.domain.emails import EmailStatus
from socialanalyzer_dagster.domain.leads import LeadRecord
from socialanalyzer_dagster.domain.outside_text import known_text
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.scores import ScoreRecord

LONGEST_VALUE = 65_536
"""Characters the CRM stores per text value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisFacts:
    """What was found out by reading; None = not part of this platform, or not observed."""

    category: str | None = None
    profile: CreatorProfile | None = None
    item_summaries: tuple[str, ...] = ()
    assessment: str | None = None
    communities: tuple[str, ...] | None = None
    items_analyzed: int | None = None
    analyzed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Where a contact comes from; `contact_source` names provider and step of the address."""

    batch_key: str
    policy_version: str
    evidence_link: str | None
    contact_source: str | None
    collected_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadFacts:
    """Everything the mapping reads of a lead.

    `values` are the resolved contact fields (field -> value), which stand above the record's own; `platform_properties`
    are the ones only the lead's platform fills, flagship platform and handle included; `warnings` are the codes of
    steps and evidence blocks that are missing; `override` is the tier a person gave the lead, whatever its score says.
    """

    record: LeadRecord
    values: Mapping[str, str]
    email_status: EmailStatus | None
    salutation: str | None
    score: ScoreRecord
    analysis: AnalysisFacts
    lineage: Lineage
    email_allowed: bool
    platform_properties: Mapping[str, str | None]
    warnings: tuple[str, ...] = ()
    override: str | None = None

    @property
    def tier(self) -> str | None:
        """The tier that the CRM and the queue go by."""
        return self.override or self.score.tier


def desired_properties(facts: LeadFacts, policy: Policy) -> dict[str, str]:
    """Property -> text for every known fact that the policy lets anybody write, cut to the CRM's limit.

    Unknown and empty values are absent. Raises KeyError for a property without an owner.
    """
    pairs = [
        *_identity(facts),
        *_contact(facts),
        *facts.platform_properties.items(),
        *policy.crm.constants.get(facts.record.platform, {}).items(),
        *_score(facts.score),
        ("priority_tier", facts.tier),
        *_analysis(facts.analysis, policy),
        *_lineage(facts, policy),
    ]
    owned = policy.crm.ownership
    known = ((name, value) for name, value in pairs if value is not None and owned[name] is not WriteRule.NEVER)
    texts = ((name, known_text(value, LONGEST_VALUE)) for name, value in known)
    return {name: text for name, text in texts if text is not None}


def notice_due_at(collected_at: datetime, policy: Policy) -> datetime:
    """When the person must have been told at the latest, unless contacted earlier (spec 19.1)."""
    return collected_at + timedelta(days=policy.privacy.notice_days)


_Pairs = Iterator[tuple[str, str | None]]


def _identity(facts: LeadFacts) -> _Pairs:
    yield UNIQUE_PROPERTY, facts.record.uid
    yield "firstname", facts.salutation
    yield "first_and_last_name", facts.record.display_name or facts.values.get("name")


def _contact(facts: LeadFacts) -> _Pairs:
    record, values = facts.record, facts.values
    links = {**record.links, **values}
    email = values.get("email")
    yield "email", email
    if email is not None and facts.email_status is not None:
        yield "email_verification_status", facts.email_status
    yield "email_outreach", EMAIL_ALLOWED if facts.email_allowed else EMAIL_NOT_ALLOWED
    yield "phone", values.get("phone")
    for name, kind in LINK_PROPERTIES.items():
        yield name, links.get(kind)
    yield "twitterhandle", _handle_in(links.get("twitter"))
    yield "city", values.get("city") or record.city
    yield "state", values.get("region") or record.region
    yield "country", values.get("country") or record.country


def _score(score: ScoreRecord) -> _Pairs:
    yield "lead_score", _decimals(score.lead_score)
    yield "manual_score", _decimals(score.base)
    yield "follower_boost_applied", _decimals(score.boost)
    yield "engagement_adjustment_applied", _decimals(score.adjustment)
    yield "category_penalty_applied", _decimals(score.penalty)
    if score.expected_precision is not None:
        yield "expected_precision", _decimals(score.expected_precision)
    yield "score_reasoning", score.reasoning
    for dimension, name in SCORE_PROPERTIES.items():
        yield name, _decimals(score.sections[dimension])


def _analysis(analysis: AnalysisFacts, policy: Policy) -> _Pairs:
    yield "content_summary_structured", "\n\n".join(analysis.item_summaries) or analysis.assessment
    if analysis.category is not None:
        yield "primary_category", policy.categories.labels.get(analysis.category)
    if analysis.profile is not None:
        for name, field_name in PROFILE_PROPERTIES.items():
            yield name, getattr(analysis.profile, field_name)
    if analysis.communities is not None:
        yield "has_community_platform", "true" if analysis.communities else "false"
        yield "community_platforms_detected", _community_labels(analysis.communities, policy)
    if analysis.items_analyzed is not None:
        yield "items_analyzed", str(analysis.items_analyzed)
    if analysis.analyzed_at is not None:
        yield "analyzed_at", _moment(analysis.analyzed_at)


def _lineage(facts: LeadFacts, policy: Policy) -> _Pairs:
    lineage = facts.lineage
    yield "enrichment_status", "warning" if facts.warnings else "success"
    yield "enrichment_error_details", ", ".join(facts.warnings)
    yield "lead_batch_id", lineage.batch_key
    yield "policy_version", lineage.policy_version
    yield "evidence_link", lineage.evidence_link
    yield "contact_source", lineage.contact_source
    if policy.privacy.lawful_basis is not None:
        yield policy.crm.legal_basis_property, policy.crm.legal_basis_value
    yield "notice_due_at", _moment(notice_due_at(lineage.collected_at, policy))


def _community_labels(communities: tuple[str, ...], policy: Policy) -> str:
    labels = [label for key, label in policy.crm.community_labels.items() if key in communities]
    return CHOICE_SEPARATOR.join(labels) or policy.crm.no_community_label


def _handle_in(url: str | None) -> str | None:
    if url is None:
        return None
    return urlsplit(url).path.strip("/").split("/")[0].lstrip("@") or None


def _decimals(value: Decimal) -> str:
    return f"{value:.4f}"


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
