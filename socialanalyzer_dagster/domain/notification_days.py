"""Events about days and their targets (spec 16; issue 4, section 1)."""

from datetime import date

from socialanalyzer_dagster.domain.money import usd_text
from socialanalyzer_dagster.domain.notification_events import Event, Kind
from socialanalyzer_dagster.domain.sentences import leads


class TargetMissed(Event):
    """A day ended short of its target on a platform."""

    KIND = Kind.TARGET_MISSED
    platform: str
    day: date
    target: int
    scored: int
    spend_micros: int

    @property
    def occasion(self) -> str:
        """One day on one platform."""
        return f"{self.platform}:{self.day}"

    def title(self, batch: str) -> str:
        """Which day."""
        return f"{self.day} missed its target on {self.platform}"

    def sentences(self, batch: str) -> tuple[str, ...]:
        """By how much, and where the reasons are."""
        brought = f"{leads(self.scored)} scored of {self.target:,} wanted, for {usd_text(self.spend_micros)}."
        return brought, f"`socialanalyzer day show --day {self.day}` tells more."


class PlanStopped(Event):
    """Nothing more is planned for a day that is short of its target; `why` is the planner's sentence."""

    KIND = Kind.PLAN_STOPPED
    platform: str
    day: date
    target: int
    scored: int
    why: str

    @property
    def occasion(self) -> str:
        """One day on one platform: later reasons of the same day are in the plan."""
        return f"{self.platform}:{self.day}"

    def title(self, batch: str) -> str:
        """Which day."""
        return f"The plan of {self.day} stops short of its target on {self.platform}"

    def sentences(self, batch: str) -> tuple[str, ...]:
        """How short it was then, and why."""
        return f"{leads(self.scored)} scored of {self.target:,} wanted so far.", self.why
