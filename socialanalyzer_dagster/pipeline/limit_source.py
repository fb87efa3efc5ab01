"""Where a process asks for permits and places: the rows that all processes share, or its own memory."""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from socialanalyzer_dagster.domain.call_windows import RateAsk, RateGrant, RateLimit, RateState
from socialanalyzer_dagster.domain.slot_leases import SlotAsk, SlotGrant, SlotState
from socialanalyzer_dagster.pipeline.writer import GroupWriter
from socialanalyzer_dagster.storage.database import SharedTime
from socialanalyzer_dagster.storage.limiters import AskRate, AskSlots, FreeSlots


class LimitSource(Protocol):
    """Answers the questions of one process; raises what the database raises when the state cannot be read (I-36)."""

    @property
    def is_shared(self) -> bool: ...

    async def rate(self, bucket: str, limit: RateLimit, ask: RateAsk, *, leaves: bool = False) -> RateGrant: ...

    async def slots(self, bucket: str, places: int, lease_seconds: float, ask: SlotAsk) -> SlotGrant: ...

    async def free_slots(self, prefix: str, *, keep: str) -> None: ...


@dataclass(frozen=True, slots=True)
class SharedSource:
    """The database, through the group writer: questions of many tasks are answered in one commit."""

    writer: GroupWriter
    time: SharedTime

    @property
    def is_shared(self) -> bool:
        """Others use the same limits."""
        return True

    async def rate(self, bucket: str, limit: RateLimit, ask: RateAsk, *, leaves: bool = False) -> RateGrant:
        """The grant, committed."""
        write = AskRate(bucket=bucket, limit=limit, ask=ask, leaves=leaves, time=self.time)
        return await self.writer.submit(write)

    async def slots(self, bucket: str, places: int, lease_seconds: float, ask: SlotAsk) -> SlotGrant:
        """The grant, committed."""
        write = AskSlots(bucket=bucket, places=places, lease_seconds=lease_seconds, ask=ask, time=self.time)
        return await self.writer.submit(write)

    async def free_slots(self, prefix: str, *, keep: str) -> None:
        """Return when the places of the dead processes are free."""
        await self.writer.submit(FreeSlots(prefix=prefix, keep=keep))


@dataclass(frozen=True, slots=True)
class OwnSource:
    """The memory of one process, for calls of a command that nobody else is paced with."""

    monotonic: Callable[[], float] = time.monotonic
    _rates: dict[str, RateState] = field(default_factory=lambda: defaultdict(RateState))
    _slots: dict[str, SlotState] = field(default_factory=lambda: defaultdict(SlotState))

    @property
    def is_shared(self) -> bool:
        """Nobody else."""
        return False

    async def rate(self, bucket: str, limit: RateLimit, ask: RateAsk, *, leaves: bool = False) -> RateGrant:
        """The grant."""
        return self._rates[bucket].deal(ask, limit, self.monotonic())

    async def slots(self, bucket: str, places: int, lease_seconds: float, ask: SlotAsk) -> SlotGrant:
        """The grant."""
        return self._slots[bucket].deal(ask, places, lease_seconds, self.monotonic())

    async def free_slots(self, prefix: str, *, keep: str) -> None:
        """Nobody else is here."""
