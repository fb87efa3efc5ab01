"""What a policy changes about days: each platform's leads per working day, beside the targets of both policies (4)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from socialanalyzer_dagster.domain.daily_targets import target_of
from socialanalyzer_dagster.domain.policy_metrics import TargetsPolicy
from socialanalyzer_dagster.domain.types import PlatformKey

SIDES = ("now", "then")
"""The active policy, and the other one."""


@dataclass(slots=True)
class PlatformDays:
    """Scored and enrolled leads of one platform under both policies; `may_enter` are freed by its screening."""

    scored: Counter[tuple[str, date]] = field(default_factory=Counter)
    enrolled: Counter[str] = field(default_factory=Counter)
    may_enter: int = 0

    def add(self, side: str, day: date, *, is_scored: bool, is_enrolled: bool) -> None:
        """What one policy makes of one lead."""
        self.scored[side, day] += is_scored
        self.enrolled[side] += is_enrolled

    def as_json(
        self, platform: str, span: Sequence[date], targets: tuple[TargetsPolicy, TargetsPolicy]
    ) -> dict[str, Any]:
        """Every figure as `{"now": ..., "then": ...}`; `span` are the days that the leads are from, at least one."""
        sides = {
            side: self._side(side, {day: target_of(day, PlatformKey(platform), of) for day in span})
            for side, of in zip(SIDES, targets, strict=True)
        }
        figures = {name: {side: sides[side][name] for side in SIDES} for name in sides[SIDES[0]]}
        return {"platform": platform, **figures, "may_enter": self.may_enter}

    def _side(self, side: str, targets: Mapping[date, int]) -> dict[str, float]:
        """Rates are per working day: one with a target; where there is none in the span, per day."""
        working = [day for day, target in targets.items() if target]
        days = len(working) or len(targets)
        return {
            "working_days": len(working),
            "target": round(sum(targets.values()) / days, 1),
            "days_met": sum(self.scored[side, day] >= targets[day] for day in working),
            "scored": round(sum(self.scored[side, day] for day in targets) / days, 1),
            "enrolled": round(self.enrolled[side] / days, 1),
        }


def days_between(first: date, last: date) -> tuple[date, ...]:
    """All days from `first` to `last`, both included."""
    return tuple(first + timedelta(days=number) for number in range((last - first).days + 1))
