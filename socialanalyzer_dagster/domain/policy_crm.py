"""Policy sections for the CRM, people's data and the running of batches (spec 2, 11, 15.2, 19)."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, model_validator

from socialanalyzer_dagster.domain.crm_properties import FIXED_RULES, KINDS, LIFECYCLE_PROPERTY, WriteRule
from socialanalyzer_dagster.domain.policy_search import Positive, Section, Share
from socialanalyzer_dagster.domain.types import PlatformKey, Stage


class CrmOutcome(StrEnum):
    """What became of a contact in the hands of sales (spec 11.7)."""

    CONTACTED = "contacted"
    MEETING = "meeting"
    WON = "won"
    LOST = "lost"

    @property
    def tells_of_contact(self) -> bool:
        """True when sales must have written to the person; a lead may be given up without a word."""
        return self is not CrmOutcome.LOST


class OutcomeRule(Section):
    """A contact whose `property` has this `value` has this outcome."""

    property: str
    value: str
    outcome: CrmOutcome


class CrmPolicy(Section):
    """How contacts are written and read back (spec 6.6, 11)."""

    existing_contact: str = Field(pattern="^(skip|update)$")
    deleted_contact: str = Field(pattern="^(leave|recreate)$")
    """What a contact becomes that somebody deleted in the CRM after we wrote it."""
    sync_without_email: bool
    ownership: Mapping[str, WriteRule]
    """Who owns each property that can be written: exactly one rule each, those of FIXED_RULES as they are there."""
    constants: Mapping[PlatformKey, Mapping[str, str]]
    """Property -> value written where its ownership says so, e.g. channel, funnel, lead_list_fit."""
    legal_basis_property: str
    legal_basis_value: str
    batch_size: int = Field(ge=1, le=100)
    read_back_seconds: Decimal = Field(ge=0)
    """How long after a write without an answer its contacts are looked for (vendor-contracts 8.2)."""
    plan_hours: Positive
    """How long a plan may be decided about and written (spec 11.2)."""
    plans_by_itself: Positive
    """A batch makes a new plan for changed contacts by itself while it has fewer plans than this."""
    retry_minutes: tuple[Positive, ...]
    """Waits before a row that the CRM did not answer for is tried again; after the last it is dead (spec 11.6)."""
    portal_time_zone: str
    """Where the CRM account's day ends: a used-up daily limit is waited out until then (spec 11.6)."""
    webhook_enabled: bool
    """Whether a workflow of the CRM is told about each contact after it was written (spec 11.6)."""
    opt_out_property: str
    """A contact with `true` here asked not to be written to (spec 11.7)."""
    outcomes: tuple[OutcomeRule, ...]
    """The first rule that fits a contact says what became of it."""
    community_labels: Mapping[str, str]
    """Community key -> option of `community_platforms_detected`; other communities are not shown (spec 11.4)."""
    no_community_label: str

    @model_validator(mode="after")
    def _is_usable(self) -> "CrmPolicy":
        if problems := [*_ownership_problems(self)]:
            raise ValueError("; ".join(problems))
        try:
            ZoneInfo(self.portal_time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            name = self.portal_time_zone
            raise ValueError(f"portal_time_zone '{name}' is no time zone, as Europe/Berlin or UTC is") from error
        return self


def _ownership_problems(crm: CrmPolicy) -> Iterator[str]:
    constants = {name for values in crm.constants.values() for name in values}
    known = {*KINDS, *constants, crm.legal_basis_property}
    if unknown := sorted(set(crm.ownership) - known):
        yield f"ownership names unknown properties: {', '.join(unknown)}"
    if missing := sorted(known - set(crm.ownership)):
        yield f"ownership lacks {', '.join(missing)}"
    for name, rule in FIXED_RULES.items():
        if crm.ownership.get(name, rule) is not rule:
            yield f"ownership.{name} is always {rule}"
    if crm.ownership.get(LIFECYCLE_PROPERTY) is WriteRule.OURS:
        yield f"ownership.{LIFECYCLE_PROPERTY} cannot be {WriteRule.OURS}: the stage of a contact would move back"


class GatesPolicy(Section):
    """Where a person must say yes (spec 15.2)."""

    requires_approval: Mapping[Stage, bool]
    person_above_contacts: Positive
    """More contacts than this are never written without a person, whatever `requires_approval` says."""
    person_above_usd: Decimal = Field(gt=0)
    """More than this is never spent by one batch without a person, nor written after it was (spec 15.2, 15.4)."""
    reminder_hours: Positive
    expiry_hours: Positive
    """Without an answer for so long the answer is no."""


class EscalationPolicy(Section):
    """What is asked although the policy asks nobody in general (spec 15.4)."""

    answer_hours: Positive
    """Without an answer for so long the answer is no."""
    permanent_errors: bool
    """Whether a batch whose vendor refused its service ends without an answer, instead of resting for ever."""


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
    """When a summary warns (spec 14.1, 14.2)."""

    low_yield: Share
    low_enriched: Share
    """Of the leads that passed screening."""
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
