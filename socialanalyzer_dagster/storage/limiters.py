"""Asking the rows that all processes share for permits and places, many questions in one transaction (spec 13.2)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar

from sqlalchemy import Connection, bindparam, select, update

from socialanalyzer_dagster.domain.call_windows import RateAsk, RateGrant, RateLimit, RateState
from socialanalyzer_dagster.domain.slot_leases import SlotAsk, SlotGrant, SlotState
from socialanalyzer_dagster.storage.database import SharedTime, insert_new, shared_seconds, table_of
from socialanalyzer_dagster.storage.models_health import LimiterRow
from socialanalyzer_dagster.storage.writes import Results, Write

_LIMITERS = table_of(LimiterRow)
_LOCK = (
    select(_LIMITERS.c.name, _LIMITERS.c.state)
    .where(_LIMITERS.c.name.in_(bindparam("names", expanding=True)))
    .order_by(_LIMITERS.c.name)
    .with_for_update()
)
_CHANGE = update(_LIMITERS).where(_LIMITERS.c.name == bindparam("of_name")).values(state=bindparam("new_state"))
_RATE, _SLOTS = "rate:", "slots:"
_WITH_SLOTS = select(_LIMITERS.c.name).where(_LIMITERS.c.name.startswith(_SLOTS))


class _State(Protocol):
    def as_json(self) -> dict[str, Any]: ...


S = TypeVar("S", bound=_State)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskRate(Write[RateGrant]):
    """One process's question to the windows of a bucket; `leaves` forgets the process instead."""

    turn: ClassVar[int] = 1

    bucket: str
    limit: RateLimit
    ask: RateAsk
    leaves: bool = False
    time: SharedTime = field(default=shared_seconds)

    @classmethod
    def apply(cls, connection: Connection, writes: Sequence["AskRate"]) -> Results:
        """Deal in the order of asking."""
        states = _locked(connection, [_RATE + write.bucket for write in writes], RateState.from_json)
        now = writes[0].time(connection)
        grants = [_deal_rate(states[_RATE + write.bucket], write, now) for write in writes]
        _store(connection, states)
        return grants


def _deal_rate(state: RateState, write: AskRate, now: float) -> RateGrant:
    grant = state.deal(write.ask, write.limit, now)
    if write.leaves:
        state.leave(write.ask.holder, write.limit, now)
    return grant


@dataclass(frozen=True, slots=True, kw_only=True)
class AskSlots(Write[SlotGrant]):
    """One process's question to the places of a bucket, which also renews its lease."""

    turn: ClassVar[int] = 3

    bucket: str
    places: int
    lease_seconds: float
    ask: SlotAsk
    time: SharedTime = field(default=shared_seconds)

    @classmethod
    def apply(cls, connection: Connection, writes: Sequence["AskSlots"]) -> Results:
        """Deal in the order of asking."""
        states = _locked(connection, [_SLOTS + write.bucket for write in writes], SlotState.from_json)
        now = writes[0].time(connection)
        grants = [
            states[_SLOTS + write.bucket].deal(write.ask, write.places, write.lease_seconds, now) for write in writes
        ]
        _store(connection, states)
        return grants


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeSlots(Write[None]):
    """Free the places of processes that certainly are dead: those whose name starts with `prefix`, but not `keep`."""

    turn: ClassVar[int] = 2

    prefix: str
    keep: str

    @classmethod
    def apply(cls, connection: Connection, writes: Sequence["FreeSlots"]) -> Results:
        """Every bucket with places."""
        states = _locked(connection, list(connection.execute(_WITH_SLOTS).scalars()), SlotState.from_json)
        for write in writes:
            for state in states.values():
                dead = [each for each in state.leases if each.startswith(write.prefix) and each != write.keep]
                for holder in dead:
                    state.leave(holder)
        _store(connection, states)
        return [None] * len(writes)


def _locked(connection: Connection, names: Sequence[str], read: Callable[[Mapping[str, Any]], S]) -> dict[str, S]:
    """The states of these rows, locked in the order of their names, empty where they are new."""
    wanted = sorted(set(names))
    found = _documents(connection, wanted)
    if missing := [name for name in wanted if name not in found]:
        connection.execute(insert_new(connection, LimiterRow), [{"name": name, "state": {}} for name in missing])
        found = _documents(connection, wanted)
    return {name: read(found[name]) for name in wanted}


def _documents(connection: Connection, names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    rows = connection.execute(_LOCK, {"names": names})
    return {row.name: row.state for row in rows}


def _store(connection: Connection, states: Mapping[str, _State]) -> None:
    rows = [{"of_name": name, "new_state": state.as_json()} for name, state in sorted(states.items())]
    if rows:
        connection.execute(_CHANGE, rows)
