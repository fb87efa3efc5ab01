"""The facts of a batch read from the database, and its summary in plain sentences (spec 14.1)."""

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.batch_facts import BatchFacts, ReachedCap
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.summary import Summary, batch_summary
from socialanalyzer_dagster.domain.types import STAGES, Stage
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.counters import stage_counters
from socialanalyzer_dagster.pipeline.policies import policy_of_hash
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import batch_figures, batch_quality, batches, found_items, scores, sync_plans
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.scores import ScoresOf

_ENDED_EARLY = frozenset({BatchStatus.FAILED, BatchStatus.STOPPED, BatchStatus.PAUSED, BatchStatus.AWAITING_PROVIDER})


def read_facts(connection: Connection, workplace: Workplace, batch: Batch) -> BatchFacts:
    """Everything the summary is made from: counters only, no lead payloads."""
    money = batch_figures.money(connection, [batch.batch_id])[batch.batch_id]
    plan = sync_plans.newest_plan(connection, batch.batch_id)
    label = workplace.platforms[batch.platform].label if batch.platform in workplace.platforms else batch.platform
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
        reached_cap=_reached_cap(connection, batch.batch_id),
        fallbacks=batch_quality.fallback_counts(connection, batch.batch_id),
    )


def _reached_cap(connection: Connection, batch_id: str) -> ReachedCap | None:
    if (found := batch_quality.reached_cap(connection, batch_id)) is None:
        return None
    scope, cap_micros = found
    return ReachedCap(kind=scope.partition(":")[0], cap_micros=cap_micros)


def stage_reached(connection: Connection, batch: Batch) -> Stage | None:
    """The latest stage that was begun; None when the batch never ran."""
    begun = batches.stage_progress(connection, batch.batch_id)
    return next((stage for stage in reversed(STAGES) if stage in begun), None)


def summarize(workplace: Workplace, batch: Batch) -> Summary:
    """The summary as the batch stands now."""
    policy: Policy = policy_of_hash(workplace.database, batch.policy_hash)
    with workplace.database.read() as connection:
        return batch_summary(read_facts(connection, workplace, batch), policy)


def refresh_summary(workplace: Workplace, batch: Batch) -> Summary:
    """Write the summary of the batch as it stands now; returns it."""
    policy = policy_of_hash(workplace.database, batch.policy_hash)
    with workplace.database.write() as connection:
        return write_summary(connection, workplace, batch, policy)


def write_summary(connection: Connection, workplace: Workplace, batch: Batch, policy: Policy) -> Summary:
    """Write the summary of the batch as this transaction sees it; returns it."""
    summary = batch_summary(read_facts(connection, workplace, batch), policy)
    batches.write_summary(connection, batch.batch_id, summary.text())
    return summary
