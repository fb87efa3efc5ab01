"""Messages that nobody sends by himself any more: held after a restore, dropped by a person, or past their period."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, inspect, select, update

from socialanalyzer_dagster.storage.database import table_of
from socialanalyzer_dagster.storage.models_notifications import OutboxRow
from socialanalyzer_dagster.storage.outbox import SENDABLE, OutboxState

_TABLE = table_of(OutboxRow)
_OVER = (OutboxState.SENT, OutboxState.LISTED, OutboxState.NOT_CONFIGURED, OutboxState.DROPPED)
_RESTORED = "restored"


def hold_waiting(connection: Connection) -> int:
    """Hold everything that waits in a restored database, of whatever revision; returns how much that is.

    What was being sent when the back-up was made becomes unknown by itself, when its sender's lease ends.
    """
    if not inspect(connection).has_table(_TABLE.name):  # a back-up from before there were messages
        return 0
    return _changed(connection, _TABLE.c.state == OutboxState.WAITING, state=OutboxState.HELD, error_code=_RESTORED)


def held_messages(connection: Connection) -> int:
    """How many wait for a person to say whether they go."""
    return connection.execute(select(func.count()).where(_TABLE.c.state == OutboxState.HELD)).scalar_one()


def send_again(connection: Connection, message_id: int | None, now: datetime) -> int:
    """A person wants a message sent that was given up, is held or may have arrived; without an id all held ones.

    Returns how many wait now.
    """
    return _changed(connection, _chosen(message_id), state=OutboxState.WAITING, due_at=now, error_code=None)


def drop(connection: Connection, message_id: int | None) -> int:
    """A person does not want it sent, or none of the held ones; returns how many were dropped."""
    return _changed(connection, _chosen(message_id), state=OutboxState.DROPPED)


def _chosen(message_id: int | None) -> ColumnElement[bool]:
    if message_id is None:
        return _TABLE.c.state == OutboxState.HELD
    return (_TABLE.c.id == message_id) & _TABLE.c.state.in_(SENDABLE)


def _changed(connection: Connection, which: ColumnElement[bool], **values: Any) -> int:  # noqa: ANN401
    return connection.execute(update(_TABLE).where(which).values(**values)).rowcount


def old_messages(before: datetime) -> Select[int]:
    """Ids of messages past their period that are over; one that waits, or that a person may still send, is none."""
    return select(_TABLE.c.id).where(_TABLE.c.created_at < before, _TABLE.c.state.in_(_OVER))


def forget(connection: Connection, expired: Select[int], limit: int) -> int:
    """Empty some of them: only the key stays, so that the same event is not told again. Returns how many."""
    some = connection.execute(expired.limit(limit)).scalars().all()
    which = _TABLE.c.id.in_(some) & _TABLE.c.state.in_(_OVER)
    return _changed(connection, which, state=OutboxState.FORGOTTEN, facts={}, error_code=None) if some else 0
