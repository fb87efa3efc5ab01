"""What every action on batches needs, whoever asks for it: database, platforms, clock and where things lie."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from socialanalyzer_dagster.domain.ports import Clock
from socialanalyzer_dagster.domain.types import BatchKey, PlatformKey
from socialanalyzer_dagster.platforms.base import Platform
from socialanalyzer_dagster.storage.database import Database

Announce = Callable[[BatchKey], None]
SANDBOX = "sandbox"
"""The mode in which nothing is real."""


def announce_nothing(_key: BatchKey) -> None:
    """For callers without an orchestrator."""


class SystemClock:
    """Aware UTC time."""

    def now(self) -> datetime:
        """The present moment."""
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """`mode` is stored with each batch (sandbox or live); `suppression_key` tells who must not be stored.

    `announce` is told the key of a new batch before its row is committed, so that the partition exists when a sensor
    sees the row (architecture section 2). `ui_url` is where people look at batches, None when nobody said.
    """

    database: Database
    platforms: Mapping[PlatformKey, Platform]
    clock: Clock
    home: Path
    mode: str
    suppression_key: bytes = field(repr=False)
    announce: Announce = announce_nothing
    ui_url: str | None = None

    def batch_link(self, key: BatchKey) -> str | None:
        """The page of a batch's summary in the user interface."""
        return None if self.ui_url is None else f"{self.ui_url.rstrip('/')}/assets/batch_summary?partition={key}"
