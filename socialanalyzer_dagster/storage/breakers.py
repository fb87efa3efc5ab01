"""The breakers that all processes share: read at a glance, changed by compare-and-set on their version (I-44, I-46)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar, TypeAlias

from sqlalchemy import Connection, bindparam, select, update

from socialanalyzer_dagster.domain.breaker import BreakerPhase, BreakerState, CallResult, Rules
from socialanalyzer_dagster.storage.database import SharedTime, insert_new, shared_seconds
from socialanalyzer_dagster.storage.models_health import BreakerStateRow
from socialanalyzer_dagster.storage.writes import Results, Write

_ALL = select(BreakerStateRow.service, BreakerStateRow.version, BreakerStateRow.document)
_OF_SERVICE = BreakerStateRow.service == bindparam("of_service")
_LOCKED = _ALL.where(_OF_SERVICE).with_for_update()
_UNCHANGED = update(BreakerStateRow).where(_OF_SERVICE, BreakerStateRow.version == bindparam("as_read"))
_OPEN = (
    select(BreakerStateRow.service)
    .where(BreakerStateRow.state == BreakerPhase.OPEN.value)
    .order_by(BreakerStateRow.service)
)
Change: TypeAlias = Callable[[BreakerState, float], BreakerState]


class BreakerChanged(RuntimeError):
    """Somebody else changed the breaker since it was read."""


@dataclass(frozen=True, slots=True)
class StoredBreaker:
    """A breaker as it was read; `version` is what a compare-and-set must name, 0 for one that was never stored."""

    version: int
    state: BreakerState


def load_breakers(connection: Connection) -> Mapping[str, StoredBreaker]:
    """Every breaker that ever changed, by vendor; a vendor that is missing is closed."""
    rows = connection.execute(_ALL)
    return {row.service: StoredBreaker(row.version, BreakerState.from_json(row.document)) for row in rows}


def store_breaker(connection: Connection, service: str, read: StoredBreaker, state: BreakerState, now: float) -> None:
    """Put a new state in place of the one read; raises BreakerChanged when it is there no more."""
    values = {
        "version": read.version + 1,
        "state": state.phase.value,
        "document": state.as_json(),
        "changed_at": datetime.fromtimestamp(now, UTC),
    }
    if read.version == 0:
        changed = connection.execute(insert_new(connection, BreakerStateRow), {"service": service, **values}).rowcount
    else:
        names = {"of_service": service, "as_read": read.version}
        changed = connection.execute(_UNCHANGED, {**names, **values}).rowcount
    if changed != 1:
        raise BreakerChanged(f"the breaker of {service} was changed by somebody else meanwhile")


def change_breaker(connection: Connection, service: str, change: Change, now: float) -> BreakerState:
    """The breaker after a change, its row locked meanwhile; nothing is written when nothing changed."""
    locked = connection.execute(_LOCKED, {"of_service": service}).one_or_none()
    read = StoredBreaker(0, BreakerState())
    if locked is not None:
        read = StoredBreaker(locked.version, BreakerState.from_json(locked.document))
    changed = change(read.state, now)
    if changed != read.state:
        store_breaker(connection, service, read, changed, now)
    return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeBreaker(Write[BreakerState]):
    """What the calls of one process came to, in order, and then the wish to make the one call of a half-open breaker.

    The wish is granted when the answer names its `probe`. Both are one kind of write, so that the rows of a transaction
    are locked in one order.
    """

    turn: ClassVar[int] = 5

    service: str
    rules: Rules
    results: tuple[CallResult, ...] = ()
    probe: str | None = None
    time: SharedTime = field(default=shared_seconds)

    @classmethod
    def apply(cls, connection: Connection, writes: Sequence["ChangeBreaker"]) -> Results:
        """One after the other for each breaker; the breakers in the order of their names."""
        now = writes[0].time(connection)
        found: dict[int, BreakerState] = {}
        for index in sorted(range(len(writes)), key=lambda each: writes[each].service):
            found[index] = change_breaker(connection, writes[index].service, writes[index].changed, now)
        return [found[index] for index in range(len(writes))]

    def changed(self, state: BreakerState, now: float) -> BreakerState:
        """The state after these results, half-open and ours where a probe is wished for and may be made."""
        told = state.after(self.results, self.rules, now)
        if self.probe is None or not told.allows_probe(now):
            return told
        return told.with_probe(self.probe, until=now + self.rules.probe_seconds)


def resume_breakers(connection: Connection, time: SharedTime = shared_seconds) -> None:
    """A person starts work again: vendors that refused their service may be tried by one call."""
    now = time(connection)
    for service in connection.execute(_OPEN).scalars().all():
        change_breaker(connection, service, BreakerState.resumed, now)
