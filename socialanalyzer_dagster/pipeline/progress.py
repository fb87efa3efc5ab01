"""How far a stage is, told every few seconds: done of total, rate, spend and time left (architecture section 5)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from socialanalyzer_dagster.domain.money import usd_text
from socialanalyzer_dagster.domain.ports import Clock
from socialanalyzer_dagster.domain.types import Stage

Tell = Callable[[int], None]
"""Hears how much of a long work is done."""


def tell_nobody(_done: int) -> None:
    """For callers that show no progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One reading; `leads_per_second` and `seconds_left` are None until something was done."""

    stage: Stage
    done: int
    total: int
    spent_micros: int
    seconds: float

    @property
    def leads_per_second(self) -> float | None:
        """Speed since the stage began in this run."""
        return self.done / self.seconds if self.done and self.seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """Time the rest takes at this speed."""
        speed = self.leads_per_second
        return (self.total - self.done) / speed if speed else None

    @property
    def sentence(self) -> str:
        """The line for logs and people."""
        speed = f", {self.leads_per_second:.1f} leads/s" if self.leads_per_second else ""
        left = f", about {self.seconds_left:.0f} s left" if self.seconds_left else ""
        return f"{self.stage}: {self.done} of {self.total} leads{speed}, {usd_text(self.spent_micros)} spent{left}"


Report = Callable[[Progress], None]


class ProgressMeter:
    """Counts finished leads of one stage run and reports when told to."""

    def __init__(self, stage: Stage, *, total: int, clock: Clock, report: Report) -> None:
        self._stage = stage
        self._total = total
        self._clock = clock
        self._report = report
        self._done = 0
        self._started = clock.now()

    def expect(self, leads: int) -> None:
        """Count leads to come."""
        self._total += leads

    def advance(self, leads: int) -> None:
        """Count finished leads."""
        self._done += leads

    def tell(self, spent_micros: int) -> None:
        """Report now."""
        now = self._clock.now()
        self._report(
            Progress(
                stage=self._stage,
                done=self._done,
                total=self._total,
                spent_micros=spent_micros,
                seconds=_seconds(self._started, now),
            )
        )


def _seconds(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds()
