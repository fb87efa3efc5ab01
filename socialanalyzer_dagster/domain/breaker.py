"""The circuit breaker of one vendor as a pure function of what its calls were like (spec 13.2).

Times are seconds of one clock that all processes share. Every trip has a number: what a call that was let through
before the last trip came to says nothing about now, and changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Self

from socialanalyzer_dagster.domain.policy_money import BreakerRule, BreakersPolicy


class BreakerPhase(StrEnum):
    """Open lets no call through; half-open exactly one."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """How a call ended: `code` None is a success; a `permanent` refusal does not heal by asking again.

    `trip` and `probe` are what it was let through with; a probe that `tells_nothing` was not made, or was throttled.
    """

    trip: int
    probe: str | None = None
    code: str | None = None
    permanent: bool = False
    tells_nothing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerState:
    """`recent` are the last calls, newest last, True for failed; `down_since` is when the vendor went away.

    While open, `retry_at` is when a probe may be made, None when a person has to act first. `code` is the last failure.
    """

    phase: BreakerPhase = BreakerPhase.CLOSED
    trip: int = 0
    recent: tuple[bool, ...] = ()
    failures_in_a_row: int = 0
    down_since: float | None = None
    retry_at: float | None = None
    probe_by: str | None = None
    probe_until: float = 0.0
    code: str | None = None
    needs_person: bool = False

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The stored form."""
        return cls(
            **{
                **document,
                "phase": BreakerPhase(document["phase"]),
                "recent": tuple(bool(each) for each in document["recent"]),
            }
        )

    def as_json(self) -> dict[str, Any]:
        """What is stored."""
        return asdict(self) | {"phase": self.phase.value, "recent": [int(each) for each in self.recent]}

    @property
    def is_clean(self) -> bool:
        """True when one more success would change nothing."""
        return self.phase is BreakerPhase.CLOSED and not any(self.recent)

    def allows_probe(self, now: float) -> bool:
        """True when the next call may find out whether the vendor is back."""
        if self.phase is BreakerPhase.OPEN:
            return self.retry_at is not None and now >= self.retry_at
        return self.phase is BreakerPhase.HALF_OPEN and now >= self.probe_until

    def allows_calls(self, now: float) -> bool:
        """True when a call made now would be let through."""
        return self.phase is BreakerPhase.CLOSED or self.allows_probe(now)

    def with_probe(self, probe: str, *, until: float) -> "BreakerState":
        """Half-open, and this is the one call."""
        return replace(self, phase=BreakerPhase.HALF_OPEN, probe_by=probe, probe_until=until)

    def is_probed_by(self, probe: str | None) -> bool:
        """True when this is the one call."""
        return self.phase is BreakerPhase.HALF_OPEN and probe is not None and self.probe_by == probe

    def after(self, results: Sequence[CallResult], rules: "Rules", now: float) -> "BreakerState":
        """What the results of one process make of it, in order."""
        state = self
        for result in results:
            if result.trip != state.trip:
                continue
            if state.phase is BreakerPhase.CLOSED and not result.tells_nothing:
                state = _counted(state, result, rules, now)
            elif state.is_probed_by(result.probe):
                state = _probed(state, result, rules, now)
        return state

    def resumed(self, now: float) -> "BreakerState":
        """A person says that it may be tried again: the next call is a probe."""
        return replace(self, retry_at=now) if self.phase is BreakerPhase.OPEN and self.needs_person else self

    def reset(self) -> "BreakerState":
        """A person says that it works: everything is forgotten but the number of the trip."""
        return BreakerState(trip=self.trip + 1)


def rule_of(policy: BreakersPolicy, vendor: str) -> BreakerRule:
    """The policy's rule for a vendor."""
    return policy.services.get(vendor, policy.other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The policy's numbers for one vendor."""

    window: int
    failure_share: float
    failures_in_a_row: int
    reset_seconds: float
    probe_seconds: float

    @classmethod
    def of(cls, policy: BreakersPolicy, vendor: str) -> Self:
        """As the policy has them."""
        rule = rule_of(policy, vendor)
        return cls(
            window=policy.window,
            failure_share=float(policy.failure_share),
            failures_in_a_row=rule.failures_in_a_row,
            reset_seconds=float(rule.reset_seconds),
            probe_seconds=float(policy.probe_seconds),
        )


def _counted(state: BreakerState, result: CallResult, rules: Rules, now: float) -> BreakerState:
    failed = result.code is not None
    counted = replace(
        state,
        recent=(*state.recent, failed)[-rules.window :],
        failures_in_a_row=state.failures_in_a_row + 1 if failed else 0,
        code=result.code or state.code,
    )
    if result.permanent or (failed and _is_too_bad(counted, rules)):
        return _opened(counted, result, rules, now)
    return counted


def _is_too_bad(state: BreakerState, rules: Rules) -> bool:
    is_full = len(state.recent) >= rules.window
    return state.failures_in_a_row >= rules.failures_in_a_row or (
        is_full and sum(state.recent) > len(state.recent) * rules.failure_share
    )


def _probed(state: BreakerState, result: CallResult, rules: Rules, now: float) -> BreakerState:
    if result.tells_nothing:
        return replace(state, probe_by=None, probe_until=now)
    if result.code is None:
        return BreakerState(trip=state.trip, code=state.code)
    return _opened(state, result, rules, now)


def _opened(state: BreakerState, result: CallResult, rules: Rules, now: float) -> BreakerState:
    return replace(
        state,
        phase=BreakerPhase.OPEN,
        trip=state.trip + 1,
        down_since=state.down_since if state.down_since is not None else now,
        retry_at=None if result.permanent else now + rules.reset_seconds,
        probe_by=None,
        code=result.code,
        needs_person=result.permanent,
    )
