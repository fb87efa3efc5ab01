"""Tells people about spending caps that refuse calls or keep batches from being launched, once per cap (12.5, 16)."""

from collections.abc import Iterable

from socialanalyzer_dagster.domain.notification_alerts import CapReached
from socialanalyzer_dagster.domain.refusals import BudgetExceeded
from socialanalyzer_dagster.pipeline.launching import QueuedBatch
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import outbox
from socialanalyzer_dagster.storage.batches import Batch


def tell_refused(workplace: Workplace, batch: Batch, refused: BudgetExceeded) -> None:
    """A cap had no room for a call of the batch."""
    of_batch = batch.batch_id if refused.policy_key is None else None
    _tell(workplace, [CapReached(batch_id=of_batch, scope=refused.scope, cap_micros=refused.cap_micros)])


def tell_held(workplace: Workplace, queued: Iterable[QueuedBatch]) -> None:
    """Full caps keep queued batches waiting."""
    full = {each.full_cap for each in queued if each.full_cap is not None}
    _tell(workplace, [CapReached(scope=cap.scope, cap_micros=cap.cap_micros, is_holding=True) for cap in full])


def _tell(workplace: Workplace, events: list[CapReached]) -> None:
    if not events:
        return
    with workplace.database.read() as connection:
        new = outbox.untold(connection, events)
    if new:
        with workplace.database.write() as connection:
            outbox.emit(connection, *new, now=workplace.clock.now())
