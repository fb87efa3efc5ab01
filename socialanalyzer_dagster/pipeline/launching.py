"""Which queued batches are launched now: a pure decision over their rows, the caps and the orchestrator (3.4, 12.5)."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from socialanalyzer_dagster.domain.money import usd_text
from socialanalyzer_dagster.domain.sentences import counted
from socialanalyzer_dagster.domain.types import BatchKey, Stage


class Stretch(StrEnum):
    """The longest stretch of stages before the next closed gate; before one that precedes the plan, steps end it."""

    TO_PLAN = "to_plan"
    SYNC = "sync"


def step_asset(step: str) -> str:
    """The name of the asset that does a step: a stage, or the plan."""
    return "crm_sync_plan" if step == "plan" else f"{step}_leads"


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedCap:
    """A cap that batches share, and what is spent, reserved or unknown under it; `scope` names kind and period."""

    scope: str
    cap_micros: int
    used_micros: int

    def is_full_for(self, needed_micros: int) -> bool:
        """True when the room left is less than the next purchase; what buys nothing (0) always has room."""
        return needed_micros > 0 and self.cap_micros - self.used_micros < needed_micros

    def sentence(self, needed_micros: int) -> str:
        """Which cap is reached, when it starts anew by itself, and which policy key to raise."""
        return (
            f"the spending cap of {usd_text(self.cap_micros)} {self.period} is reached "
            f"({usd_text(self.used_micros)} spent or reserved, {usd_text(needed_micros)} needed next): {self.remedy}"
        )

    @property
    def period(self) -> str:
        """'per day for instagram'."""
        kind, *names = self.scope.split(":")
        return f"per {kind.rpartition('-')[2]}" + "".join(f" for {name}" for name in names[:-1])

    @property
    def remedy(self) -> str:
        """When the cap starts anew by itself, and which policy key to raise."""
        kind, *names = self.scope.split(":")
        key = f"budgets.{kind.replace('-', '_')}_usd" + (f".{names[0]}" if kind == "provider-month" else "")
        return f"it starts anew on {_next_start(names[-1])} at 00:00 UTC, or raise {key} in the policy"


def _next_start(period: str) -> date:
    """The first day after a day (2026-11-20) or a month (2026-11)."""
    if period.count("-") == 2:
        return date.fromisoformat(period) + timedelta(days=1)
    return (date.fromisoformat(f"{period}-01") + timedelta(days=31)).replace(day=1)


def next_purchase_micros(estimate: Mapping[str, Any], *, is_search_bought: bool) -> int:
    """The smallest thing a batch could still buy, by its stored estimate.

    Before its search is bought that is the whole search, which is reserved at once; after it, or where the search is
    free, one lead at the cheapest of the other stages. At least 1, so that a cap without any room is always full.
    """
    stages: Mapping[str, Mapping[str, int]] = estimate["stages"]
    search = stages[Stage.DISCOVERED]["micros"]
    if search and not is_search_bought:
        return search
    prices = [
        each["micros"] // each["leads"] for name, each in stages.items() if name != Stage.DISCOVERED and each["leads"]
    ]
    return min((price for price in prices if price > 0), default=1)


def run_key_of(key: BatchKey, attempt: int) -> str:
    """What the orchestrator knows a launch by."""
    return f"{key}:{attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedBatch:
    """A queued row; `attempt` grows each time the batch is queued.

    `needed_micros` is the next purchase, 0 when the stretch spends nothing; `caps` are the shared caps that may be too
    full for it, the longest period first. `steps` are those of its stretch that are to be done, all of them when empty.
    """

    key: BatchKey
    attempt: int
    stretch: Stretch
    needed_micros: int = 0
    caps: tuple[SharedCap, ...] = ()
    steps: tuple[str, ...] = ()

    @property
    def run_key(self) -> str:
        """One launch per batch and attempt."""
        return run_key_of(self.key, self.attempt)

    @property
    def full_cap(self) -> SharedCap | None:
        """The full cap that keeps the batch waiting, the one that lasts longest; None without."""
        return next((cap for cap in self.caps if cap.is_full_for(self.needed_micros)), None)

    @property
    def held_by(self) -> str | None:
        """The sentence about that cap; None without."""
        return None if self.full_cap is None else self.full_cap.sentence(self.needed_micros)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchDecision:
    """What to launch, which keys must become partitions first, and a sentence when nothing is launched."""

    launch: tuple[QueuedBatch, ...]
    missing_partitions: tuple[BatchKey, ...]
    reason: str


def decide_launches(
    queued: Sequence[QueuedBatch], *, partitions: Collection[str], launched: Collection[str], free_places: int
) -> LaunchDecision:
    """Queued batches in order of their keys, as many as there are places; those that a full cap holds are left waiting.

    `partitions` are the keys the orchestrator knows (an unknown key would fail the whole tick), `launched` the run keys
    it already has.
    """
    waiting = sorted((each for each in queued if each.run_key not in launched), key=lambda each: each.key)
    missing = tuple(each.key for each in waiting if each.key not in partitions)
    held = Counter(sentence for each in waiting if (sentence := each.held_by) is not None)
    ready = [each for each in waiting if each.key in partitions and each.held_by is None]
    launch = tuple(ready[: max(0, free_places)])
    reasons = [f"{counted(number, 'batch waits', 'batches wait')}: {sentence}." for sentence, number in held.items()]
    if len(waiting) > held.total() or not held:
        counts = _Counts(queued=len(queued), waiting=len(waiting) - held.total(), ready=len(ready))
        reasons.insert(0, _reason(counts, free_places))
    return LaunchDecision(launch=launch, missing_partitions=missing, reason=" ".join(reasons))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    """Batches that are queued, not launched yet and held by no cap, and ready to be launched."""

    queued: int
    waiting: int
    ready: int


def _reason(counts: _Counts, free_places: int) -> str:
    if not counts.queued:
        return "No batch is queued."
    if not counts.waiting:
        return f"{counts.queued} queued batches are launched already and wait for their run to start."
    if not counts.ready:
        return (
            f"{counts.waiting} queued batches had no partition; it was added, and they are launched at the next tick."
        )
    if free_places < 1:
        return (
            f"{counted(counts.ready, 'batch waits', 'batches wait')}: as many batches are running as the policy allows."
        )
    return f"{min(counts.ready, free_places)} of {counts.ready} waiting batches are launched."
