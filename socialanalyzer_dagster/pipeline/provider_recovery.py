"""Which batches are queued again because a vendor that their leads wait for can be called again (spec 3.4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from socialanalyzer_dagster.domain.breaker import BreakerState
from socialanalyzer_dagster.domain.sentences import counted
from socialanalyzer_dagster.domain.types import BatchKey, PlatformKey
from socialanalyzer_dagster.pipeline.batch_actions import Deed, retry
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus, ChangedMeanwhile, StatusRefused
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage.breakers import load_breakers
from socialanalyzer_dagster.storage.database import shared_seconds
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow

_BY = "provider_recovery_sensor"
_AT_REST = (
    BatchStatus.PAUSED,
    BatchStatus.AWAITING_APPROVAL,
    BatchStatus.COMPLETED,
    BatchStatus.COMPLETED_EMPTY,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingBatch:
    """A batch at rest whose leads wait for a vendor, not before `until`."""

    key: BatchKey
    platform: PlatformKey
    vendor: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Recovery:
    """The batches to queue, and in words why there are none or why others still wait."""

    queue: tuple[WaitingBatch, ...]
    reason: str


def decide_recovery(
    waiting: Sequence[WaitingBatch], breakers: Mapping[str, BreakerState], *, now: datetime, seconds: float
) -> Recovery:
    """Queue what waits for a vendor whose breaker lets a call through at `seconds` of the shared clock."""
    if not waiting:
        return Recovery((), "No batch waits for a vendor that was away.")
    back = tuple(
        each
        for each in waiting
        if (each.until is None or now >= each.until) and breakers.get(each.vendor, BreakerState()).allows_calls(seconds)
    )
    vendors = sorted({each.vendor for each in waiting if each not in back})
    number = counted(len(waiting) - len(back), "batch", "batches")
    still = f"Waiting for {', '.join(vendors)}: {number}." if vendors else "Nobody waits."
    return Recovery(back, still)


def recover_batches(workplace: Workplace) -> list[str]:
    """Queue every batch whose vendor is back; sentences for people about what was done, or why nothing was."""
    with workplace.database.read() as connection:
        waiting = waiting_batches(connection)
        states = {vendor: stored.state for vendor, stored in load_breakers(connection).items()}
        seconds = shared_seconds(connection)
    decision = decide_recovery(waiting, states, now=workplace.clock.now(), seconds=seconds)
    return [_queue(workplace, each) for each in decision.queue] or [decision.reason]


def waiting_batches(connection: Connection) -> list[WaitingBatch]:
    """Every batch at rest whose leads wait for a vendor."""
    rows = connection.execute(
        select(LeadBatchRow.partition_key, LeadBatchRow.platform, LeadBatchRow.waits_for, LeadBatchRow.waits_until)
        .where(LeadBatchRow.waits_for.is_not(None), LeadBatchRow.status.in_(_AT_REST))
        .order_by(LeadBatchRow.created_at)
    )
    return [
        WaitingBatch(
            key=BatchKey(row.partition_key),
            platform=PlatformKey(row.platform),
            vendor=row.waits_for,
            until=row.waits_until,
        )
        for row in rows
    ]


def _queue(workplace: Workplace, waiting: WaitingBatch) -> str:
    deed = Deed(by=_BY, reason=f"{waiting.vendor} can be called again", is_person=False)
    try:
        retry(workplace, waiting.key, deed)
    except (StatusRefused, ChangedMeanwhile) as refused:
        return f"Batch {waiting.key} was left as it is: {refused}."
    return f"{waiting.vendor} can be called again: batch {waiting.key} is queued."
