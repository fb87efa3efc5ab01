"""Rate limits (the vendors' own column) and typical latencies; both apply at realistic speed only."""

import math
import re
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from socialanalyzer_dagster.sandbox.config import Speed


@dataclass(frozen=True)
class Window:
    """At most ``calls`` in any ``seconds``; ``name`` is how the vendor's headers or bodies call the window.

    A window of model tokens counts those instead of calls.
    """

    name: str
    calls: int
    seconds: float


@dataclass(frozen=True)
class Usage:
    """How one window stands after a call: calls left in it and seconds until room comes for the next one."""

    window: Window
    used: int
    resets_in_seconds: float
    is_over: bool = False
    """True when this call did not fit."""

    @property
    def left(self) -> int:
        """Calls that still fit, never below 0."""
        return 0 if self.is_over else max(0, self.window.calls - self.used)


TOKENS = "openai.tokens"
_MATCH = (Window("minute", 200, 60), Window("hour", 600, 3600), Window("day", 2000, 86_400))
WINDOWS: dict[str, tuple[Window, ...]] = {
    "insightiq": (Window("second", 10, 1),),
    "apify": (Window("second", 60, 1),),
    "apify.run_start": (Window("second", 400, 1),),
    "apollo.people_match": _MATCH,
    "apollo.bulk_match": (Window("minute", 20, 60), Window("hour", 60, 3600), Window("day", 200, 86_400)),
    "openai": (Window("minute", 500, 60),),
    TOKENS: (Window("tokens", 2_000_000, 60),),
    "hubspot": (Window("TEN_SECONDLY_ROLLING", 190, 10), Window("DAILY", 650_000, 86_400)),
    "hubspot.search": (Window("SECONDLY", 5, 1),),
    "slack": (Window("second", 1, 1),),
}
"""Key: vendor, or vendor.operation where the vendor counts an operation apart (contracts, section 2).

Tokens are counted per model.
"""
_LIMIT = re.compile(r"(?P<key>[a-z_.]+)=(?P<calls>[1-9]\d*)/(?P<seconds>[1-9]\d*)")

OPEN_REQUESTS = {"insightiq": 5}
"""Requests a vendor serves at the same time; InsightIQ has such a cap and does not publish it (contracts, 2)."""
_LATENCY_SECONDS = {
    "insightiq.contents_fetch": 3.0,
    "insightiq.search_export": 0.8,
    "openai.chat_completions": 2.5,
    "openai.transcriptions": 4.0,
    "openai.embeddings": 0.4,
    "apollo.people_match": 0.8,
    "millionverifier.single": 1.5,
    "hubspot.batch_upsert": 0.6,
    "apify.run_start": 0.6,
    "media": 0.15,
    "web": 0.3,
}
_OTHER_LATENCY_SECONDS = 0.2


def parse_limit(text: str) -> tuple[str, Window]:
    """The key and window of a limit such as ``openai.tokens=450000/60``; ValueError for an unknown key or form."""
    found = _LIMIT.fullmatch(text)
    if found is None or found["key"] not in WINDOWS:
        raise ValueError(f"{text!r} is no limit: write KEY=CALLS/SECONDS with one of {', '.join(sorted(WINDOWS))}")
    name = WINDOWS[found["key"]][0].name
    return found["key"], Window(name, int(found["calls"]), float(found["seconds"]))


@dataclass
class _Count:
    """What one window holds now."""

    taken: deque[tuple[float, int]] = field(default_factory=deque)
    used: int = 0

    def take(self, window: Window, amount: int, moment: float) -> Usage:
        while self.taken and self.taken[0][0] <= moment - window.seconds:
            self.used -= self.taken.popleft()[1]
        is_over = self.used + amount > window.calls
        if not is_over:
            self.taken.append((moment, amount))
            self.used += amount
        return Usage(window, self.used, self._seconds_to_room(window, amount, moment), is_over)

    def _seconds_to_room(self, window: Window, amount: int, moment: float) -> float:
        missing = self.used + amount - window.calls
        for at, taken in self.taken:
            missing -= taken
            if missing <= 0:
                return at + window.seconds - moment
        return window.seconds


class Limits:
    """Counts calls per window of a clock, real time by default; off (never over, no latency) at instant speed.

    ``windows`` replaces the documented limits of an account by key, as its tier has them.
    """

    def __init__(
        self,
        speed: Speed,
        windows: Mapping[str, Window] | None = None,
        *,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self.enabled = speed == "realistic"
        self._windows = WINDOWS | {key: (window,) for key, window in (windows or {}).items()}
        self._counts: dict[tuple[str, str], _Count] = defaultdict(_Count)
        self.tokens: Counter[str] = Counter()
        """Tokens let through so far, by model."""
        self._open: Counter[str] = Counter()

    def take(self, vendor: str, operation: str) -> list[Usage]:
        """Count one call and tell how its windows stand; an empty list when limits are off or there are none."""
        key = f"{vendor}.{operation}"
        return self._take(key if key in self._windows else vendor, "", 1)

    def take_tokens(self, model: str, tokens: int) -> list[Usage]:
        """As ``take``, for the tokens that one call may use of a model."""
        usages = self._take(TOKENS, model, tokens)
        if not any(usage.is_over for usage in usages):
            self.tokens[model] += tokens
        return usages

    def _take(self, key: str, model: str, amount: int) -> list[Usage]:
        if not self.enabled:
            return []
        moment = self._seconds()
        windows = self._windows.get(key, ())
        return [self._counts[f"{key}{model}", window.name].take(window, amount, moment) for window in windows]

    @contextmanager
    def opened(self, vendor: str) -> Iterator[bool]:
        """True while the request is served; False when the vendor serves as many as it does at once already."""
        if not self.enabled or self._open[vendor] < OPEN_REQUESTS.get(vendor, math.inf):
            self._open[vendor] += 1
            try:
                yield True
            finally:
                self._open[vendor] -= 1
        else:
            yield False

    def latency_seconds(self, vendor: str, operation: str) -> float:
        """How long the vendor typically takes for this call; 0 at instant speed."""
        return latency_seconds(f"{vendor}.{operation}") if self.enabled else 0.0

    def reset(self) -> None:
        """Forget all counted calls."""
        self._counts.clear()
        self.tokens.clear()


def latency_seconds(operation: str) -> float:
    """The typical latency of ``vendor.operation``."""
    vendor = operation.partition(".")[0]
    return _LATENCY_SECONDS.get(operation, _LATENCY_SECONDS.get(vendor, _OTHER_LATENCY_SECONDS))
