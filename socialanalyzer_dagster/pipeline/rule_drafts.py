"""What rules draft: the next looser search of a chain, one for more of a dense niche, and what each would cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.batch_fields import MAX_LEADS
from socialanalyzer_dagster.domain.estimate import estimate_search
from socialanalyzer_dagster.domain.filters import FilterProblems, validate_filters
from socialanalyzer_dagster.domain.loosening import Loosened, ScreenedSearch, Widening, next_loosening
from socialanalyzer_dagster.domain.money import micros_from_usd, usd_text
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.rule_facts import Niche
from socialanalyzer_dagster.domain.rules import RuleChoice, Verdict, asked_first, asked_instead
from socialanalyzer_dagster.domain.types import JsonValue, PlatformKey, Stage
from socialanalyzer_dagster.pipeline.batch_requests import filter_model_of
from socialanalyzer_dagster.pipeline.estimates import measured_rates
from socialanalyzer_dagster.pipeline.rule_questions import BUDGET, CHANGES, FILTERS, WORST_CASE
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.platforms.base import Platform
from socialanalyzer_dagster.storage import batch_figures, budget_scopes, completed_batches
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.decisions import StoredDecision

STEP = "loosening_step"
"""The parameter of a decision that holds which step of the ladder it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchDraft:
    """A search that could be launched: its cap is the worst case, what it expects to cost is within it."""

    filters: Mapping[str, Any]
    expected_micros: int
    budget_micros: int
    changes: str | None = None
    step: int | None = None

    def as_parameters(self) -> dict[str, JsonValue]:
        """The stored form."""
        stored: dict[str, JsonValue] = {
            FILTERS: dict(self.filters),
            BUDGET: self.budget_micros,
            WORST_CASE: self.budget_micros,
            CHANGES: self.changes,
        }
        return stored if self.step is None else {**stored, STEP: self.step}


@dataclass(frozen=True, slots=True)
class Drafting:
    """Drafts searches inside one transaction, at the rates that were measured up to `now`; stores nothing."""

    connection: Connection
    workplace: Workplace
    policy: Policy
    now: datetime

    def looser(self, batch: Batch, choice: RuleChoice, taken: int) -> tuple[RuleChoice, SearchDraft | None]:
        """The next looser search inside what the batch's cap left, and the choice as it stands with it.

        A person is asked where there is none, or where it would probably cost more than a proposal may (spec 15.4).
        """
        found = looser_search(self.connection, self.workplace, batch, policy=self.policy, taken=taken)
        if found is None:
            return (_without_looser(choice, batch) if choice.verdict is Verdict.ACT else choice), None
        left = self.left(batch)
        draft = SearchDraft(
            filters=found.filters,
            expected_micros=self._expected(batch, found.filters, left),
            budget_micros=left,
            changes=found.sentence,
            step=found.step,
        )
        alone = micros_from_usd(self.policy.gates.person_above_usd)
        if choice.verdict is Verdict.ACT and draft.expected_micros > alone:
            expected = f"it would probably cost {usd_text(draft.expected_micros)}"
            choice = asked_first(choice, f"{expected}, which is more than {usd_text(alone)}")
        return choice, draft

    def left(self, batch: Batch) -> int:
        """What the batch's cap has left for another search."""
        scope = f"batch:{batch.batch_id}"
        return max(0, batch.cap_micros - budget_scopes.used_micros(self.connection, [scope]).get(scope, 0))

    def niche(self, batch: Batch, niche: Niche) -> SearchDraft | None:
        """A search for more of a niche under the platform's own cap; None where there is no other search for it."""
        filters = niche_search(self.workplace, batch, niche, self.policy)
        if filters is None:
            return None
        cap = micros_from_usd(self.policy.budgets.batch_default_usd[PlatformKey(batch.platform)])
        name = self.workplace.platforms[PlatformKey(batch.platform)].keywords.ideas
        words = filters[name][0] if isinstance(filters[name], list) else filters[name]
        return SearchDraft(
            filters=filters,
            expected_micros=self._expected(batch, filters, cap),
            budget_micros=cap,
            changes=f"{name} {words}",
        )

    def _expected(self, batch: Batch, filters: Mapping[str, Any], cap_micros: int) -> int:
        """What the search would probably cost: no batch spends beyond its cap."""
        rates = measured_rates(self.connection, PlatformKey(batch.platform), policy=self.policy, now=self.now)
        results = int(filters["max_results"])
        estimate = estimate_search(results, min(results, MAX_LEADS), rates)
        return min(estimate.micros, cap_micros)


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


def _without_looser(choice: RuleChoice, batch: Batch) -> RuleChoice:
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
    screened = [judged.get(row.batch_id, {}).get(Stage.SCREENED, batch_figures.StageJudgements()) for row in newest]
    return [
        ScreenedSearch(filters=row.filters, judged=found.judged, passed=found.passed)
        for row, found in zip(newest, screened, strict=True)
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
