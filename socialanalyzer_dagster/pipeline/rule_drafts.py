"""The searches that rules draft: the next looser one of a chain, and one for more of a dense niche (spec 15.1)."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.filters import FilterProblems, validate_filters
from socialanalyzer_dagster.domain.loosening import Loosened, ScreenedSearch, Widening, next_loosening
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.rule_facts import Niche
from socialanalyzer_dagster.domain.rules import RuleChoice, asked_instead
from socialanalyzer_dagster.domain.types import PlatformKey, Stage
from socialanalyzer_dagster.pipeline.batch_requests import filter_model_of
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.platforms.base import Platform
from socialanalyzer_dagster.storage import batch_figures, completed_batches
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.decisions import StoredDecision

STEP = "loosening_step"
"""The parameter of a decision that holds which step of the ladder it took."""


def looser_search(
    connection: Connection, workplace: Workplace, batch: Batch, *, policy: Policy, taken: int
) -> Loosened | None:
    """The batch's filters after the first step of the ladder behind `taken` (-1 = none) that changes them.

    None for a creator list, and where no valid step is left.
    """
    platform = workplace.platforms[PlatformKey(batch.platform)]
    ladder = policy.rules.ladders.get(platform.key, ())
    widening = Widening(past=_past(connection, platform, policy), keyword_field=platform.keywords.ideas)
    while (found := next_loosening(batch.filters, ladder, widening, after=taken)) is not None:
        if _is_valid(platform, found.filters, policy):
            return found
        taken = found.step
    return None


def without_looser(choice: RuleChoice, batch: Batch) -> RuleChoice:
    """What a rule says that would loosen a search and cannot: a person may know better, unless it is of a list."""
    why = "no looser filters are left" if batch.filters else "a creator list has no filters"
    return asked_instead(choice, why, has_answer=bool(batch.filters))


def step_taken(history: Sequence[StoredDecision]) -> int:
    """The furthest step of the ladder that rules took for a chain; -1 before the first."""
    steps = [each.parameters.get(STEP) for each in history]
    return max((step for step in steps if isinstance(step, int)), default=-1)


def _past(connection: Connection, platform: Platform, policy: Policy) -> list[ScreenedSearch]:
    newest = completed_batches.newest_completed(connection, platform.key, policy.similarity.newest_batches)
    ids = [row.batch_id for row in newest]
    judged = batch_figures.judged_counts(connection, ids)
    passed = batch_figures.passed_counts(connection, ids)
    return [
        ScreenedSearch(
            filters=row.filters,
            judged=judged.get(row.batch_id, {}).get(Stage.SCREENED, 0),
            passed=passed.get(row.batch_id, {}).get(Stage.SCREENED, 0),
        )
        for row in newest
    ]


def niche_search(workplace: Workplace, batch: Batch, niche: Niche, policy: Policy) -> dict[str, Any] | None:
    """The batch's filters with the niche as the only keyword; None for a list, or where that is no other search."""
    platform = workplace.platforms[PlatformKey(batch.platform)]
    name = platform.keywords.ideas
    if name not in batch.filters:
        return None
    label = niche.theme or policy.categories.labels.get(niche.category, niche.category)
    wanted = {**batch.filters, name: [label] if isinstance(batch.filters[name], list) else label}
    return wanted if wanted != batch.filters and _is_valid(platform, wanted, policy) else None


def _is_valid(platform: Platform, filters: Mapping[str, Any], policy: Policy) -> bool:
    try:
        validate_filters(filter_model_of(platform), filters, policy)
    except FilterProblems:
        return False
    return True
