"""What `batch show` and `batch list` print: counters, money and words of batches, no lead payloads (I-54)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.batch_facts import BatchFacts
from socialanalyzer_dagster.domain.money import micros_from_usd
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.counters import StageCounters
from socialanalyzer_dagster.pipeline.launch_queue import held_batches, providers_of
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.question_view import question_view
from socialanalyzer_dagster.pipeline.summaries import facts_and_summary
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import batch_figures, batches, policies, score_views, sync_plans, webhook_rows
from socialanalyzer_dagster.storage.batches import Batch, BatchPage


def batch_view(workplace: Workplace, key: str) -> dict[str, Any]:
    """The object of `batch show KEY --json`; raises NoSuchBatch."""
    batch = find_batch(workplace, key)
    facts, summary = facts_and_summary(workplace, batch)
    with workplace.database.read() as connection:
        version = _version(connection, batch)
        rescored = score_views.rescored_tiers(connection, batch.batch_id)
        plan = sync_plans.newest_plan(connection, batch.batch_id)
        rows = sync_plans.state_counts(connection, plan.plan_id) if plan is not None else {}
        due = sync_plans.first_try(connection, plan.plan_id) if plan is not None else None
        question = question_view(connection, workplace, batch)
        untold = webhook_rows.untold_count(connection, plan.plan_id) if plan is not None else 0
    held = _held_in_queue(workplace, [batch])
    return {
        "key": batch.partition_key,
        "platform": batch.platform,
        "status": batch.status,
        "cause": batch.cause,
        "held_by": held.get(batch.batch_id),
        "question": question,
        "stages": {str(stage): _counters(counts) for stage, counts in facts.stages.items()},
        "items": dict(facts.items),
        "tiers": dict(facts.tiers),
        "rescored": [{"policy": number, "tiers": tiers} for number, tiers in rescored.items()],
        "fallbacks": dict(facts.fallbacks),
        **_money(facts),
        "capped": batch.capped,
        "estimate_micros": batch.estimate_micros,
        "worst_case_micros": batch.worst_case_micros,
        "estimate": dict(batch.estimate),
        "caps": caps(workplace, batch),
        "max_leads": batch.max_leads,
        "canary": batch.canary,
        "bdr_names": list(batch.bdr_names),
        "tier_floor": batch.tier_floor,
        "filters": dict(batch.filters),
        "policy": version,
        "policy_version": batch.policy_version,
        "policy_hash": batch.policy_hash,
        "sync": None
        if plan is None
        else {
            "plan": plan.plan_hash,
            "state": plan.state,
            "expires_at": _time(plan.expires_at),
            "rows": rows,
            "untold": untold,
            "next_try_at": _time(due),
            "resume_at": _time(plan.resume_at),
        },
        "attempt": batch.attempt,
        "created_at": _time(batch.created_at),
        "started_at": _time(batch.started_at),
        "finished_at": _time(batch.finished_at),
        "summary": summary.text(),
        "plain_summary": summary.plain.text(),
    }


def _version(connection: Connection, batch: Batch) -> dict[str, Any] | None:
    """The policy version that decides in this batch, by its number and author; None of one that is not stored."""
    found = policies.by_hash(connection, batch.policy_hash)
    return None if found is None else {"number": found.number, "author": found.author, "note": found.note}


def _counters(counts: object) -> dict[str, object]:
    if not isinstance(counts, StageCounters):
        raise TypeError("a batch view needs the counters of the database")
    return counts.as_json()


def _money(facts: BatchFacts) -> dict[str, int]:
    return {
        "spend_micros": facts.spend_micros,
        "held_micros": facts.held_micros,
        "unknown_micros": facts.unknown_micros,
        "reused_micros": facts.reused_micros,
    }


def caps(workplace: Workplace, batch: Batch) -> dict[str, int]:
    """Every cap that a call of the batch falls under, in micro-USD, as the active policy sets them (spec 12.5).

    A month's cap of a vendor stands as `provider_month.<vendor>`.
    """
    budgets = active_policy(workplace.database).budgets
    absolute = micros_from_usd(budgets.batch_absolute_usd)
    months = {
        f"provider_month.{provider}": micros_from_usd(budgets.provider_month_usd[provider])
        for provider in sorted(budgets.provider_month_usd.keys() & providers_of(workplace, batch.platform))
    }
    return {
        "batch": min(batch.cap_micros, absolute),
        "batch_absolute": absolute,
        "platform_day": micros_from_usd(budgets.platform_day_usd),
        "day": micros_from_usd(budgets.day_usd),
        "month": micros_from_usd(budgets.month_usd),
        **months,
    }


def batch_rows(workplace: Workplace, page: BatchPage) -> list[dict[str, Any]]:
    """One page of batches for lists: summary columns, money and how many leads passed which stage."""
    with workplace.database.read() as connection:
        found = batches.list_batches(connection, page)
        ids = [batch.batch_id for batch in found]
        money = batch_figures.money(connection, ids)
        passed = batch_figures.passed_counts(connection, ids)
    held = _held_in_queue(workplace, found)
    return [
        {**_list_row(batch, money[batch.batch_id], passed.get(batch.batch_id, {})), "held_by": held.get(batch.batch_id)}
        for batch in found
    ]


def _held_in_queue(workplace: Workplace, rows: Sequence[Batch]) -> dict[str, str]:
    """Which full spending cap keeps which queued batch from being launched (spec 12.5)."""
    return held_batches(workplace, [row for row in rows if row.status == BatchStatus.QUEUED])


def _list_row(batch: Batch, money: batch_figures.Money, passed: Mapping[Any, int]) -> dict[str, Any]:
    return {
        "key": batch.partition_key,
        "platform": batch.platform,
        "status": batch.status,
        "cause": batch.cause,
        "passed": {str(stage): count for stage, count in passed.items()},
        "spend_micros": money.spend_micros,
        "held_micros": money.held_micros,
        "unknown_micros": money.unknown_micros,
        "reused_micros": money.reused_micros,
        "estimate_micros": batch.estimate_micros,
        "cap_micros": batch.cap_micros,
        "capped": batch.capped,
        "created_at": _time(batch.created_at),
        "finished_at": _time(batch.finished_at),
        "cursor": [_time(batch.created_at), batch.batch_id],
    }


def next_page(rows: Sequence[Mapping[str, Any]], page: BatchPage) -> BatchPage | None:
    """The page after these rows; None when they were the last."""
    if len(rows) < page.limit:
        return None
    at, batch_id = rows[-1]["cursor"]
    return BatchPage(
        platform=page.platform, status=page.status, before=(datetime.fromisoformat(at), batch_id), limit=page.limit
    )


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None
