"""What a sandbox is started with."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

Speed = Literal["instant", "realistic"]
FaultLevel = Literal["none", "flaky", "hostile"]

WORLD_EPOCH = datetime(2026, 11, 16, 12, 0, tzinfo=UTC)
"""The moment a world counts its dates back from when nobody names another, so that tests meet equal worlds."""


def epoch_of_today() -> datetime:
    """The start of the present UTC day: a world served to people must look lived in to a pipeline with a real clock."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True)
class PracticeSwitches:
    """Choices between shapes and habits that the vendors' contracts leave open; the defaults follow practice.

    ``*_polls`` is the number of answers a job stays unfinished for, so jobs end without any time passing.
    """

    insightiq_export_polls: int = 1
    insightiq_published_shape: bool = False
    apify_run_polls: int = 1
    apify_cap_aborts: bool = False
    openai_batch_polls: int = 3
    hubspot_search_delay_seconds: float = 0.0
    hubspot_upsert_blanks_omitted: bool = False
    media_lifetime_seconds: int = 86_400
    apollo_empty_object: bool = False


@dataclass(frozen=True)
class SandboxConfig:
    """One sandbox: its world, its speed, its faults and where it keeps its state.

    ``home`` None keeps the bill and the stored rows in memory; else they live in ``<home>/sandbox/``.
    ``speed`` instant = no latency and no rate limits, realistic = the documented ones.
    ``port`` 0 takes any free port. ``limits`` are an account's own limits, such as ``openai.tokens=450000/60``.
    """

    seed: int = 7
    speed: Speed = "instant"
    faults: FaultLevel = "none"
    home: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8321
    epoch: datetime = WORLD_EPOCH
    switches: PracticeSwitches = PracticeSwitches()
    limits: tuple[str, ...] = ()
