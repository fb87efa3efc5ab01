"""Queries about BDRs: the roster, its epochs and how many leads each was dealt (spec 11.5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from socialanalyzer_dagster.storage.database import upsert
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

    lead_uid: str
    bdr: str
    tier: str
    epoch: int


def roster(connection: Connection) -> list[Bdr]:
    """Everyone on the roster, in position order."""
    rows = connection.execute(
        select(BdrRow.name, BdrRow.owner_id, BdrRow.is_active, BdrRow.position).order_by(BdrRow.position, BdrRow.name)
    )
    return [Bdr(name=row.name, owner_id=row.owner_id, is_active=row.is_active, position=row.position) for row in rows]


def replace_roster(connection: Connection, bdrs: Sequence[Bdr]) -> None:
    """The roster becomes exactly these; assignments and counters of people who left stay."""
    connection.execute(delete(BdrRow).where(BdrRow.name.not_in([bdr.name for bdr in bdrs])))
    for bdr in bdrs:
        values = {"owner_id": bdr.owner_id, "is_active": bdr.is_active, "position": bdr.position}
        statement = upsert(connection, BdrRow).values(name=bdr.name, **values)
        connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


def set_active(connection: Connection, name: str, *, is_active: bool) -> bool:
    """Whether somebody of that name is on the roster."""
    changed = connection.execute(update(BdrRow).where(BdrRow.name == name).values(is_active=is_active))
    return changed.rowcount == 1


def current_epoch(connection: Connection, now: datetime) -> int:
    """The running epoch; a new one begins here when the set of active BDRs has changed since the last."""
    active = sorted(bdr.name for bdr in roster(connection) if bdr.is_active)
    newest = connection.execute(
        select(BdrEpochRow.epoch, BdrEpochRow.active_names).order_by(BdrEpochRow.epoch.desc()).limit(1)
    ).one_or_none()
    if newest is not None and newest.active_names == active:
        return int(newest.epoch)
    epoch = 1 if newest is None else newest.epoch + 1
    connection.execute(insert(BdrEpochRow).values(epoch=epoch, active_names=active, started_at=now))
    return int(epoch)


def counts(connection: Connection, epoch: int) -> dict[tuple[str, str], int]:
    """(tier, BDR) -> leads dealt in the epoch."""
    rows = connection.execute(
        select(BdrCounterRow.tier, BdrCounterRow.bdr, BdrCounterRow.dealt).where(BdrCounterRow.epoch == epoch)
    )
    return {(row.tier, row.bdr): row.dealt for row in rows}


def add_to_counts(connection: Connection, epoch: int, dealt: Mapping[tuple[str, str], int]) -> None:
    """Add (negative: give back) leads to the counters of an epoch."""
    for (tier, bdr), number in sorted(dealt.items()):
        statement = upsert(connection, BdrCounterRow).values(epoch=epoch, tier=tier, bdr=bdr, dealt=max(number, 0))
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["epoch", "tier", "bdr"], set_={"dealt": BdrCounterRow.dealt + number}
            )
        )


def assignments(connection: Connection, lead_uids: Sequence[str]) -> dict[str, Assignment]:
    """The assignments these leads already have."""
    rows = connection.execute(
        select(AssignmentRow.lead_uid, AssignmentRow.bdr, AssignmentRow.tier, AssignmentRow.epoch).where(
            AssignmentRow.lead_uid.in_(lead_uids)
        )
    )
    return {
        row.lead_uid: Assignment(lead_uid=row.lead_uid, bdr=row.bdr, tier=row.tier, epoch=row.epoch) for row in rows
    }


def insert_assignments(connection: Connection, dealt: Sequence[Assignment], *, plan_id: str, now: datetime) -> None:
    """Store new assignments; a lead keeps the BDR it already has (unique per lead)."""
    if dealt:
        rows = [
            {"lead_uid": each.lead_uid, "bdr": each.bdr, "tier": each.tier, "epoch": each.epoch, "plan_id": plan_id}
            for each in dealt
        ]
        connection.execute(insert(AssignmentRow), [{**row, "assigned_at": now} for row in rows])


def release_assignments(connection: Connection, plan_id: str, kept_leads: Sequence[str]) -> None:
    """Give back what a rejected or replaced plan dealt, counts and all, in the caller's transaction.

    `kept_leads` are leads that were written to the CRM meanwhile: they keep their BDR.
    """
    condition = (AssignmentRow.plan_id == plan_id, AssignmentRow.lead_uid.not_in(kept_leads))
    rows = connection.execute(
        select(AssignmentRow.epoch, AssignmentRow.tier, AssignmentRow.bdr, func.count())
        .where(*condition)
        .group_by(AssignmentRow.epoch, AssignmentRow.tier, AssignmentRow.bdr)
    ).all()
    for epoch, tier, bdr, number in rows:
        add_to_counts(connection, epoch, {(tier, bdr): -number})
    connection.execute(delete(AssignmentRow).where(*condition))


def totals(connection: Connection) -> dict[str, int]:
    """BDR -> leads assigned, over all epochs."""
    rows = connection.execute(select(AssignmentRow.bdr, func.count()).group_by(AssignmentRow.bdr))
    return {bdr: number for bdr, number in rows}  # noqa: C416 - a Row is no tuple to the type checker
