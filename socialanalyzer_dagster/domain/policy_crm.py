"""Policy sections for the CRM, people's data and the running of batches (spec 2, 11, 15.2, 19)."""

from collections.abc import Mapping
from decimal import Decimal

from pydantic import Field, model_validator

from socialanalyzer_dagster.domain.policy_search import Positive, Section, Share
from socialanalyzer_dagster.domain.types import PlatformKey, Stage


class CrmPolicy(Section):
    """How contacts are written (spec 6.6, 11)."""

    existing_contact: str = Field(pattern="^(skip|update)$")
    sync_without_email: bool
    constants: Mapping[PlatformKey, Mapping[str, str]]
    """Property -> value written on create only, e.g. channel, funnel, lead_list_fit."""
    legal_basis_property: str
    legal_basis_value: str
    batch_size: int = Field(ge=1, le=100)
    read_back_seconds: Decimal = Field(ge=0)
    """How long after a write without an answer its contacts are looked for (vendor-contracts 8.2)."""
    community_labels: Mapping[str, str]
    """Community key -> option of `community_platforms_detected`; other communities are not shown (spec 11.4)."""
    no_community_label: str


class GatesPolicy(Section):
    """Where a person must say yes (spec 15.2)."""

    requires_approval: Mapping[Stage, bool]
    person_above_contacts: Positive
    person_above_usd: Decimal = Field(gt=0)


class OutreachRule(Section):
    """What may be done with contacts of one country group (spec 19.3)."""

    countries: tuple[str, ...]
    subscriber_kinds: tuple[str, ...]
    email_allowed: bool
    needs_notice_plan: bool


class OutreachPolicy(Section):
    """Rules by country; a country no rule names is not allowed (spec 19.3)."""

    rules: tuple[OutreachRule, ...]
    assumed_country: str
    country_names: Mapping[str, str]


class PrivacyPolicy(Section):
    """Basis and notice of the operator's processing (spec 19.1)."""

    lawful_basis: str | None
    notice_plan: str | None
    notice_days: Positive
    sensitive_terms: Mapping[str, tuple[str, ...]]
    """Kind of attribute -> words that a model may not state about a person (spec 19.6)."""
    person_words: tuple[str, ...]
    sensitive_reach_words: Positive


class RetentionPolicy(Section):
    """How long each kind of data is kept (spec 19.5)."""

    media_days: Positive
    raw_days: Positive
    """Vendor pages, provider answers and raw search results; parsed values go on serving longer reuse windows."""
    lead_days: Positive
    """Leads that were not synced, counted from their last judgement; lists of creators from their last use."""
    synced_days: Positive
    """Synced leads, counted from the last activity in the CRM."""
    minor_hours: Positive
    log_days: Positive

    @model_validator(mode="after")
    def _goes_in_order(self) -> "RetentionPolicy":
        if not max(self.media_days, self.raw_days) <= self.lead_days <= self.synced_days:
            raise ValueError("media and raw data go no later than leads, and leads no later than synced leads")
        return self


class WarningsPolicy(Section):
    """When a summary warns (spec 14.1, 14.2 as far as built)."""

    low_yield: Share
    over_estimate: Decimal = Field(gt=0)
    high_reask_rate: Share


class RuntimePolicy(Section):
    """Rhythm of the stage runner (spec 2.2, 2.4)."""

    heartbeat_seconds: Positive
    stale_heartbeat_minutes: Positive
    commit_leads: Positive
    commit_milliseconds: Positive
    progress_seconds: Positive
    settle_seconds: Positive
    batches_at_once: Positive
    relaunches: Positive
