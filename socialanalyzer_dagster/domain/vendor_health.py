"""How a vendor is, in one word and in figures: green, yellow or red by its breaker and its calls (spec 13.3)."""

from dataclasses import dataclass
from enum import StrEnum

from socialanalyzer_dagster.domain.breaker import BreakerPhase, BreakerState
from socialanalyzer_dagster.domain.call_figures import CallFigures
from socialanalyzer_dagster.domain.policy_money import HealthPolicy


class Light(StrEnum):
    """`not_measured` where no call was made: nothing is claimed of such a vendor (I-40)."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    NOT_MEASURED = "not_measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorHealth:
    """One vendor: its breaker, and its calls of the last quarter of an hour and of the last day."""

    vendor: str
    light: Light
    breaker: BreakerState
    lately: CallFigures
    today: CallFigures


def light_of(breaker: BreakerState, lately: CallFigures, policy: HealthPolicy) -> Light:
    """Red: open, or too few calls succeed; yellow: half-open, or not enough do; green: closed and enough succeed."""
    rate = lately.success_rate
    if breaker.phase is BreakerPhase.OPEN or (rate is not None and rate < policy.yellow_from):
        return Light.RED
    if breaker.phase is BreakerPhase.HALF_OPEN or (rate is not None and rate < policy.green_from):
        return Light.YELLOW
    return Light.NOT_MEASURED if rate is None else Light.GREEN
