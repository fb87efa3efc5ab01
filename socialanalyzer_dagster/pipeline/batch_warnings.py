"""What a person should know before a batch starts: used-up and similar searches (spec 5.7, 5.8)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row

from socialanalyzer_dagster.domain.novelty import (
    FilterRun,
    Novelty,
    PastYield,
    Suggestion,
    look_up_novelty,
    suggest_variations,
)
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.sentences import tries
from socialanalyzer_dagster.domain.similarity import PastSearch, SimilarBatch, similar_batches
from socialanalyzer_dagster.domain.types import PlatformKey, Stage
from socialanalyzer_dagster.pipeline.batch_requests import CheckedRequest
from socialanalyzer_dagster.storage import batch_figures, batches, completed_batches, searches
from socialanalyzer_dagster.storage.searches import PastRun


def novelty_of(connection: Connection, fingerprint: str, *, policy: Policy, now: datetime) -> Novelty | None:
    """How new the results of this search were last time; None when it never ran."""
    runs = [
        FilterRun(
            batch_id=run.batch_id,
            total_found=run.total_found,
            new_found=run.new_found,
            ran_at=run.ran_at,
            is_partial=run.partial,
        )
        for run in searches.runs_of_search(connection, fingerprint)
    ]
    return look_up_novelty(runs, now=now, policy=policy.novelty)


def similar_to(
    connection: Connection, platform: PlatformKey, filters: Mapping[str, Any], *, policy: Policy, now: datetime
) -> list[SimilarBatch]:
    """Completed batches of the platform that resemble the filters, most similar first."""
    newest, runs = _newest(connection, platform, policy)
    passed = batch_figures.passed_counts(connection, [row.batch_id for row in newest])
    past = [
        PastSearch(
            batch_id=row.batch_id,
            filters=row.filters,
            found=runs[row.batch_id].total_found if row.batch_id in runs else 0,
            synced=passed.get(row.batch_id, {}).get(Stage.SYNCED, 0),
            finished_at=row.finished_at,
        )
        for row in newest
    ]
    return similar_batches(filters, past, now=now, policy=policy.similarity)


def variations(
    connection: Connection, platform: PlatformKey, filters: Mapping[str, Any], *, policy: Policy
) -> list[Suggestion]:
    """What to try instead of a used-up search, the best measured first."""
    newest, runs = _newest(connection, platform, policy)
    costs = batch_figures.costs(connection, [row.batch_id for row in newest])
    past = [
        PastYield(
            filters=row.filters,
            new_found=runs[row.batch_id].new_found,
            cost_micros=sum(costs.get(row.batch_id, {}).values()),
        )
        for row in newest
        if row.batch_id in runs
    ]
    return suggest_variations(filters, past)


def _newest(
    connection: Connection, platform: PlatformKey, policy: Policy
) -> tuple[Sequence[Row[Any]], Mapping[str, PastRun]]:
    """The newest completed batches of a platform, and what the discoveries of some of them recorded."""
    newest = completed_batches.newest_completed(connection, platform, policy.similarity.newest_batches)
    return newest, searches.runs_of(connection, [row.batch_id for row in newest])


_NOBODY = "No BDR is active: contacts of this batch will be held. Load a roster with `socialanalyzer bdr load FILE`."


def search_warnings(connection: Connection, checked: CheckedRequest, *, policy: Policy, now: datetime) -> list[str]:
    """Sentences about staleness, similarity and contacts that nobody would receive."""
    warnings: list[str] = [] if checked.fields.bdr_names else [_NOBODY]
    platform, filters = checked.platform.key, checked.filters_json
    novelty = novelty_of(connection, checked.fingerprint, policy=policy, now=now)
    if novelty is not None and novelty.is_stale:
        tried = suggestion_texts(connection, platform, filters, policy=policy)
        warnings.append(
            f"This search ran {novelty.days_since} days ago and {novelty.novelty_percent} % of its "
            f"{novelty.total_found} results were new.{tries(tried)}"
        )
    similar = similar_to(connection, platform, filters, policy=policy, now=now)
    if similar:
        best = similar[0]
        key = batches.batch_by_id(connection, best.batch_id)
        name = key.partition_key if key else best.batch_id
        warnings.append(
            f"Batch {name} of {best.days_ago} days ago searched for much the same (similarity {best.similarity}): "
            f"it found {best.found} leads, {best.synced} were synced."
        )
    return warnings


def suggestion_texts(
    connection: Connection, platform: PlatformKey, filters: Mapping[str, Any], *, policy: Policy
) -> list[str]:
    """What to change in a used-up search, with what it brought elsewhere, the best measured first (spec 5.7)."""
    return [_suggestion(each) for each in variations(connection, platform, filters, policy=policy)]


def _suggestion(suggestion: Suggestion) -> str:
    rate = suggestion.new_leads_per_usd
    return suggestion.text + (f" ({_rounded(rate)} new leads per dollar so far)" if rate is not None else "")


def _rounded(rate: Decimal) -> str:
    return f"{rate:.1f}"
