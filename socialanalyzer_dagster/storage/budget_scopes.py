"""Spending scopes: which caps a call falls under, and moving money inside them (spec 12.4, 12.5)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, bindparam, select, update

from socialanalyzer_dagster.domain.money import micros_from_usd
from socialanalyzer_dagster.domain.policy_money import BudgetsPolicy
from socialanalyzer_dagster.domain.types import Micros
from socialanalyzer_dagster.storage.database import insert_new, table_of
from socialanalyzer_dagster.storage.models_control import BudgetScopeRow, PolicyRow

_SCOPES = table_of(BudgetScopeRow)
_LOCKED = (
    select(_SCOPES)
    .where(_SCOPES.c.scope.in_(bindparam("scopes", expanding=True)))
    .order_by(_SCOPES.c.scope)
    .with_for_update()
)
_ACTIVE = select(PolicyRow.policy_hash).where(PolicyRow.is_active)
_AMOUNTS = (_SCOPES.c.settled_micros, _SCOPES.c.held_micros, _SCOPES.c.unknown_micros)
_MOVE = (
    update(_SCOPES)
    .where(_SCOPES.c.scope == bindparam("of_scope"))
    .values(
        settled_micros=_SCOPES.c.settled_micros + bindparam("settled"),
        held_micros=_SCOPES.c.held_micros + bindparam("held"),
        unknown_micros=_SCOPES.c.unknown_micros + bindparam("unknown"),
    )
)
_HOLD = (
    update(_SCOPES)
    .where(
        _SCOPES.c.scope == bindparam("of_scope"),
        sum(_AMOUNTS[1:], start=_AMOUNTS[0]) + bindparam("amount") <= _SCOPES.c.cap_micros,
    )
    .values(held_micros=_SCOPES.c.held_micros + bindparam("amount"))
)


@dataclass(frozen=True, slots=True)
class CapWarning:
    """A cap whose use reached the warning share; reported once per cap."""

    scope: str
    used_micros: int
    cap_micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeOwner:
    """What decides the scopes of a call: its batch, if it has one, and the UTC day of its reservation."""

    batch_id: str | None
    platform: str
    provider: str
    day: date


@dataclass(slots=True)
class ScopeRoom:
    """One locked scope row while a transaction deals out its room."""

    cap_micros: int
    used_micros: int
    warned: bool
    taken_micros: int = 0

    def fits(self, amount_micros: int) -> bool:
        """True when the amount may still be held."""
        return self.used_micros + self.taken_micros + amount_micros <= self.cap_micros


class CapSource:
    """The caps of the shared scopes: the active policy's, or those given while no policy is stored."""

    def __init__(self, budgets: BudgetsPolicy) -> None:
        self._budgets = budgets
        self._policy_hash: str | None = None

    def current(self, connection: Connection) -> BudgetsPolicy:
        """The budgets of the policy that is active in this transaction."""
        active = connection.execute(_ACTIVE).scalar_one_or_none()
        if active is not None and active != self._policy_hash:
            document = connection.execute(
                select(PolicyRow.document).where(PolicyRow.policy_hash == active)
            ).scalar_one()
            self._budgets = BudgetsPolicy.model_validate(document["budgets"])
            self._policy_hash = active
        return self._budgets


def caps_of(owner: ScopeOwner, batch_cap_micros: int | None, budgets: BudgetsPolicy) -> Mapping[str, Micros]:
    """Every scope of a call with its cap (spec 12.4, 12.5); of no batch: the shared ones alone."""
    caps = shared_caps(owner.platform, [owner.provider], owner.day, budgets)
    if batch_cap_micros is not None:
        absolute = micros_from_usd(budgets.batch_absolute_usd)
        caps[f"batch:{owner.batch_id}"] = Micros(min(batch_cap_micros, absolute))
    return caps


def shared_caps(platform: str, providers: Iterable[str], day: date, budgets: BudgetsPolicy) -> dict[str, Micros]:
    """The scopes that all batches share in calls of a platform to these providers, the longest period first."""
    month = f"{day:%Y-%m}"
    caps = {f"month:{month}": micros_from_usd(budgets.month_usd)}
    for provider in sorted(budgets.provider_month_usd.keys() & set(providers)):
        caps[f"provider-month:{provider}:{month}"] = micros_from_usd(budgets.provider_month_usd[provider])
    caps[f"day:{day.isoformat()}"] = micros_from_usd(budgets.day_usd)
    caps[f"platform-day:{platform}:{day.isoformat()}"] = micros_from_usd(budgets.platform_day_usd)
    return caps


def used_micros(connection: Connection, scopes: Iterable[str]) -> dict[str, int]:
    """What is settled, held or unknown under these scopes, read without a lock; a scope nobody used yet is left out."""
    rows = connection.execute(
        select(_SCOPES.c.scope, sum(_AMOUNTS[1:], start=_AMOUNTS[0])).where(_SCOPES.c.scope.in_(sorted(set(scopes))))
    )
    return {scope: int(used) for scope, used in rows}


def over_cap(connection: Connection) -> list[str]:
    """Scopes under which more is settled, held or unknown than their cap; there must be none (I-20)."""
    used = sum(_AMOUNTS[1:], start=_AMOUNTS[0])
    return list(connection.execute(select(_SCOPES.c.scope).where(used > _SCOPES.c.cap_micros)).scalars())


def lock_scopes(connection: Connection, caps: Mapping[str, int]) -> dict[str, ScopeRoom]:
    """The rows of these scopes, locked in the order of their names, made where they are missing, with these caps."""
    found = _locked(connection, caps)
    if missing := [scope for scope in sorted(caps) if scope not in found]:
        zeros = {"settled_micros": 0, "held_micros": 0, "unknown_micros": 0}
        rows = [{"scope": scope, "cap_micros": caps[scope], **zeros} for scope in missing]
        connection.execute(insert_new(connection, BudgetScopeRow), rows)
        found = _locked(connection, caps)
    for scope, room in found.items():
        if room.cap_micros != caps[scope]:
            connection.execute(
                update(_SCOPES)
                .where(_SCOPES.c.scope == scope)
                .values(cap_micros=caps[scope], warned_at=None)  # a new cap warns anew
            )
            room.cap_micros, room.warned = caps[scope], False
    return found


def hold(connection: Connection, rooms: Mapping[str, ScopeRoom]) -> None:
    """Add what was taken to `held`; raises RuntimeError when a scope has no room for it after all."""
    for scope in sorted(rooms):
        if not (amount := rooms[scope].taken_micros):
            continue
        if connection.execute(_HOLD, {"of_scope": scope, "amount": amount}).rowcount != 1:
            raise RuntimeError(f"the scope {scope} changed under its lock")


def new_warnings(
    connection: Connection, rooms: Mapping[str, ScopeRoom], budgets: BudgetsPolicy, now: datetime
) -> list[CapWarning]:
    """Scopes that reached the warning share in this transaction, marked so that each warns once per cap."""
    reached = [
        CapWarning(scope, room.used_micros + room.taken_micros, room.cap_micros)
        for scope, room in sorted(rooms.items())
        if not room.warned and room.taken_micros
        if room.used_micros + room.taken_micros >= room.cap_micros * budgets.warn_at
    ]
    for warning in reached:
        connection.execute(update(_SCOPES).where(_SCOPES.c.scope == warning.scope).values(warned_at=now))
    return reached


@dataclass(frozen=True, slots=True)
class Move:
    """A change of one attempt's money in all of its scopes."""

    scopes: Sequence[str]
    settled_micros: int = 0
    held_micros: int = 0
    unknown_micros: int = 0


def move(connection: Connection, moves: Iterable[Move]) -> None:
    """Apply changes, summed per scope, in the order of the scopes' names."""
    sums: dict[str, list[int]] = {}
    for each in moves:
        for scope in each.scopes:
            total = sums.setdefault(scope, [0, 0, 0])
            total[0] += each.settled_micros
            total[1] += each.held_micros
            total[2] += each.unknown_micros
    rows = [
        {"of_scope": scope, "settled": settled, "held": held, "unknown": unknown}
        for scope, (settled, held, unknown) in sorted(sums.items())
        if settled or held or unknown
    ]
    if rows:
        connection.execute(_MOVE, rows)


def _locked(connection: Connection, scopes: Iterable[str]) -> dict[str, ScopeRoom]:
    rows = connection.execute(_LOCKED, {"scopes": sorted(scopes)})
    return {
        row.scope: ScopeRoom(
            cap_micros=row.cap_micros,
            used_micros=row.settled_micros + row.held_micros + row.unknown_micros,
            warned=row.warned_at is not None,
        )
        for row in rows
    }
