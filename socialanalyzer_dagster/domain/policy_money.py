"""Policy sections for prices, caps, limits and repeats (spec 12, 13)."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from pydantic import Field

from socialanalyzer_dagster.domain.policy_search import Count, Positive, Section, Share
from socialanalyzer_dagster.domain.types import PlatformKey, Stage


class Price(Section):
    """USD for `per` units; a placeholder until `confirmed_on` is set (spec 12.3)."""

    usd: Decimal = Field(ge=0)
    per: Positive = 1
    unit: str
    confirmed_on: date | None = None
    confirmed_by: str | None = None


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
    """Rate and concurrency of one bucket (spec 13.2)."""

    concurrent: Positive
    windows: tuple[Window, ...] = ()


class LimitsPolicy(Section):
    """Buckets by name, and leads in work per stage and batch."""

    buckets: Mapping[str, Limit]
    leads_in_work: Mapping[Stage, Positive]


class RetriesPolicy(Section):
    """The only retry policy there is (spec 13.1)."""

    attempts: Positive
    backoff_seconds: Decimal = Field(ge=0)
    backoff_factor: Decimal = Field(ge=1)
    backoff_cap_seconds: Decimal = Field(gt=0)
    longest_wait_seconds: Positive
    reissue_lost: Count
    cost_reread_seconds: Count
