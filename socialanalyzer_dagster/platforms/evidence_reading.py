"""Reading the typed body of evidence that an earlier stage stored."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel

from socialanalyzer_dagster.domain.leads import Evidence

M = TypeVar("M", bound=BaseModel)


def body_of(evidence: Mapping[str, Evidence], kind: str, model: type[M]) -> M | None:
    """The body of one kind; None when the lead has none. Raises ValidationError when it has another shape."""
    seen = evidence.get(kind)
    return model.model_validate(seen.body) if seen is not None else None
