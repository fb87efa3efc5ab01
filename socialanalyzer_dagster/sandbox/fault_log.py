"""Which requests a fault hit, kept while the sandbox lives, so that a test can tell who was touched by one."""

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

TRACE_HEADER = "x-trace"
"""Whatever a caller writes there is kept with its request, so that it finds its own requests again."""

_MOST_ENTRIES = 10_000
_MOST_CHARACTERS = 20_000
_CREDENTIAL = re.compile(r"(?<![\w.])(api|key)=[^&]*")
_INLINE_FILE = re.compile(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=]*")


@dataclass(frozen=True)
class Sighting:
    """One request that a fault hit: `target` is its path and query, `text` its body, both without keys and files.

    `answered_later` when the very same request came again and was answered without a fault.
    """

    number: int
    vendor: str
    operation: str
    kind: str
    method: str
    target: str
    trace: str
    text: str
    fingerprint: str
    answered_later: bool = False


@dataclass(frozen=True)
class HitRequest:
    """What the log looks at of a request."""

    method: str
    target: str
    trace: str
    body: bytes
    fingerprint: str


class FaultLog:
    """The newest requests that showed a fault, oldest first, and how many there were in all."""

    def __init__(self) -> None:
        self._kept: deque[Sighting] = deque(maxlen=_MOST_ENTRIES)
        self._answered: set[str] = set()
        self._unanswered: set[str] = set()
        self.total = 0

    def answered(self, fingerprint: str) -> None:
        """Note that a request was answered without a fault."""
        if fingerprint in self._unanswered:
            self._unanswered.discard(fingerprint)
            self._answered.add(fingerprint)

    def add(self, place: tuple[str, str], kind: str, request: HitRequest) -> None:
        """Note that a call of a vendor and operation showed a fault."""
        self.total += 1
        self._unanswered.add(request.fingerprint)
        self._answered.discard(request.fingerprint)
        text = _INLINE_FILE.sub("(file)", request.body.decode(errors="replace"))
        self._kept.append(
            Sighting(
                number=self.total, vendor=place[0], operation=place[1], kind=kind, method=request.method,
                target=_CREDENTIAL.sub(r"\1=(key)", request.target), trace=request.trace,
                text=text[:_MOST_CHARACTERS], fingerprint=request.fingerprint,
            )
        )  # fmt: skip

    def rows(self, *, limit: int, after: int = 0) -> Sequence[Sighting]:
        """Up to ``limit`` kept entries with a number above ``after``, oldest first."""
        wanted = [entry for entry in self._kept if entry.number > after][:limit]
        return [replace(entry, answered_later=entry.fingerprint in self._answered) for entry in wanted]

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._answered.clear()
        self._unanswered.clear()
        self.total = 0
