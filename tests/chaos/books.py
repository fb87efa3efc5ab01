"""What the ledger of one generated history must say, kept in plain Python: the oracle that the database is held to."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC
from typing import Any, TypeAlias

from socialanalyzer_dagster.domain.refusals import BatchStopped, BudgetExceeded
from socialanalyzer_dagster.storage.attempts import Attempt, AttemptState
from socialanalyzer_dagster.storage.ledger import LedgerKind, RecordReuse
from socialanalyzer_dagster.storage.money import Finish, Reserve, Reserved, SuppressionsChanged
from socialanalyzer_dagster.storage.writes import Write

RESERVED, SETTLED, RELEASED, UNKNOWN = (AttemptState(state) for state in ("reserved", "settled", "released", "unknown"))
Money: TypeAlias = tuple[int, int, int]
"""Settled, held, unknown."""
Place: TypeAlias = tuple[str, str | None, str]
"""Batch, lead (None: the batch itself) and kind of a ledger row."""


@dataclass(frozen=True)
class Caps:
    """The shared caps in force, in micro-USD; a provider without a cap of its own has none."""

    platform_day: int
    day: int
    month: int
    provider_month: Mapping[str, int]


@dataclass
class Entry:
    """One sending: `booked` is what it cost, later corrections included."""

    attempt: Attempt
    state: AttemptState = RESERVED
    booked: int = 0
    has_answer: bool = False
    job_id: str | None = None

    @property
    def money(self) -> Money:
        worst = self.attempt.reserved_micros
        return (
            self.booked if self.state is SETTLED else 0,
            worst if self.state is RESERVED else 0,
            worst if self.state is UNKNOWN else 0,
        )


@dataclass
class Books:
    """Every sending of a history, the caps it was held to, and the ledger rows that follow from it."""

    caps: Caps
    batch_caps: dict[str, int]
    absolute_cap: int
    revision: int
    stopped: set[str] = field(default_factory=set)
    entries: dict[str, Entry] = field(default_factory=dict)
    ceilings: dict[str, int] = field(default_factory=dict)
    """Scope -> what it may stand at: the cap of its last reservation, and what vendors charged above the worst case."""
    ledger: Counter[Place] = field(default_factory=Counter)
    rows: int = 0
    reused: set[tuple[str, str, str, str | None]] = field(default_factory=set)

    def copy(self) -> "Books":
        """Books to try another order of events in."""
        return replace(
            self,
            batch_caps=dict(self.batch_caps),
            stopped=set(self.stopped),
            entries={key: replace(entry) for key, entry in self.entries.items()},
            ceilings=dict(self.ceilings),
            ledger=Counter(self.ledger),
            reused=set(self.reused),
        )

    def caps_of(self, attempt: Attempt) -> dict[str, int]:
        """Every scope a call falls under now, with its cap (spec 12.4, 12.5)."""
        at = attempt.reserved_at.astimezone(UTC)
        day, month = f"{at:%Y-%m-%d}", f"{at:%Y-%m}"
        found = {
            f"batch:{attempt.batch_id}": min(self.batch_caps[attempt.batch_id], self.absolute_cap),
            f"platform-day:{attempt.platform}:{day}": self.caps.platform_day,
            f"day:{day}": self.caps.day,
            f"month:{month}": self.caps.month,
        }
        if attempt.provider in self.caps.provider_month:
            found[f"provider-month:{attempt.provider}:{month}"] = self.caps.provider_month[attempt.provider]
        return found

    def money_of(self, scope: str) -> Money:
        """Settled, held and unknown of all sendings under a scope."""
        parts = [entry.money for entry in self.entries.values() if scope in entry.attempt.scopes]
        settled, held, unknown = (sum(part[at] for part in parts) for at in range(3))
        return settled, held, unknown

    def reserve(self, attempt: Attempt, revision: int) -> type[Exception] | None:
        """Hold the worst case; the kind of refusal when it must not be held."""
        if attempt.batch_id in self.stopped:
            return BatchStopped
        if revision != self.revision:
            return SuppressionsChanged
        caps = self.caps_of(attempt)
        if any(sum(self.money_of(scope)) + attempt.reserved_micros > cap for scope, cap in caps.items()):
            return BudgetExceeded
        self.entries[attempt.attempt_key] = Entry(replace(attempt, scopes=tuple(caps)))
        self.ceilings |= caps
        return None

    def finish(self, write: Finish) -> bool:
        """End a sending; False when it was ended before."""
        entry = self.entries[write.attempt.attempt_key]
        before, worst = entry.state, entry.attempt.reserved_micros
        if before is not RESERVED and (before is not UNKNOWN or write.state is UNKNOWN):
            return False
        entry.state = write.state
        if before is UNKNOWN:
            self._write(entry.attempt, LedgerKind.RESOLVED, -worst)
        if write.state is UNKNOWN:
            self._write(entry.attempt, LedgerKind.UNKNOWN, worst)
        if write.state is SETTLED:
            entry.booked, entry.has_answer = write.amount_micros, write.body is not None
            self._write(entry.attempt, LedgerKind.SETTLED, write.amount_micros)
            self._raise_ceilings(entry, write.amount_micros - worst)
        return True

    def correct(self, entry: Entry, difference: int) -> None:
        """A later figure of the vendor, borne by the batch."""
        entry.booked += difference
        self.ledger[entry.attempt.batch_id, None, LedgerKind.CORRECTION] += difference
        self.rows += 1
        self._raise_ceilings(entry, difference)

    def recover(self, batch_id: str, owner: str) -> tuple[int, int]:
        """A new owner takes over: how many sendings are lost, and how many jobs with an id go on."""
        left = [each for each in self.entries.values() if each.attempt.batch_id == batch_id and each.state is RESERVED]
        lost = [each for each in left if each.job_id is None and each.attempt.owner != owner]
        running = [each for each in left if each.job_id is not None and each.attempt.owner != owner]
        for each in lost:
            each.state = UNKNOWN
            self._write(each.attempt, LedgerKind.UNKNOWN, each.attempt.reserved_micros)
        for each in running:
            each.attempt = replace(each.attempt, owner=owner)
        return len(lost), len(running)

    def answers(self, fingerprint: str) -> set[str]:
        """Keys of the sendings whose stored answer may be given again."""
        return {
            key
            for key, each in self.entries.items()
            if each.attempt.fingerprint == fingerprint and each.state is SETTLED and each.has_answer
        }

    def issues(self, call_key: str) -> int:
        """How often a call was sent."""
        sent = [each.attempt.issue for each in self.entries.values() if each.attempt.call_key == call_key]
        return max(sent, default=0)

    def is_in_flight(self, call_key: str) -> bool:
        """True while a sending of the call waits for its answer."""
        return any(each.attempt.call_key == call_key and each.state is RESERVED for each in self.entries.values())

    def reuse(self, attempt: Attempt, answer_key: str) -> None:
        """An answer was given again: one row per step and lead, once."""
        wanted = {(attempt.batch_id, answer_key, attempt.step, lead) for lead in attempt.leads or (None,)}
        self.rows += len(wanted - self.reused)
        self.reused |= wanted

    def _write(self, attempt: Attempt, kind: LedgerKind, amount: int) -> None:
        """Equal shares; the first leads bear one more micro-USD each until the sum is exact."""
        owners = attempt.leads or (None,)
        sign = -1 if amount < 0 else 1
        for position, lead in enumerate(owners):
            bears_remainder = position < abs(amount) % len(owners)
            self.ledger[attempt.batch_id, lead, kind] += sign * (abs(amount) // len(owners) + bears_remainder)
            self.rows += 1

    def _raise_ceilings(self, entry: Entry, excess: int) -> None:
        for scope in entry.attempt.scopes:
            self.ceilings[scope] += max(0, excess)


def played(books: Books, writes: Sequence[Write[Any]]) -> list[Any]:
    """The same writes on the books, kind by kind as the group writer applies them."""
    results: dict[int, Any] = {}
    for kind in dict.fromkeys(map(type, writes)):
        for at, write in enumerate(writes):
            if type(write) is kind:
                results[at] = _play(books, write)
    return [results[at] for at in range(len(writes))]


def _play(books: Books, write: Write[Any]) -> Any:
    if isinstance(write, Reserve):
        return books.reserve(write.attempt, write.suppression_revision) or Reserved
    if isinstance(write, Finish):
        return books.finish(write)
    assert isinstance(write, RecordReuse)
    return books.reuse(write.attempt, write.attempt.attempt_key)


def outcomes(results: Sequence[Any]) -> list[Any]:
    """What can be compared: granted or the kind of refusal, first to end or not."""
    return [each if each is None or isinstance(each, bool | type) else type(each) for each in results]
