"""Rate limits (the vendors' own column) and typical latencies; both apply at realistic speed only."""

import math
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from socialanalyzer_dagster.sandbox.config import Speed


@dataclass(frozen=True)
class Window:
    """At most ``calls`` in any ``seconds``; ``name`` is how the vendor's headers or bodies call the window."""

    name: str
    calls: int
    seconds: float


@dataclass(frozen=True)
class Usage:
    """How one window stands after a call: calls left in it and seconds until room comes."""

    window: Window
    used: int
    resets_in_seconds: float

    @property
    def left(self) -> int:
        """Calls that still fit, never below 0."""
        return max(0, self.window.calls - self.used)

    @property
    def is_over(self) -> bool:
        """True when this call did not fit."""
        return self.used > self.window.calls


_MATCH = (Window("minute", 200, 60), Window("hour", 600, 3600), Window("day", 2000, 86_400))
WINDOWS: dict[str, tuple[Window, ...]] = {
    "insightiq": (Window("second", 10, 1),),
    "apify": (Window("second", 60, 1),),
    "apify.run_start": (Window("second", 400, 1),),
    "apollo.people_match": _MATCH,
    "apollo.bulk_match": (Window("minute", 20, 60), Window("hour", 60, 3600), Window("day", 200, 86_400)),
    "openai": (Window("minute", 500, 60),),
    "hubspot": (Window("TEN_SECONDLY_ROLLING", 190, 10), Window("DAILY", 650_000, 86_400)),
    "hubspot.search": (Window("SECONDLY", 5, 1),),
    "slack": (Window("second", 1, 1),),
}
"""Key: vendor, or vendor.operation where the vendor counts an operation apart (contracts, section 2)."""

TOKENS_PER_MINUTE = 450_000
"""Per model, as an account of the second tier has them."""
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


class Limits:
    """Counts calls per window in real time; off (never over, no latency) at instant speed."""

    def __init__(self, speed: Speed) -> None:
        self.enabled = speed == "realistic"
        self._calls: dict[tuple[str, str], deque[float]] = defaultdict(deque)
        self._tokens: dict[str, deque[tuple[float, int]]] = defaultdict(deque)
        self._open: Counter[str] = Counter()

    def take(self, vendor: str, operation: str) -> list[Usage]:
        """Count one call and tell how its windows stand; an empty list when limits are off or there are none."""
        if not self.enabled:
            return []
        key = f"{vendor}.{operation}"
        if key not in WINDOWS:
            key = vendor
        moment = time.monotonic()
        return [self._count(key, window, moment) for window in WINDOWS.get(key, ())]

    def take_tokens(self, model: str, count: int) -> Usage | None:
        """Count the tokens of one request in the model's minute; None when limits are off."""
        if not self.enabled:
            return None
        moment, taken = time.monotonic(), self._tokens[model]
        while taken and taken[0][0] <= moment - 60:
            taken.popleft()
        used = sum(amount for _, amount in taken) + count
        window = Window("tokens", TOKENS_PER_MINUTE, 60)
        if used <= window.calls:
            taken.append((moment, count))
        return Usage(window, used, taken[0][0] + 60 - moment if taken else 60.0)

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

    def _count(self, key: str, window: Window, moment: float) -> Usage:
        calls = self._calls[key, window.name]
        while calls and calls[0] <= moment - window.seconds:
            calls.popleft()
        if len(calls) < window.calls:
            calls.append(moment)
            used = len(calls)
        else:
            used = window.calls + 1
        return Usage(window, used, calls[0] + window.seconds - moment)

    def latency_seconds(self, vendor: str, operation: str) -> float:
        """How long the vendor typically takes for this call; 0 at instant speed."""
        if not self.enabled:
            return 0.0
        return _LATENCY_SECONDS.get(f"{vendor}.{operation}", _LATENCY_SECONDS.get(vendor, _OTHER_LATENCY_SECONDS))

    def reset(self) -> None:
        """Forget all counted calls."""
        self._calls.clear()
        self._tokens.clear()
