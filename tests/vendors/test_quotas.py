"""What vendors' headers say is left of their limits, and what a request counts in tokens (contracts 2, 5, 7.3, 8.3)."""

from datetime import UTC, datetime

from socialanalyzer_dagster.domain.calls import Quota
from socialanalyzer_dagster.vendors import apollo, hubspot_errors
from socialanalyzer_dagster.vendors.quotas import expected_tokens, hubspot_quotas, openai_quotas

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DATE = {"date": "Fri, 20 Nov 2026 12:00:00 GMT"}


def test_openai_tells_requests_and_the_tokens_of_the_model():
    headers = {
        "x-ratelimit-limit-requests": "500", "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1m2.5s", "x-ratelimit-limit-tokens": "30000",
        "x-ratelimit-remaining-tokens": "120", "x-ratelimit-reset-tokens": "12ms",
    }  # fmt: skip
    assert openai_quotas(headers, "gpt-4o") == (
        Quota(remaining=0, reset_seconds=62.5, limit=500),
        Quota(remaining=120, reset_seconds=0.012, limit=30_000, tokens_of="gpt-4o"),
    )
    assert len(openai_quotas(headers, None)) == 1
    assert openai_quotas({}, "gpt-4o") == ()


def test_hubspot_tells_its_rolling_window_and_its_day():
    headers = {
        "x-hubspot-ratelimit-max": "190", "x-hubspot-ratelimit-remaining": "3",
        "x-hubspot-ratelimit-interval-milliseconds": "10000", "x-hubspot-ratelimit-daily": "650000",
        "x-hubspot-ratelimit-daily-remaining": "0",
    }  # fmt: skip
    assert hubspot_quotas(headers, NOON) == (
        Quota(remaining=3, reset_seconds=10, limit=190),
        Quota(remaining=0, reset_seconds=43_200, limit=650_000),
    )
    assert hubspot_errors.quotas(headers | DATE) == hubspot_quotas(headers, NOON)
    assert hubspot_quotas({}, NOON) == ()


def test_apollo_tells_each_fixed_window_to_its_end():
    headers = DATE | {
        "x-rate-limit-hourly": "600", "x-hourly-requests-left": "7", "x-rate-limit-24-hour": "2000",
        "x-24-hour-requests-left": "0",
    }  # fmt: skip
    assert set(apollo.quotas(headers)) == {
        Quota(remaining=7, reset_seconds=3600, limit=600),
        Quota(remaining=0, reset_seconds=43_200, limit=2000),
    }
    assert apollo.quotas({}) == ()


def test_tokens_are_expected_by_the_length_of_text_by_pictures_and_by_the_longest_answer():
    assert expected_tokens({"openai.m.input": 4_000 + 765, "openai.m.output": 500}, 765) == 1_000 + 765 + 500
