"""Whether a batch was stopped, as this process last read it (I-49)."""

import asyncio
import time
from collections.abc import Callable

from sqlalchemy import bindparam, select

from socialanalyzer_dagster.domain.refusals import BatchStopped
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow

FRESH_SECONDS = 1.0
_FLAG = select(LeadBatchRow.stop_requested).where(LeadBatchRow.batch_id == bindparam("of_batch"))


class StopFlags:
    """The stop flags of batches, read at most once a second; every reservation reads the flag exactly once more."""

    def __init__(self, database: Database, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._monotonic = monotonic
        self._stopped: dict[str, tuple[bool, float]] = {}
        self._reading = asyncio.Lock()

    async def check(self, batch_id: str | None) -> None:
        """Raises BatchStopped for a stopped batch, and what the database raises when the flag cannot be read.

        A call of no batch has no flag.
        """
        if batch_id is None:
            return
        if self._known(batch_id) is None:
            async with self._reading:
                if self._known(batch_id) is None:
                    stopped = await asyncio.to_thread(self._read, batch_id)
                    self._stopped[batch_id] = (stopped, self._monotonic())
        if self._stopped[batch_id][0]:
            raise BatchStopped("the batch was stopped")

    def _known(self, batch_id: str) -> bool | None:
        stopped, read_at = self._stopped.get(batch_id, (False, float("-inf")))
        return stopped if self._monotonic() - read_at < FRESH_SECONDS else None

    def _read(self, batch_id: str) -> bool:
        with self._database.read() as connection:
            found = connection.execute(_FLAG, {"of_batch": batch_id}).scalar_one_or_none()
        if found is None:
            raise LookupError(f"there is no batch {batch_id}")
        return bool(found)
