"""What the calls to a vendor were like: counts by kind of failure and a bounded record of how long they took (13.3)."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError

_STEP = 1.2
"""Durations are kept in steps of a fifth, so that a day of calls takes no more room than a minute of them."""
_LONGEST_STEP = 80
_ERROR_CHARS = 200
_UNHEALTHY = frozenset({ErrorClass.TRANSIENT, ErrorClass.UNKNOWN, ErrorClass.PERMANENT_SERVICE})


@dataclass(slots=True)
class CallFigures:
    """Figures that add up. `failed` counts by class of error; `last_error` is the vendor's word for the newest one."""

    calls: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    milliseconds: int = 0
    steps: Counter[int] = field(default_factory=Counter)
    last_error: str | None = None
    last_error_at: datetime | None = None

    def note(self, milliseconds: int, error: VendorError | None, at: datetime) -> None:
        """Count one call."""
        self.calls += 1
        self.milliseconds += milliseconds
        self.steps[_step_of(milliseconds)] += 1
        if error is not None:
            self.failed[error.error_class.value] += 1
            self.last_error, self.last_error_at = str(error)[:_ERROR_CHARS], at

    def add(self, other: "CallFigures") -> None:
        """Count the calls of another record too."""
        self.calls += other.calls
        self.failed.update(other.failed)
        self.milliseconds += other.milliseconds
        self.steps.update(other.steps)
        if other.last_error_at is not None and (
            self.last_error_at is None or other.last_error_at >= self.last_error_at
        ):
            self.last_error, self.last_error_at = other.last_error, other.last_error_at

    @property
    def success_rate(self) -> float | None:
        """Share of the calls that the vendor answered properly; None when nothing was measured (I-40).

        A refusal of one item is a proper answer. A call that was asked to come later counts neither way.
        """
        counted = self.calls - self.failed[ErrorClass.THROTTLED]
        unhealthy = sum(self.failed[each] for each in _UNHEALTHY)
        return 1 - unhealthy / counted if counted else None

    @property
    def mean_milliseconds(self) -> int | None:
        """None when nothing was measured."""
        return round(self.milliseconds / self.calls) if self.calls else None

    def percentile_milliseconds(self, share: float) -> int | None:
        """A duration, right to a fifth, below which this share of the calls lies; None when nothing was measured."""
        left = math.ceil(self.calls * share)
        for step in sorted(self.steps):
            left -= self.steps[step]
            if left <= 0:
                return round(_STEP**step)
        return None

    def as_json(self) -> dict[str, Any]:
        """What is stored."""
        return {
            "calls": self.calls,
            "failed": dict(self.failed),
            "milliseconds": self.milliseconds,
            "steps": {str(step): count for step, count in sorted(self.steps.items())},
            "last_error": self.last_error,
            "last_error_at": self.last_error_at.isoformat() if self.last_error_at else None,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The stored form."""
        at = document["last_error_at"]
        return cls(
            calls=document["calls"],
            failed=Counter(document["failed"]),
            milliseconds=document["milliseconds"],
            steps=Counter({int(step): count for step, count in document["steps"].items()}),
            last_error=document["last_error"],
            last_error_at=datetime.fromisoformat(at) if at else None,
        )


def _step_of(milliseconds: int) -> int:
    return min(_LONGEST_STEP, math.ceil(math.log(max(1, milliseconds), _STEP)))
