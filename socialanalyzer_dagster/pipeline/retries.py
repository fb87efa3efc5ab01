"""The only retry policy there is: what may be sent again, and after how long (spec 13.1)."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.domain.operations import Operation, Repeat
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.policy_money import RetriesPolicy

_RANDOM = random.SystemRandom()


class Charge(StrEnum):
    """Whether a failed sending can have been billed."""

    NONE = "none"
    UNKNOWN = "unknown"


def charge_of(operation: Operation, error: VendorError) -> Charge:
    """NONE only when it is certain that nothing was billed (spec 12.4).

    Certain are: free operations, what was never sent, throttling, refusals (4xx), and an answered 5xx where the
    contract says that it is not billed. Everything else, above all a lost answer, is UNKNOWN.
    """
    if not operation.spends or not error.sent:
        return Charge.NONE
    if error.error_class in (ErrorClass.THROTTLED, ErrorClass.PERMANENT_ITEM, ErrorClass.PERMANENT_SERVICE):
        return Charge.NONE
    answered = error.status is not None and error.status >= 500
    if error.error_class is ErrorClass.TRANSIENT and answered and operation.answered_5xx_is_free:
        return Charge.NONE
    return Charge.UNKNOWN


@dataclass(frozen=True, slots=True)
class Throttles:
    """An operation's own rule after a throttling: the first wait, which grows by itself each time, and all sendings."""

    seconds: float
    tries: int


def throttles_of(operation: Operation, policy: Policy) -> Throttles | None:
    """The rule of transcriptions (spec 9.2); None where the common one holds."""
    if operation.key != "openai.transcription":
        return None
    analysis = policy.analysis
    return Throttles(float(analysis.transcription_wait_seconds), analysis.transcription_tries)


class Tries:
    """Counts the sendings of one call and says how long to wait before the next one, or that there is none.

    `throttles` stands for the common rule after a throttling, which backs off until the longest wait is used up.
    """

    def __init__(
        self,
        policy: RetriesPolicy,
        *,
        throttles: Throttles | None = None,
        jitter: Callable[[], float] = _RANDOM.random,
    ) -> None:
        self._policy = policy
        self._own = throttles
        self._jitter = jitter
        self._failures = 0
        self._throttles = 0
        self._throttled_seconds = 0.0

    def wait_before_next(self, operation: Operation, error: VendorError) -> float | None:
        """Seconds until the next sending; None when the call is to be given up.

        Throttling is no failure of the call, so it is bounded by the time spent waiting instead of by attempts; a
        vendor that asks for more than the longest wait is not waited for.
        """
        if not _may_pass(operation, error):
            return None
        throttled = error.error_class is ErrorClass.THROTTLED
        wait = self._wait_seconds(error, self._throttles if throttled else self._failures)
        if wait > self._policy.longest_wait_seconds:
            return None
        if not throttled:
            self._failures += 1
            return wait if self._failures < self._policy.attempts else None
        self._throttles += 1
        self._throttled_seconds += wait
        if self._own is not None and self._throttles >= self._own.tries:
            return None
        return wait if self._throttled_seconds <= self._policy.longest_wait_seconds else None

    def backoff_seconds(self) -> float:
        """The wait before a lost call is sent once more."""
        return float(self._policy.backoff_seconds) * self._jitter()

    def _wait_seconds(self, error: VendorError, tries: int) -> float:
        if error.retry_after_seconds:
            return error.retry_after_seconds
        if error.error_class is ErrorClass.THROTTLED and self._own is not None:
            return self._own.seconds * (tries + 1)
        grown = float(self._policy.backoff_seconds) * float(self._policy.backoff_factor) ** min(tries, 32)
        ceiling = min(grown, float(self._policy.backoff_cap_seconds))
        if error.error_class is ErrorClass.THROTTLED:
            return ceiling * (1 + self._jitter()) / 2  # a vendor that says 'slower' is never asked again at once
        return ceiling * self._jitter()


def _may_pass(operation: Operation, error: VendorError) -> bool:
    if error.error_class in (ErrorClass.PERMANENT_ITEM, ErrorClass.PERMANENT_SERVICE):
        return False
    if error.error_class is ErrorClass.THROTTLED or not error.sent:
        return True
    if not operation.spends and operation.repeat is Repeat.ASK_FIRST:
        return False
    if error.error_class is ErrorClass.TRANSIENT:
        return True
    return not operation.spends and operation.repeat is Repeat.SAFE
