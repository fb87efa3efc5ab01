"""The policy sections for what is usual, for what a day is to bring, and for searches that recur (14.3, 14.4, 3.4)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from socialanalyzer_dagster.domain.policy_search import Count, Positive, Section
from socialanalyzer_dagster.domain.types import PlatformKey


class MetricsPolicy(Section):
    """What a batch is held against, and from when on a difference is told."""

    window_days: Positive
    """Batches that completed within so many days before the batch."""
    least_batches: Positive
    """Fewer give no baseline."""
    settled_batches: Positive
    """A baseline of fewer is young, and says so."""
    notable: float = Field(gt=0)
    significant: float = Field(gt=0)
    """From which relative change on; each only where chance is ruled out."""
    chance_below: float = Field(gt=0, lt=1)
    """Chance is ruled out below this two-sided p."""
    drift_batches: int = Field(ge=3)
    """A trend is looked for among at least so many batches."""

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.notable >= self.significant:
            raise ValueError("metrics.notable must be less than metrics.significant")
        return self


class Weekday(StrEnum):
    """Days of the week, in the order of `datetime.date.weekday`."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


class TargetsPolicy(Section):
    """How many scored leads a day is to bring, and how its searches are planned."""

    time_zone: str
    """Decides at what hour the day is planned, and which day of the week that is; all data are in UTC days."""
    plan_hour: int = Field(ge=0, le=23)
    scored_leads: Mapping[PlatformKey, Mapping[Weekday, Count]]
    """Weekdays that are not named have no target."""
    least_results: Positive
    """A search for fewer results is not worth a batch."""
    most_results: Positive
    """One planned batch asks for no more."""
    trusted_from: Positive
    """Measured rates count as much as the defaults at so many leads, more above, less below."""
    batches_a_day: Positive
    """Per platform: no day plans more."""

    @field_validator("time_zone")
    @classmethod
    def _exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"there is no time zone '{name}'; an example is Europe/Berlin") from error
        return name

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.least_results > self.most_results:
            raise ValueError("targets.least_results must not be above targets.most_results")
        return self


class RecurringPolicy(Section):
    """Saved searches that run by a schedule of their own, on the clock of `targets.time_zone` (spec 3.4)."""

    shortest_hours: Positive
    """No schedule may run a search more often."""
    catch_up_hours: Positive
    """A run that was missed is made up for within so many hours; what was due before that is not bought any more."""
