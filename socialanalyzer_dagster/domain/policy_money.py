"""Policy sections for prices, caps, limits and repeats (spec 12, 13)."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum

from pydantic import Field, model_validator

from socialanalyzer_dagster.domain.policy_search import Count, Positive, Section, Share
from socialanalyzer_dagster.domain.types import PlatformKey, Stage


class Price(Section):
    """USD for `per` units; a placeholder until `confirmed_on` is set (spec 12.3)."""

    usd: Decimal = Field(ge=0)
    per: Positive = 1
    unit: str
    confirmed_on: date | None = None
    confirmed_by: str | None = None


class PriceDriftPolicy(Section):
    """When a bill says that a price of the table is out of date (spec 12.3).

    From `share` on, the bill and the table differ; a bill below `least_usd` is not judged. Bills of the last
    `listed_days` are shown beside the table.
    """

    share: Share
    least_usd: Decimal = Field(gt=0)
    listed_days: Positive


class BudgetsPolicy(Section):
    """Caps in USD per scope (spec 12.5); there is no 'unlimited'."""

    batch_default_usd: Mapping[PlatformKey, Decimal]
    batch_absolute_usd: Decimal = Field(gt=0)
    platform_day_usd: Decimal = Field(gt=0)
    day_usd: Decimal = Field(gt=0)
    month_usd: Decimal = Field(gt=0)
    provider_month_usd: Mapping[str, Decimal]
    warn_at: Share
    confirm_from_usd: Decimal = Field(gt=0)


class EstimatePolicy(Section):
    """Unit prices per stage and default pass rates (spec 12.1, 12.2)."""

    stage_usd: Mapping[PlatformKey, Mapping[Stage, Decimal]]
    pass_rates: Mapping[Stage, Share]
    measured_from_batches: Positive
    measured_days: Positive


class CachePolicy(Section):
    """For how many days a paid answer is reused, by operation (spec 12.4)."""

    reuse_days: Mapping[str, Positive]


class Window(Section):
    """At most `calls` in any `seconds`."""

    calls: Positive
    seconds: Decimal = Field(gt=0)


class Limit(Section):
    """Rate and concurrency of one bucket over all processes (spec 13.2).

    Its calls also count in the bucket `within` that the vendor counts them in.
    """

    concurrent: Positive
    windows: tuple[Window, ...] = ()
    within: str | None = None


class TokenLimit(Section):
    """How many tokens of a model may be asked for in a minute."""

    model: str
    per_minute: Positive


class LimitsPolicy(Section):
    """Buckets by name, tokens by model, and leads in work per stage and batch.

    A permit lapses `hold_seconds` after it was given, a place for an open call `lease_seconds` after its process was
    last heard of. Below `slow_below` of a quota that a vendor announces, what is left is spread over the time.
    """

    buckets: Mapping[str, Limit]
    tokens: tuple[TokenLimit, ...] = ()
    hold_seconds: Positive
    lease_seconds: Positive
    slow_below: Share
    leads_in_work: Mapping[Stage, Positive]

    @model_validator(mode="after")
    def _names_existing_buckets(self) -> "LimitsPolicy":
        for name, limit in self.buckets.items():
            parent = self.buckets.get(limit.within) if limit.within is not None else None
            if limit.within is not None and (parent is None or parent.within is not None):
                raise ValueError(f"buckets.{name}.within must name another bucket, one that is within no other")
        return self


class OnOpen(StrEnum):
    """What becomes of a batch whose vendor stays away longer than its leads wait."""

    SKIP = "skip"
    PAUSE = "pause"


class BreakerRule(Section):
    """When a vendor counts as down, after how long it is tried again, and in which stages its calls wait for it."""

    failures_in_a_row: Positive
    reset_seconds: Decimal = Field(gt=0)
    wait_in: tuple[Stage, ...] = ()
    on_open: OnOpen = OnOpen.SKIP


class BreakersPolicy(Section):
    """Circuit breakers (spec 13.2): rules by vendor, `other` for those not named.

    A breaker opens after so many failures in a row, or when more than `failure_share` of the last `window` calls
    failed. Calls wait up to `wait_resets` reset times; a probe that was not heard of for `probe_seconds` is made again.
    """

    window: Positive
    failure_share: Share
    wait_resets: Decimal = Field(ge=0)
    probe_seconds: Positive
    services: Mapping[str, BreakerRule]
    other: BreakerRule


class HealthPolicy(Section):
    """Shares of successful calls from which a vendor is shown green and yellow (spec 13.3)."""

    green_from: Share
    yellow_from: Share


class RetriesPolicy(Section):
    """The only retry policy there is (spec 13.1)."""

    attempts: Positive
    backoff_seconds: Decimal = Field(ge=0)
    backoff_factor: Decimal = Field(ge=1)
    backoff_cap_seconds: Decimal = Field(gt=0)
    longest_wait_seconds: Positive
    reissue_lost: Count
    """How often a paid call whose answer was lost is sent again by itself: once, or never (spec 12.4)."""
    cost_reread_seconds: Count
