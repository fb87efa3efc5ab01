"""Queries about BDRs: the roster, its epochs and how many leads each was dealt (spec 11.5)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.storage.database import Upsert, insert_or_update, upsert
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_control import AssignmentRow, BdrCounterRow, BdrEpochRow, BdrRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Bdr:
    """A sales representative; `position` breaks ties when leads are dealt."""

    name: str
    owner_id: str
    is_active: bool
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The BDR a lead was dealt to."""

    lead: LeadUid
    bdr: str
    tier: str
    epoch: int


_ROSTER = select(BdrRow.name, BdrRow.owner_id, BdrRow.is_active, BdrRow.position).order_by(BdrRow.position, BdrRow.name)
_LEAVE = delete(BdrRow).where(BdrRow.name.not_in(bindparam("who_stay", expanding=True)))
_NEWEST_EPOCH = select(BdrEpochRow.epoch, BdrEpochRow.active_names).order_by(BdrEpochRow.epoch.desc()).limit(1)
_DEALT = select(BdrCounterRow.tier, BdrCounterRow.bdr, BdrCounterRow.dealt).where(
    BdrCounterRow.epoch == bindparam("of_epoch")
)
_ASSIGNED = select(AssignmentRow.lead_uid, AssignmentRow.bdr, AssignmentRow.tier, AssignmentRow.epoch)
_ASSIGNED_LEADS = _ASSIGNED.where(AssignmentRow.lead_uid.in_(bindparam("leads", expanding=True)))


def roster(connection: Connection) -> list[Bdr]:
    """Everyone on the roster, in position order."""
    rows = connection.execute(_ROSTER)
    return [Bdr(name=row.name, owner_id=row.owner_id, is_active=row.is_active, position=row.position) for row in rows]


def replace_roster(connection: Connection, bdrs: Sequence[Bdr]) -> None:
    """The roster becomes exactly these; assignments and counters of people who left stay."""
    connection.execute(_LEAVE, {"who_stay": [bdr.name for bdr in bdrs]})
    rows = [{name: getattr(bdr, name) for name in Bdr.__slots__} for bdr in bdrs]
    if rows:
        changed = ("owner_id", "is_active", "position")
        connection.execute(insert_or_update(connection, BdrRow, keys=("name",), changed=changed), rows)


def set_active(connection: Connection, name: str, *, is_active: bool) -> bool:
    """Whether somebody of that name is on the roster."""
    changed = connection.execute(update(BdrRow).where(BdrRow.name == name).values(is_active=is_active))
    return changed.rowcount == 1


def lock_roster(connection: Connection) -> None:
    """Whoever deals or gives back waits here for the others until their transaction ends (I-47)."""
    connection.execute(select(BdrRow.name).order_by(BdrRow.name).with_for_update())


def current_epoch(connection: Connection, now: datetime) -> int:
    """The running epoch; a new one begins here when the set of active BDRs has changed since the last."""
    active = sorted(bdr.name for bdr in roster(connection) if bdr.is_active)
    newest = connection.execute(_NEWEST_EPOCH).one_or_none()
    if newest is not None and newest.active_names == active:
        return int(newest.epoch)
    epoch = 1 if newest is None else int(newest.epoch) + 1
    connection.execute(insert(BdrEpochRow).values(epoch=epoch, active_names=active, started_at=now))
    return epoch


def counts(connection: Connection, epoch: int) -> dict[tuple[str, str], int]:
    """(tier, BDR) -> leads dealt in the epoch."""
    rows = connection.execute(_DEALT, {"of_epoch": epoch})
    return {(row.tier, row.bdr): row.dealt for row in rows}


def add_to_counts(connection: Connection, epoch: int, dealt: Mapping[tuple[str, str], int]) -> None:
    """Add (negative: give back) leads to the counters of an epoch."""
    statement = _adding(upsert(connection, BdrCounterRow))
    for (tier, bdr), number in sorted(dealt.items()):
        row = {"epoch": epoch, "tier": tier, "bdr": bdr, "dealt": max(number, 0), "more": number}
        connection.execute(statement, row)


@cache
def _adding(into: Upsert) -> Upsert:
    more = {"dealt": BdrCounterRow.dealt + bindparam("more")}
    return into.on_conflict_do_update(index_elements=["epoch", "tier", "bdr"], set_=more)


def assignments(connection: Connection, leads: Sequence[LeadUid]) -> dict[LeadUid, Assignment]:
    """The assignments these leads already have."""
    found: dict[LeadUid, Assignment] = {}
    for part in parts(leads):
        rows = connection.execute(_ASSIGNED_LEADS, {"leads": part})
        for uid, bdr, tier, epoch in rows:
            found[LeadUid(uid)] = Assignment(lead=LeadUid(uid), bdr=bdr, tier=tier, epoch=epoch)
    return found


def insert_assignments(connection: Connection, dealt: Sequence[Assignment], *, plan_id: str, now: datetime) -> None:
    """Store new assignments and count them; raises IntegrityError for a lead that has a BDR already."""
    if not dealt:
        return
    rows = [
        {"lead_uid": each.lead, "bdr": each.bdr, "tier": each.tier, "epoch": each.epoch, "plan_id": plan_id}
        for each in dealt
    ]
    connection.execute(insert(AssignmentRow), [{**row, "assigned_at": now} for row in rows])
    for epoch, added in _by_epoch(dealt).items():
        add_to_counts(connection, epoch, added)


def move_assignments(connection: Connection, leads: Sequence[LeadUid], *, plan_id: str) -> None:
    """Leads that keep their BDR belong to another plan now."""
    for part in parts(leads):
        connection.execute(update(AssignmentRow).where(AssignmentRow.lead_uid.in_(part)).values(plan_id=plan_id))


def return_assignments(connection: Connection, returned: Sequence[Assignment]) -> None:
    """Take leads back from their BDRs, counts and all."""
    for part in parts([each.lead for each in returned]):
        connection.execute(delete(AssignmentRow).where(AssignmentRow.lead_uid.in_(part)))
    for epoch, added in _by_epoch(returned).items():
        add_to_counts(connection, epoch, {pair: -number for pair, number in added.items()})


def assignments_of_plan(connection: Connection, plan_id: str) -> list[Assignment]:
    """What a plan dealt, or took over from an earlier one."""
    rows = connection.execute(_ASSIGNED.where(AssignmentRow.plan_id == plan_id).order_by(AssignmentRow.lead_uid))
    return [Assignment(lead=LeadUid(uid), bdr=bdr, tier=tier, epoch=epoch) for uid, bdr, tier, epoch in rows]


def _by_epoch(assigned: Sequence[Assignment]) -> dict[int, Counter[tuple[str, str]]]:
    by_epoch: dict[int, Counter[tuple[str, str]]] = {}
    for each in assigned:
        by_epoch.setdefault(each.epoch, Counter())[each.tier, each.bdr] += 1
    return by_epoch


def totals(connection: Connection) -> dict[str, int]:
    """BDR -> leads assigned, over all epochs."""
    rows = connection.execute(select(AssignmentRow.bdr, func.count()).group_by(AssignmentRow.bdr))
    return {bdr: number for bdr, number in rows}  # noqa: C416 - a Row is no tuple to the type checker
