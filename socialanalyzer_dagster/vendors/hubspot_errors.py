"""How HubSpot says no: statuses, categories and its three kinds of 429 (vendor-contracts 8.3)."""

from socialanalyzer_dagster.domain.calls import ErrorClass, Quota, VendorError
from socialanalyzer_dagster.domain.types import JsonObject, JsonValue
from socialanalyzer_dagster.vendors.http import (
    Headers,
    as_object,
    known_code,
    retry_after_seconds,
    status_error,
    vendor_now,
)
from socialanalyzer_dagster.vendors.quotas import hubspot_quotas

VENDOR = "hubspot"
_LOCKED_SECONDS = 2.0
_POLICY_SECONDS = {"ten_secondly_rolling": 10.0, "secondly": 1.0}
_STOP_STATUSES = {522, 525, 526}
_CODES = frozenset(
    {
        "validation_error",
        "invalid_authentication",
        "expired_authentication",
        "missing_scopes",
        "conflict",
        "object_not_found",
        "rate_limits",
    }
)


def classify(status: int, headers: Headers, body: JsonValue) -> VendorError | None:
    """Contracts 8.3; a 207 is no error, its records are read one by one."""
    facts = as_object(body)
    code = known_code(facts.get("category"), _CODES)
    if status == 429:
        return _throttled(headers, facts)
    if status in (423, 477):
        wait = retry_after_seconds(headers)
        seconds = max(_LOCKED_SECONDS, wait or 0.0) if status == 423 or wait is None else wait
        name = "locked" if status == 423 else "migration_in_progress"
        return VendorError(VENDOR, ErrorClass.THROTTLED, name, status=status, retry_after_seconds=seconds)
    if status in _STOP_STATUSES:
        return VendorError(VENDOR, ErrorClass.PERMANENT_SERVICE, f"http_{status}", status=status)
    if 200 <= status < 300 and facts.get("status") == "error":
        return VendorError(VENDOR, ErrorClass.PERMANENT_ITEM, code or "error_in_answer", status=status)
    return status_error(VENDOR, status, headers, code=code)


def quotas(headers: Headers) -> tuple[Quota, ...]:
    """What is left of the account's limits; search answers do not say."""
    return hubspot_quotas(headers, vendor_now(headers))


def _throttled(headers: Headers, facts: JsonObject) -> VendorError:
    policy = known_code(facts.get("policyName"), frozenset({*_POLICY_SECONDS, "daily"}))
    if policy == "daily":
        return VendorError(VENDOR, ErrorClass.PERMANENT_SERVICE, "daily_limit", status=429)
    wait = retry_after_seconds(headers)
    seconds = _POLICY_SECONDS.get(policy or "", 10.0) if wait is None else wait
    return VendorError(VENDOR, ErrorClass.THROTTLED, policy or "throttled", status=429, retry_after_seconds=seconds)
