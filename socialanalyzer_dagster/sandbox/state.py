"""Everything one running sandbox knows: world, clock, bill, stored rows, faults, limits and counted calls."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

from socialanalyzer_dagster.sandbox.billing import Bill
from socialanalyzer_dagster.sandbox.clock import SandboxClock
from socialanalyzer_dagster.sandbox.config import SandboxConfig
from socialanalyzer_dagster.sandbox.fault_log import FaultLog
from socialanalyzer_dagster.sandbox.faults import FaultBoard
from socialanalyzer_dagster.sandbox.limits import Limits, parse_limit
from socialanalyzer_dagster.sandbox.store import Store
from socialanalyzer_dagster.sandbox.world.dice import base62, token, uuid_text
from socialanalyzer_dagster.sandbox.world.world import World

T = TypeVar("T")
_EPOCH_LASTS = timedelta(days=14)
_META = "sandbox.meta"


class WorldMismatchError(RuntimeError):
    """The home already holds the state of another world; the message names both."""


class SandboxState:
    """The parts of one sandbox; every vendor module gets this object.

    ``world`` is derived from the seed alone; ``clock``, ``bill`` and ``store`` survive restarts under the home;
    ``faults``, ``fault_log``, ``limits``, ``calls`` (vendor.operation -> count), ``throttled`` (those answered 429) and
    ``unknown_paths`` live with the process. ``seconds`` is the clock of the limits.
    """

    def __init__(self, config: SandboxConfig, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self.config = config
        self.store = Store(config.home)
        self._claim_home(config)
        epoch = self._epoch_of_home(config.epoch)
        self.clock = SandboxClock(self.store, epoch)
        self.bill = Bill(self.store, self.clock)
        self.world = World(config.seed, epoch)
        self.faults = FaultBoard(config.seed, config.faults)
        self.fault_log = FaultLog()
        self.limits = Limits(config.speed, dict(map(parse_limit, config.limits)), seconds=seconds)
        self.calls: Counter[str] = Counter()
        self.throttled: Counter[str] = Counter()
        self.unknown_paths: Counter[str] = Counter()
        self._requests: Counter[str] = Counter()
        self._memory: dict[str, Any] = {}

    def _epoch_of_home(self, wanted: datetime) -> datetime:
        """The home's own epoch, moved on to the wanted one when it is so old that active creators would look idle."""
        stored = self.store.get(_META, "epoch")
        epoch = wanted if stored is None else datetime.fromisoformat(stored)
        if wanted - epoch < _EPOCH_LASTS:
            return epoch
        self.store.put(_META, "epoch", wanted.isoformat())
        SandboxClock(self.store, wanted).set(wanted)
        self.store.commit()
        return wanted

    def _claim_home(self, config: SandboxConfig) -> None:
        stored_seed = self.store.get(_META, "seed")
        if stored_seed is None:
            self.store.put(_META, "seed", config.seed)
            self.store.put(_META, "epoch", config.epoch.isoformat())
            self.store.commit()
        elif stored_seed != config.seed:
            self.store.close()
            raise WorldMismatchError(
                f"the sandbox home {home_text(config.home)} holds the world of seed {stored_seed}, "
                f"not of seed {config.seed}"
            )

    def memory(self, name: str, factory: Callable[[], T]) -> T:
        """One object per name that lives as long as the process (indexes, caches); dropped by ``reset``."""
        if name not in self._memory:
            self._memory[name] = factory()
        return cast(T, self._memory[name])

    def request_ordinal(self, fingerprint: str) -> int:
        """How often this very request has come since the start, from 1."""
        self._requests[fingerprint] += 1
        return self._requests[fingerprint]

    def _occurrence(self, kind: str, fingerprint: str) -> int:
        return self.store.increment(f"id.{kind}.{fingerprint}")

    def mint_uuid(self, kind: str, fingerprint: str) -> str:
        """A new UUID: the n-th time for one fingerprint always gives the same id, whatever else was asked."""
        return uuid_text(self.config.seed, kind, fingerprint, self._occurrence(kind, fingerprint))

    def mint_hex(self, kind: str, fingerprint: str, length: int = 24) -> str:
        """A new lower-case hex id, by the same rule as ``mint_uuid``."""
        return token(length, self.config.seed, kind, fingerprint, self._occurrence(kind, fingerprint))

    def mint_base62(self, kind: str, fingerprint: str, length: int = 17) -> str:
        """A new id of letters and digits, by the same rule as ``mint_uuid``."""
        return base62(length, self.config.seed, kind, fingerprint, self._occurrence(kind, fingerprint))

    def reset(self) -> None:
        """Back to the state of a fresh start: no bill, no rows, no counted calls, the clock at the epoch."""
        self.store.reset()
        self.clock.set(self.world.epoch)
        self.store.commit()
        self.faults.reset()
        self.fault_log.clear()
        self.limits.reset()
        for counted in (self.calls, self.throttled, self.unknown_paths, self._requests):
            counted.clear()
        self._memory.clear()


def home_text(home: Path | None) -> str | None:
    """The home as other processes compare it: absolute, or None for a sandbox in memory."""
    return None if home is None else str(home.resolve())
