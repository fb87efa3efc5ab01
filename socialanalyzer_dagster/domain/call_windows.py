"""Permits of one bucket dealt to processes so that no window ever holds more calls than allowed: pure (spec 13.2).

Times are seconds of one clock that all processes share. A permit counts in every window from the moment it is given: as
used at the latest moment it may still be used, until its holder tells when it really was. What is told is rounded up to
a 64th of the window, so that the record of a day is as small as that of a second.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from socialanalyzer_dagster.domain.calls import Quota
from socialanalyzer_dagster.domain.policy_money import Window

_GRAINS = 64
_SOON_SECONDS = 0.05
"""When what is missing was given to others, who may hand it back at any moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """The windows of a bucket; permits lapse after `hold_seconds`; a quota below `slow_below` of its limit is paced."""

    windows: tuple[Window, ...] = ()
    hold_seconds: float
    slow_below: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RateAsk:
    """What one process wants and tells: amounts in the order of asking, and what became of earlier permits.

    `used` were used `used_ago` seconds ago or earlier, `returned` never will be. `quota` was read off an answer to a
    call that was sent `quota_ago` seconds ago.
    """

    holder: str
    amounts: tuple[int, ...] = ()
    used: int = 0
    used_ago: float = 0.0
    returned: int = 0
    pause_seconds: float = 0.0
    quota: Quota | None = None
    quota_ago: float = 0.0


@dataclass(frozen=True, slots=True)
class RateGrant:
    """How many of the asked amounts are given, in order, and how long the next one has to wait.

    Of a bucket without windows that is how long the vendor asked for a break. `alone` when no other process has asked
    lately: then nobody waits for what is told late.
    """

    given: int
    wait_seconds: float
    alone: bool


@dataclass(slots=True)
class _Block:
    """Permits one process has and has not told of."""

    amount: int
    until: float
    seen: float


@dataclass(slots=True)
class RateState:
    """Everything known of a bucket; made by `from_json`, changed by `deal`."""

    used: dict[str, dict[int, int]] = field(default_factory=dict)
    blocks: dict[str, _Block] = field(default_factory=dict)
    not_before: float = 0.0
    quota_left: int | None = None
    quota_until: float = 0.0
    quota_is_small: bool = False

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The stored form; {} is a bucket that was never used."""
        return cls(
            used={name: {int(at): count for at, count in log} for name, log in document.get("used", {}).items()},
            blocks={holder: _Block(*block) for holder, block in document.get("blocks", {}).items()},
            not_before=document.get("not_before", 0.0),
            quota_left=document.get("quota_left"),
            quota_until=document.get("quota_until", 0.0),
            quota_is_small=document.get("quota_is_small", False),
        )

    def as_json(self) -> dict[str, Any]:
        """What is stored."""
        return {
            "used": {name: sorted(log.items()) for name, log in self.used.items() if log},
            "blocks": {holder: [each.amount, each.until, each.seen] for holder, each in self.blocks.items()},
            "not_before": self.not_before,
            "quota_left": self.quota_left,
            "quota_until": self.quota_until,
            "quota_is_small": self.quota_is_small,
        }

    def deal(self, ask: RateAsk, limit: RateLimit, now: float) -> RateGrant:
        """Take in what the process tells, then give as much as every window, pause and quota allows.

        When there is not enough for everybody, a process gets its share of what is left, but at least one call.
        """
        self._expire(limit, now)
        mine = self.blocks.setdefault(ask.holder, _Block(0, 0.0, now))
        mine.seen = now
        self._take_in(ask, mine, limit, now)
        others = sum(now - block.seen < limit.hold_seconds for holder, block in self.blocks.items()) - 1
        given, total = self._affordable(ask.amounts, limit, now, others + 1)
        if total:
            mine.amount += total
            mine.until = now + limit.hold_seconds
            self._count_quota(total, now)
        wait = self._wait(ask.amounts[given], limit, now) if given < len(ask.amounts) else self.not_before - now
        return RateGrant(given, wait, others == 0)

    def leave(self, holder: str, limit: RateLimit, now: float) -> None:
        """Forget a process; what it was given and did not tell of counts as used now."""
        block = self.blocks.pop(holder, None)
        if block is not None and block.amount:
            self._log(block.amount, min(block.until, now), limit)

    def _expire(self, limit: RateLimit, now: float) -> None:
        for window in limit.windows:
            self.used.setdefault(_name(window), {})
        for name, log in list(self.used.items()):
            oldest = (now - float(name)) / _grain(float(name))
            for at in [at for at in log if at <= oldest]:
                del log[at]
        for holder, block in list(self.blocks.items()):
            if block.amount and block.until < now:
                self._log(block.amount, block.until, limit)
                block.amount = 0
            if not block.amount and now - block.seen > limit.hold_seconds:
                del self.blocks[holder]
        if self.quota_until <= now:
            self.quota_left, self.quota_is_small = None, False

    def _take_in(self, ask: RateAsk, mine: _Block, limit: RateLimit, now: float) -> None:
        used = min(ask.used, mine.amount)
        if used:
            self._log(used, now - ask.used_ago, limit)
        mine.amount -= used
        mine.amount -= min(ask.returned, mine.amount)
        if ask.pause_seconds > 0:
            self.not_before = max(self.not_before, now + ask.pause_seconds)
        if ask.quota is not None:
            self._learn(ask.quota, now - ask.quota_ago, limit, now)

    def _learn(self, quota: Quota, sent_at: float, limit: RateLimit, now: float) -> None:
        """The vendor counted up to some moment after the call was sent; what was given since then may not be in it."""
        since = sum(block.amount for block in self.blocks.values()) + self._used_since(sent_at, now)
        self.quota_left = max(0, quota.remaining - since)
        self.quota_until = now + quota.reset_seconds
        self.quota_is_small = quota.limit is not None and quota.remaining < quota.limit * limit.slow_below

    def _used_since(self, moment: float, now: float) -> int:
        """Read from the shortest window that reaches back so far: its record is the finest."""
        lengths = sorted(self.used, key=float)
        name = next((each for each in lengths if float(each) >= now - moment), lengths[-1] if lengths else None)
        if name is None:
            return 0
        return sum(count for at, count in self.used[name].items() if at * _grain(float(name)) > moment)

    def _log(self, amount: int, at: float, limit: RateLimit) -> None:
        for name in {*self.used, *(_name(window) for window in limit.windows)}:
            grain = math.ceil(at / _grain(float(name)))
            log = self.used.setdefault(name, {})
            log[grain] = log.get(grain, 0) + amount

    def _affordable(self, amounts: Sequence[int], limit: RateLimit, now: float, processes: int) -> tuple[int, int]:
        if not amounts or now < self.not_before:
            return 0, 0
        room = self._room(limit)
        if room is not None and room < sum(amounts) * processes:
            room = max(room // processes, min(room, self._capped(amounts[0], limit)))
        given = total = 0
        for amount in amounts[:1] if self.quota_is_small else amounts:
            if room is not None and total + self._capped(amount, limit) > room:
                break
            given, total = given + 1, total + self._capped(amount, limit)
        return given, total

    def _room(self, limit: RateLimit) -> int | None:
        """What may be given now; None without windows and quota."""
        out = sum(block.amount for block in self.blocks.values())
        rooms = [window.calls - sum(self.used[_name(window)].values()) - out for window in limit.windows]
        if self.quota_left is not None:
            rooms.append(self.quota_left)
        return max(0, min(rooms)) if rooms else None

    def _capped(self, amount: int, limit: RateLimit) -> int:
        """More than a whole window is asked for as a whole window: else it would wait for ever."""
        return min([amount, *(window.calls for window in limit.windows)])

    def _count_quota(self, amount: int, now: float) -> None:
        if self.quota_left is None:
            return
        self.quota_left = max(0, self.quota_left - amount)
        if self.quota_is_small:
            pace = (self.quota_until - now) / (self.quota_left + 1)
            self.not_before = max(self.not_before, now + pace)

    def _wait(self, amount: int, limit: RateLimit, now: float) -> float:
        wait = max(self.not_before - now, _SOON_SECONDS)
        if self.quota_left is not None and self.quota_left < amount:
            wait = max(wait, self.quota_until - now)
        out = sum(block.amount for block in self.blocks.values())
        for window in limit.windows:
            log = self.used[_name(window)]
            free = window.calls - out - sum(log.values())
            for at in sorted(log):
                if free >= self._capped(amount, limit):
                    break
                free += log[at]
                wait = max(wait, at * _grain(float(window.seconds)) + float(window.seconds) - now)
        return wait


def _name(window: Window) -> str:
    return f"{window.seconds.normalize():f}"


def _grain(seconds: float) -> float:
    return seconds / _GRAINS
