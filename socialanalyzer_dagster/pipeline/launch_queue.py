"""What is queued, what runs, and what room places and shared spending caps leave, read from the database."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.policy_money import BudgetsPolicy
from socialanalyzer_dagster.domain.types import STAGES, PlatformKey, Stage
from socialanalyzer_dagster.pipeline.batch_status import RUNNING, BatchStatus
from socialanalyzer_dagster.pipeline.crm_sync import next_stretch
from socialanalyzer_dagster.pipeline.gate_queue import PLAN, Asked, ask_where_due, steps_ahead
from socialanalyzer_dagster.pipeline.launching import QueuedBatch, SharedCap, Stretch, next_purchase_micros
from socialanalyzer_dagster.pipeline.policies import active_policy, policy_of_hash
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import batches, budget_scopes, outcome_sets, vendor_jobs
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.outcome_sets import Pending

_LEAD_STAGES = tuple(stage for stage in STAGES if stage not in (Stage.DISCOVERED, Stage.SYNCED))


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchQueue:
    """Queued batches, batches at work, and places in all; `asked` says which batches wait for a person from now on."""

    queued: tuple[QueuedBatch, ...]
    running: int
    places: int
    asked: tuple[Asked, ...] = ()


def launch_queue(workplace: Workplace) -> LaunchQueue:
    """The queue as it stands, after batches that come to a closed gate at once left it to wait for a person."""
    policy = active_policy(workplace.database)
    with workplace.database.read() as connection:
        waiting = batches.batches_with_status(connection, [BatchStatus.QUEUED])
    asked = ask_where_due(workplace, waiting)
    with workplace.database.read() as connection:
        rows = batches.batches_with_status(connection, [BatchStatus.QUEUED])
        running = batches.batches_with_status(connection, [status.value for status in RUNNING.values()])
        caps = shared_caps(connection, workplace, {row.platform for row in rows}, policy.budgets)
        queued = tuple(_as_queued(connection, workplace, row, _short(row, caps)) for row in rows)
    return LaunchQueue(queued=queued, running=len(running), places=policy.runtime.batches_at_once, asked=tuple(asked))


def held_batches(workplace: Workplace, rows: Sequence[Batch]) -> dict[str, str]:
    """Batch id -> the sentence about the full cap that a batch would meet if it went on now; the others are left out.

    Only batches whose whole estimate has no room under some cap are looked at closer.
    """
    budgets = active_policy(workplace.database).budgets
    with workplace.database.read() as connection:
        caps = shared_caps(connection, workplace, {row.platform for row in rows}, budgets)
        doubtful = [(row, short) for row in rows if (short := _short(row, caps))]
        held = {row.batch_id: _as_queued(connection, workplace, row, short).held_by for row, short in doubtful}
    return {batch_id: sentence for batch_id, sentence in held.items() if sentence is not None}


def shared_caps(
    connection: Connection, workplace: Workplace, platforms: Iterable[PlatformKey], budgets: BudgetsPolicy
) -> Mapping[PlatformKey, tuple[SharedCap, ...]]:
    """The caps of today and this month (UTC) that calls of each platform fall under; one query for all."""
    today = workplace.clock.now().date()
    caps = {key: budget_scopes.shared_caps(key, providers_of(workplace, key), today, budgets) for key in platforms}
    used = budget_scopes.used_micros(connection, [scope for each in caps.values() for scope in each])
    return {
        key: tuple(
            SharedCap(scope=scope, cap_micros=cap, used_micros=used.get(scope, 0)) for scope, cap in each.items()
        )
        for key, each in caps.items()
    }


def providers_of(workplace: Workplace, key: PlatformKey) -> set[str]:
    """The vendors that a platform's stages may pay."""
    platform = workplace.platforms.get(key)
    return set() if platform is None else {name for each in platform.adapters.values() for name in each.providers}


def _short(row: Batch, caps: Mapping[PlatformKey, tuple[SharedCap, ...]]) -> tuple[SharedCap, ...]:
    """The caps without room for the whole estimate: any other has room for the next purchase."""
    return tuple(cap for cap in caps[row.platform] if cap.is_full_for(max(1, row.estimate_micros)))


def _as_queued(connection: Connection, workplace: Workplace, row: Batch, caps: tuple[SharedCap, ...]) -> QueuedBatch:
    stretch = next_stretch(connection, row)
    is_up_to_plan = stretch is Stretch.TO_PLAN
    steps = steps_ahead(connection, row, policy_of_hash(workplace.database, row.policy_hash)) if is_up_to_plan else ()
    needed = _needed_micros(connection, row) if caps and is_up_to_plan and steps != (PLAN,) else 0
    return QueuedBatch(
        key=row.partition_key, attempt=row.attempt, stretch=stretch, needed_micros=needed, caps=caps, steps=steps
    )


def _needed_micros(connection: Connection, row: Batch) -> int:
    """The next purchase; 0 when the search is done and no stage has a lead left that it would attempt."""
    discovered = batches.stage_progress(connection, row.batch_id).get(Stage.DISCOVERED)
    is_found = discovered is not None and discovered.finished_at is not None
    waiting = (
        outcome_sets.count_pending(connection, Pending(batch_id=row.batch_id, stage=each)) for each in _LEAD_STAGES
    )
    if is_found and not any(waiting):
        return 0
    is_bought = is_found or vendor_jobs.has_bought(connection, row.batch_id, Stage.DISCOVERED)
    return next_purchase_micros(row.estimate, is_search_bought=is_bought)
