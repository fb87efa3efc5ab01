"""What may be sent again, and after how long (spec 13.1, 12.4)."""

import pytest

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.domain.operations import OPERATIONS
from socialanalyzer_dagster.domain.policy import Policy, shipped_policy
from socialanalyzer_dagster.pipeline.retries import Charge, Tries, charge_of, throttles_of

T, R, I, S, U = (  # noqa: E741 - a table
    ErrorClass.THROTTLED, ErrorClass.TRANSIENT, ErrorClass.PERMANENT_ITEM, ErrorClass.PERMANENT_SERVICE,
    ErrorClass.UNKNOWN,
)  # fmt: skip


def error(error_class: ErrorClass, **facts) -> VendorError:
    return VendorError("vendor", error_class, "code", **facts)


@pytest.fixture(scope="module")
def default() -> Policy:
    return shipped_policy()


CASES = [
    # operation, error, charged, sent again
    ("openai.chat", error(T, status=429), Charge.NONE, True),
    ("openai.chat", error(R, status=503), Charge.NONE, True),  # the contract: an answered 5xx is not billed
    ("openai.chat", error(R, sent=False), Charge.NONE, True),
    ("openai.chat", error(R), Charge.UNKNOWN, True),  # a timeout: whether it may be repeated is the ledger's matter
    ("openai.chat", error(U), Charge.UNKNOWN, False),
    ("openai.chat", error(U, sent=False), Charge.NONE, True),
    ("openai.chat", error(I, status=400), Charge.NONE, False),
    ("openai.chat", error(S, status=401), Charge.NONE, False),
    ("openai.chat", error(S, status=401, sent=False), Charge.NONE, False),
    ("insightiq.contents_fetch", error(R, status=503), Charge.UNKNOWN, True),
    ("insightiq.contents_fetch", error(R, status=503, sent=False), Charge.NONE, True),
    ("insightiq.contents_fetch", error(T, status=429), Charge.NONE, True),
    ("apify.cheerio", error(R, status=502), Charge.UNKNOWN, True),
    ("hubspot.read", error(R, status=500), Charge.NONE, True),
    ("hubspot.read", error(U), Charge.NONE, True),
    ("hubspot.write", error(R, status=503), Charge.NONE, False),  # it may have been carried out: look first
    ("hubspot.write", error(U), Charge.NONE, False),
    ("hubspot.write", error(R, sent=False), Charge.NONE, True),
    ("hubspot.write", error(T, status=429), Charge.NONE, True),
    ("hubspot.set", error(R, status=503), Charge.NONE, True),
    ("page.fetch", error(R), Charge.NONE, True),
    ("page.fetch", error(I, status=404), Charge.NONE, False),
]


@pytest.mark.parametrize(("operation", "fault", "charge", "again"), CASES)
def test_a_call_is_repeated_only_where_the_contract_allows(default, operation, fault, charge, again):
    assert charge_of(OPERATIONS[operation], fault) is charge
    assert (Tries(default.retries).wait_before_next(OPERATIONS[operation], fault) is not None) is again


def waits(policy: Policy, fault: VendorError, count: int) -> list[float | None]:
    tries = Tries(policy.retries, jitter=lambda: 1.0)
    return [tries.wait_before_next(OPERATIONS["hubspot.read"], fault) for _ in range(count)]


def test_waits_grow_and_end_with_the_attempts(default):
    assert waits(default, error(R, status=500), 4) == [1, 2, None, None]


def test_the_wait_is_jittered_over_its_full_length(default):
    tries = Tries(default.retries, jitter=lambda: 0.25)
    assert tries.wait_before_next(OPERATIONS["hubspot.read"], error(R, status=500)) == 0.25


def test_the_vendors_own_wait_counts(default):
    assert waits(default, error(T, status=429, retry_after_seconds=7.5), 2) == [7.5, 7.5]
    assert waits(default, error(R, status=503, retry_after_seconds=9), 1) == [9]


def test_a_wait_longer_than_the_policy_allows_is_not_slept(default):
    assert waits(default, error(T, status=429, retry_after_seconds=61), 1) == [None]
    assert waits(default, error(R, status=503, retry_after_seconds=61), 1) == [None]


def test_throttling_is_no_attempt_but_ends_with_the_time_spent(default):
    found = waits(default, error(T, status=429, retry_after_seconds=11), 7)
    assert found == [11] * 5 + [None, None]


def test_throttling_without_a_stated_wait_backs_off_and_ends(default):
    assert waits(default, error(T, status=429), 7) == [1, 2, 4, 8, 16, None, None]
    assert waits(default, error(T, status=429, retry_after_seconds=0), 2) == [1, 2]


def test_a_throttled_transcription_waits_longer_each_time_as_the_policy_says(default: Policy) -> None:
    tries = Tries(default.retries, throttles=throttles_of(OPERATIONS["openai.transcription"], default))
    slow_down = VendorError("openai", ErrorClass.THROTTLED, "http_429", status=429)
    waited = [tries.wait_before_next(OPERATIONS["openai.transcription"], slow_down) for _ in range(4)]
    assert waited == [10.0, 20.0, None, None], "three tries (spec 9.2)"
    assert throttles_of(OPERATIONS["openai.chat"], default) is None
