"""The policy section for what is usual (spec 14.3, 14.4)."""

from typing import Self

from pydantic import Field, model_validator

from socialanalyzer_dagster.domain.policy_search import Positive, Section


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
