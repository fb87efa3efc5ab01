"""Policy sections for finding, screening and enriching leads (spec 5 to 8)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from socialanalyzer_dagster.domain.types import JsonValue, PlatformKey

Share = Annotated[Decimal, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
PAGE_STEPS = ("B", "C", "D", "G", "I")
SEARCH_STEPS = ("A", "H")
STEP_LETTERS = tuple("ABCDEFGHIJKL")
"""The enrichment steps of spec 8.1; those that crawl and those that search have settings of their own."""


class Section(BaseModel):
    """A part of the policy document: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SearchPolicy(Section):
    """Filter defaults and re-check windows (spec 5.1 to 5.4, 6.6)."""

    defaults: Mapping[PlatformKey, Mapping[str, JsonValue]]
    recheck_days: Positive
    refresh_days: Positive
    claim_hours: Positive


class InterestsPolicy(Section):
    """The accepted interest values with their aliases (spec 5.5)."""

    values: Mapping[str, tuple[str, ...]]


class NoveltyPolicy(Section):
    """When a search counts as stale (spec 5.7)."""

    stale_below: Share


class SimilarityPolicy(Section):
    """Weights and reach of the comparison with past searches (spec 5.8)."""

    newest_batches: Positive
    token_weight: Share
    range_weight: Share
    report_at: Share

    @model_validator(mode="after")
    def _weights_sum_to_one(self) -> "SimilarityPolicy":
        if self.token_weight + self.range_weight != 1:
            raise ValueError("token_weight and range_weight must sum to 1")
        return self


class DiscoveryPolicy(Section):
    """What is fixed in discovery requests, and how long a vendor job may take (spec 6.2 to 6.4).

    `fixed` holds, per platform, request parts that only the policy can change.
    """

    fixed: Mapping[PlatformKey, Mapping[str, JsonValue]]
    poll_seconds: Decimal = Field(ge=0)
    wait_seconds: Positive
    give_up_hours: Positive
    actor_seconds: Positive
    actor_memory_mb: Positive


class ScreeningPolicy(Section):
    """Activity rules, triage lists and travel words (spec 7)."""

    max_inactive_days: Positive
    max_gap_days: Positive
    reject_confidence: Share
    text_triage: bool
    thumbnails_shown: Positive
    thumbnails_selected: Positive
    reject_topics: Mapping[str, str]
    reject_profiles: Mapping[str, str]
    never_reject: tuple[str, ...]
    travel_words: tuple[str, ...]
    booking_words: tuple[str, ...]
    travel_items: Positive


class PageStep(Section):
    """How one crawling step reads its pages (spec 8.1)."""

    seconds: Positive
    concurrency: Positive
    text_chars: Positive
    links: Positive


class SearchStep(Section):
    """How one searching step asks (spec 8.1)."""

    seconds: Positive
    queries_per_call: Positive
    results_per_query: Positive


class EnrichmentPolicy(Section):
    """Which steps run, in which size of chunks, and what a lead may cost (spec 8.1)."""

    steps: Mapping[PlatformKey, tuple[str, ...]]
    chunk_size: Positive
    max_lead_usd: Decimal = Field(gt=0)
    require_email: bool
    max_verifications: Positive
    crawl_pages: Positive
    finder_leads_per_domain: Positive
    finder_max_leads: Positive
    unmapped_share_max: Share
    page_steps: Mapping[str, PageStep]
    search_steps: Mapping[str, SearchStep]
    profile_seconds: Positive
    finder_seconds: Positive


class HostsPolicy(Section):
    """Registered domains with a special meaning (spec 8.2)."""

    aggregators: tuple[str, ...]
    never_website: tuple[str, ...]
    never_lookup: tuple[str, ...]
    crawl_words: tuple[str, ...]
    crawl_paths: tuple[str, ...]
    direct_paths: tuple[str, ...]


class EmailsPolicy(Section):
    """Which addresses are never contacts, and what kind the others are (spec 8.3, 8.4)."""

    blocked_suffixes: tuple[str, ...]
    blocked_domains: tuple[str, ...]
    blocked_addresses: tuple[str, ...]
    blocked_local_parts: tuple[str, ...]
    personal_domains: tuple[str, ...]
    personal_names_any_suffix: tuple[str, ...]
    role_local_parts: tuple[str, ...]
    name_roles: tuple[str, ...]
    """Words beside which a person's name stands."""
    non_person_words: tuple[str, ...]
    """Words that make a display name the name of a business, show or place."""
