"""How HubSpot says no: statuses, categories and its three kinds of 429 (vendor-contracts 8.3)."""

import re

from socialanalyzer_dagster.domain.calls import ErrorClass, Quota, VendorError
from socialanalyzer_dagster.domain.crm_waits import DAILY_LIMIT
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
_DAILY_LIMIT_SECONDS = 3600.0
"""Longer than anybody waits within a run; when the account's day ends is known to those who come back (crm_waits)."""
_REFUSED_STATUSES = {400, 409, 422}
_STOP_STATUSES = {522, 525, 526}
_EXISTING_ID = re.compile(r"Existing ID:\s*(\d+)")
_PROPERTY_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_SERVICE_CODES = frozenset({"invalid_authentication", "expired_authentication", "missing_scopes"})
_CODES = _SERVICE_CODES | {"validation_error", "conflict", "object_not_found", "rate_limits"}


class RefusedBatch(VendorError):
    """A whole write that was refused: nothing was done. Names of properties and ids of contacts are all it repeats."""

    def __init__(self, code: str, status: int, facts: JsonObject) -> None:
        super().__init__(VENDOR, ErrorClass.PERMANENT_ITEM, code, status=status)
        self.contact_id = existing_id(facts)
        self.property_names = refused_names(facts)


def existing_id(facts: JsonObject) -> str | None:
    """The contact that is there already, where the vendor's sentence names it (contracts 8.2, undocumented)."""
    message = facts.get("message")
    found = _EXISTING_ID.search(message) if isinstance(message, str) else None
    return found[1] if found else None


def refused_names(facts: JsonObject) -> tuple[str, ...]:
    """The properties whose values were refused."""
    details = facts.get("errors")
    names = [as_object(one).get("in") for one in details] if isinstance(details, list) else []
    return tuple(name for name in names if isinstance(name, str) and _PROPERTY_NAME.fullmatch(name))


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
        return VendorError(VENDOR, _class_in_answer(code), code or "error_in_answer", status=status)
    if status in _REFUSED_STATUSES:
        return RefusedBatch(code or f"http_{status}", status, facts)
    return status_error(VENDOR, status, headers, code=code)


def _class_in_answer(code: str | None) -> ErrorClass:
    """A success that says error means what its category says; without one it says nothing of any record."""
    if code is None:
        return ErrorClass.TRANSIENT
    if code == "rate_limits":
        return ErrorClass.THROTTLED
    return ErrorClass.PERMANENT_SERVICE if code in _SERVICE_CODES else ErrorClass.PERMANENT_ITEM


def quotas(headers: Headers) -> tuple[Quota, ...]:
    """What is left of the account's limits; search answers do not say."""
    return hubspot_quotas(headers, vendor_now(headers))


def _throttled(headers: Headers, facts: JsonObject) -> VendorError:
    policy = known_code(facts.get("policyName"), frozenset({*_POLICY_SECONDS, "daily"}))
    if policy == "daily":
        return VendorError(
            VENDOR, ErrorClass.THROTTLED, DAILY_LIMIT, status=429, retry_after_seconds=_DAILY_LIMIT_SECONDS
        )
    wait = retry_after_seconds(headers)
    seconds = _POLICY_SECONDS.get(policy or "", 10.0) if wait is None else wait
    return VendorError(VENDOR, ErrorClass.THROTTLED, policy or "throttled", status=429, retry_after_seconds=seconds)
