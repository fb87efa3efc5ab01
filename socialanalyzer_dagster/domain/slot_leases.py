"""Places for open calls of one bucket leased to processes, so that together they never have more open (spec 13.2).

A lease ends by itself when its process does not renew it, so that the places of a killed one come back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

_WAITING_SECONDS = 2.0
"""A process that waits asks again sooner than this; one that does not is no longer waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotAsk:
    """How many places a process wants to hold in all from now on; fewer than it has gives some back."""

    holder: str
    wanted: int


@dataclass(frozen=True, slots=True)
class SlotGrant:
    """How many places the process holds now.

    `contended` when another one waits for its share; then whoever holds more than `keep` hands the rest back as calls
    end. `keep` is 0 where there are more processes than places: they take turns.
    """

    held: int
    contended: bool
    keep: int


@dataclass(slots=True)
class _Lease:
    held: int
    seen: float
    waits_since: float | None


@dataclass(slots=True)
class SlotState:
    """Everything known of a bucket's places; made by `from_json`, changed by `deal`."""

    leases: dict[str, _Lease] = field(default_factory=dict)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The stored form; {} is a bucket that was never used."""
        return cls({holder: _Lease(*lease) for holder, lease in document.items()})

    def as_json(self) -> dict[str, Any]:
        """What is stored."""
        return {holder: [each.held, each.seen, each.waits_since] for holder, each in self.leases.items()}

    def deal(self, ask: SlotAsk, places: int, lease_seconds: float, now: float) -> SlotGrant:
        """Give as many places as are free; while others wait, no process gets more than its share, in order."""
        for holder in [holder for holder, lease in self.leases.items() if now - lease.seen > lease_seconds]:
            del self.leases[holder]
        mine = self.leases.setdefault(ask.holder, _Lease(0, now, None))
        mine.seen = now
        wanted = min(ask.wanted, places)
        waiting = [each for each in self.leases.values() if each is not mine and _is_waiting(each, now)]
        share = max(1, places // len(self.leases))
        if wanted <= mine.held:
            mine.held = wanted
        else:
            self._grow(mine, wanted if not waiting else min(wanted, share), places, waiting)
        starves = mine.held < min(ask.wanted, share)
        mine.waits_since = (mine.waits_since or now) if starves else None
        if not mine.held and not starves:
            del self.leases[ask.holder]
        return SlotGrant(mine.held, bool(waiting), share if len(self.leases) <= places else 0)

    def leave(self, holder: str) -> None:
        """Free everything a process holds."""
        self.leases.pop(holder, None)

    def _grow(self, mine: _Lease, wanted: int, places: int, waiting: list[_Lease]) -> None:
        free = places - sum(each.held for each in self.leases.values())
        since = mine.waits_since if mine.waits_since is not None else mine.seen
        before_me = sum(each.waits_since is not None and each.waits_since < since for each in waiting)
        mine.held += max(0, min(wanted - mine.held, free - before_me))


def _is_waiting(lease: _Lease, now: float) -> bool:
    return lease.waits_since is not None and now - lease.seen < _WAITING_SECONDS
