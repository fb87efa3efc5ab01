"""The facts of a batch read from the database, and its summary in plain sentences (spec 14.1)."""

from dataclasses import replace

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.batch_facts import BatchFacts, ReachedCap, share
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.summary import Summary, batch_summary
from socialanalyzer_dagster.domain.types import STAGES, Stage, sha256_of
from socialanalyzer_dagster.pipeline.baselines import deviations
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus, waits_for_release
from socialanalyzer_dagster.pipeline.batch_warnings import suggestion_texts
from socialanalyzer_dagster.pipeline.counters import stage_counters
from socialanalyzer_dagster.pipeline.policies import policy_of_hash
from socialanalyzer_dagster.pipeline.price_news import search_share
from socialanalyzer_dagster.pipeline.rule_stories import rule_deeds
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import (
    batch_figures,
    batch_quality,
    batches,
    found_items,
    scores,
    searches,
    sync_plans,
)
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.scores import ScoresOf

_ENDED_EARLY = frozenset({BatchStatus.FAILED, BatchStatus.STOPPED, BatchStatus.PAUSED, BatchStatus.AWAITING_PROVIDER})


def read_facts(connection: Connection, workplace: Workplace, batch: Batch, policy: Policy) -> BatchFacts:
    """Everything the summary is made from: counters only, no lead payloads."""
    money = batch_figures.money(connection, [batch.batch_id])[batch.batch_id]
    newness = _newness(connection, batch)
    plan = sync_plans.newest_plan(connection, batch.batch_id)
    label = workplace.platforms[batch.platform].label if batch.platform in workplace.platforms else batch.platform
    discovered = batches.stage_progress(connection, batch.batch_id).get(Stage.DISCOVERED)
    return BatchFacts(
        key=batch.partition_key,
        platform_label=label,
        status=batch.status,
        items={str(result): count for result, count in found_items.item_counts(connection, batch.batch_id).items()},
        stages=stage_counters(connection, batch.batch_id),
        tiers=scores.tier_counts(connection, ScoresOf(batch_id=batch.batch_id, policy_hash=batch.policy_hash)),
        plan=None if plan is None else sync_plans.action_counts(connection, plan.plan_id),
        spend_micros=money.spend_micros,
        held_micros=money.held_micros,
        unknown_micros=money.unknown_micros,
        unknown_attempts=money.unknown_attempts,
        reused_micros=money.reused_micros,
        estimate_micros=batch.estimate_micros,
        cap_micros=batch.cap_micros,
        capped=batch.capped,
        stage_reached=stage_reached(connection, batch) if batch.status in _ENDED_EARLY else None,
        cause=batch.cause,
        reasks=batch_quality.model_reasks(connection, batch.batch_id),
        search_cut_short=batch_quality.cut_short(connection, batch.batch_id),
        search_share=search_share(connection, batch.batch_id, policy),
        reached_cap=_reached_cap(connection, batch.batch_id),
        fallbacks=batch_quality.fallback_counts(connection, batch.batch_id),
        newness=newness,
        variations=_variations(connection, batch, policy) if _brought_little(batch, newness, policy) else (),
        waits_for_release=waits_for_release(batch.status, batch.cause),
        is_searched=discovered is not None and discovered.finished_at is not None,
        rules=rule_deeds(connection, batch.batch_id),
    )


def _newness(connection: Connection, batch: Batch) -> tuple[int, int] | None:
    run = searches.run_of_batch(connection, batch.batch_id)
    if run is None or run.partial or searches.search_kind(connection, batch.search_fingerprint) == searches.LIST:
        return None
    return run.new_found, run.total_found


def _brought_little(batch: Batch, newness: tuple[int, int] | None, policy: Policy) -> bool:
    new = None if newness is None else share(*newness)
    return batch.status == BatchStatus.COMPLETED_EMPTY or (new is not None and new < policy.novelty.stale_below)


def _variations(connection: Connection, batch: Batch, policy: Policy) -> tuple[str, ...]:
    return tuple(suggestion_texts(connection, batch.platform, batch.filters, policy=policy))


def _reached_cap(connection: Connection, batch_id: str) -> ReachedCap | None:
    if (found := batch_quality.reached_cap(connection, batch_id)) is None:
        return None
    scope, cap_micros = found
    return ReachedCap(kind=scope.partition(":")[0], cap_micros=cap_micros)


def stage_reached(connection: Connection, batch: Batch) -> Stage | None:
    """The latest stage that was begun; None when the batch never ran."""
    begun = batches.stage_progress(connection, batch.batch_id)
    return next((stage for stage in reversed(STAGES) if stage in begun), None)


def facts_and_summary(workplace: Workplace, batch: Batch) -> tuple[BatchFacts, Summary]:
    """What the batch is like now, and how people are told of it."""
    policy = policy_of_hash(workplace.database, batch.policy_hash)
    with workplace.database.read() as connection:
        return _told(connection, workplace, batch, policy)


def _told(connection: Connection, workplace: Workplace, batch: Batch, policy: Policy) -> tuple[BatchFacts, Summary]:
    facts = read_facts(connection, workplace, batch, policy)
    summary = batch_summary(facts, policy, further_warnings=deviations(connection, batch, policy))
    stored = batch.polished_summary or {}
    is_of_this_story = stored.get("of") == _digest(summary)
    return facts, replace(summary, polished=str(stored["story"])) if is_of_this_story else summary


def summarize(workplace: Workplace, batch: Batch) -> Summary:
    """The summary as the batch stands now: the one text of user interface, commands and messages."""
    return facts_and_summary(workplace, batch)[1]


def refresh_summary(workplace: Workplace, batch: Batch) -> Summary:
    """Write the summary of the batch as it stands now, in our words; returns it."""
    policy = policy_of_hash(workplace.database, batch.policy_hash)
    with workplace.database.write() as connection:
        return write_summary(connection, workplace, batch, policy)


def write_summary(connection: Connection, workplace: Workplace, batch: Batch, policy: Policy) -> Summary:
    """Write the summary of the batch as this transaction sees it, in our words; returns it."""
    _, summary = _told(connection, workplace, batch, policy)
    batches.write_summary(connection, batch.batch_id, summary.plain.text())
    return summary


def write_polished(workplace: Workplace, batch: Batch, summary: Summary, story: str) -> None:
    """Keep a model's words for the story of this summary: they stand in its place until it changes."""
    with workplace.database.write() as connection:
        batches.write_polished(connection, batch.batch_id, {"of": _digest(summary), "story": story})


def _digest(summary: Summary) -> str:
    return sha256_of(list(summary.story))
