"""The outbox: messages are put in with what they are about, and each is taken by one sender (spec 16).

`emit` is what everybody calls, inside the transaction of what happened: both are stored, or neither.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select, update

from socialanalyzer_dagster.domain.notification_events import Event
from socialanalyzer_dagster.domain.notifications import BADGE
from socialanalyzer_dagster.domain.policy import shipped_policy, stored_policy
from socialanalyzer_dagster.domain.policy_notifications import NotificationsPolicy
from socialanalyzer_dagster.domain.types import sha256_of
from socialanalyzer_dagster.storage import policies
from socialanalyzer_dagster.storage.database import insert_new, table_of
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow
from socialanalyzer_dagster.storage.models_notifications import OutboxRow

_TABLE = table_of(OutboxRow)
_BATCHES = table_of(LeadBatchRow)
_LONGEST_KEY = 255
_PARSED: dict[str, NotificationsPolicy] = {}
"""The section of the policy that was active last, by its digest."""


class OutboxState(StrEnum):
    """How far a message is. One that is `sending` past its `due_at` has lost its sender and becomes unknown."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    """Given up after the last try."""
    UNKNOWN = "unknown"
    """It may have arrived, so nobody but a person sends it again."""
    NOT_CONFIGURED = "not_configured"
    """Its channel had no address when it was due: it is not sent later."""
    LISTED = "listed"
    """For the badge: there to be looked at."""
    HELD = "held"
    """It waited in a back-up that was restored: it may have been sent since, so a person says whether it goes."""
    DROPPED = "dropped"
    """A person does not want it sent."""
    FORGOTTEN = "forgotten"
    """Past its period: its key alone is left, so that nobody is told a second time."""


SENDABLE = frozenset({OutboxState.FAILED, OutboxState.NOT_CONFIGURED, OutboxState.UNKNOWN, OutboxState.HELD})
"""A person may have these sent again."""
_SENDER_ENDED = "sender_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A message that this sender alone may send until its lease ends."""

    id: int
    kind: str
    channel: str
    batch_id: str | None
    batch_key: str | None
    facts: Mapping[str, Any]
    tries: int
    """This one included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of a message; `due_at` is set when it waits for another try."""

    message: Taken
    state: OutboxState
    at: datetime
    error_code: str | None = None
    due_at: datetime | None = None


def emit(connection: Connection, *events: Event, now: datetime) -> int:
    """Put events into the outbox, for every channel that the active policy names for their kinds.

    An event that was put before is left as it is; returns how many messages are new.
    """
    channels = notifications_policy(connection).channels
    rows = [_row(event, channel, now) for event in events for channel in channels[event.kind]]
    new = insert_new(connection, OutboxRow).returning(_TABLE.c.id)
    return len(connection.execute(new, rows).all()) if rows else 0


def untold(connection: Connection, events: Sequence[Event]) -> list[Event]:
    """Those of the events that are not in the outbox yet for some channel of theirs."""
    channels = notifications_policy(connection).channels
    keys = {_dedup_key(event, channel): event for event in events for channel in channels[event.kind]}
    told: set[str] = set()
    for part in parts(sorted(keys)):
        told.update(connection.execute(select(_TABLE.c.dedup_key).where(_TABLE.c.dedup_key.in_(part))).scalars())
    return [event for key, event in keys.items() if key not in told]


def facts_of(connection: Connection, kinds: Collection[str], since: datetime) -> list[Mapping[str, Any]]:
    """The facts of messages of these kinds since a moment."""
    wanted = (_TABLE.c.kind.in_(kinds), _TABLE.c.created_at >= since)
    return [*connection.execute(select(_TABLE.c.facts).where(*wanted)).scalars()]


def notifications_policy(connection: Connection) -> NotificationsPolicy:
    """The section of the policy that is active in this transaction; the shipped one while none is stored."""
    active = policies.active_hash(connection)
    if active is None:
        return shipped_policy().notifications
    section = _PARSED.get(active)
    if section is None:
        found = policies.by_hash(connection, active)
        section = shipped_policy().notifications if found is None else stored_policy(found.document).notifications
        _PARSED.clear()
        _PARSED[active] = section
    return section


def _row(event: Event, channel: str, now: datetime) -> dict[str, Any]:
    return {
        "dedup_key": _dedup_key(event, channel),
        "kind": event.kind.value,
        "channel": channel,
        "batch_id": event.batch_id,
        "facts": dict(event.facts()),
        "created_at": now,
        "due_at": now,
        "state": OutboxState.LISTED if channel == BADGE else OutboxState.WAITING,
        "tries": 0,
    }


def _dedup_key(event: Event, channel: str) -> str:
    key = f"{event.kind}:{channel}:{event.occasion}"
    return key if len(key) <= _LONGEST_KEY else f"{event.kind}:{channel}:{sha256_of(event.occasion)}"


_LOSE = (
    update(_TABLE)
    .where(_TABLE.c.state == OutboxState.SENDING, _TABLE.c.due_at <= bindparam("now"))
    .values(state=OutboxState.UNKNOWN, error_code=_SENDER_ENDED)
    .returning(_TABLE.c.id)
)


def lose(connection: Connection, *, now: datetime) -> list[int]:
    """Give up messages whose sender ended without a word: whether they arrived is not known. Returns their ids."""
    return list(connection.execute(_LOSE, {"now": now}).scalars())


_DUE = (
    select(_TABLE, _BATCHES.c.partition_key)
    .outerjoin(_BATCHES, _BATCHES.c.batch_id == _TABLE.c.batch_id)
    .where(
        _TABLE.c.state == OutboxState.WAITING,
        _TABLE.c.due_at <= bindparam("now"),
        _TABLE.c.channel.not_in(bindparam("without", expanding=True)),
    )
    .order_by(_TABLE.c.due_at, _TABLE.c.id)
    .limit(1)
    .with_for_update(skip_locked=True, of=_TABLE)
)


def take(connection: Connection, *, now: datetime, lease_seconds: int, without: Collection[str] = ()) -> Taken | None:
    """The message that has been due the longest, reserved for this sender; commit before sending. None without one.

    `without` are channels to leave alone. Rows that another sender is taking just now are passed over.
    """
    row = connection.execute(_DUE, {"now": now, "without": list(without)}).one_or_none()
    if row is None:
        return None
    values = {
        "state": OutboxState.SENDING,
        "due_at": now + timedelta(seconds=lease_seconds),
        "tries": row.tries + 1,
    }
    connection.execute(update(_TABLE).where(_TABLE.c.id == row.id).values(**values))
    return Taken(
        id=row.id,
        kind=row.kind,
        channel=row.channel,
        batch_id=row.batch_id,
        batch_key=row.partition_key,
        facts=row.facts,
        tries=row.tries + 1,
    )


def end(connection: Connection, sent: Sent) -> bool:
    """Say what became of a message; False when its lease ended meanwhile and it counts as unknown."""
    values: dict[str, Any] = {"state": sent.state, "error_code": sent.error_code}
    if sent.due_at is not None:
        values["due_at"] = sent.due_at
    if sent.state is OutboxState.SENT:
        values["sent_at"] = sent.at
    own = (_TABLE.c.id == sent.message.id, _TABLE.c.state == OutboxState.SENDING, _TABLE.c.tries == sent.message.tries)
    return connection.execute(update(_TABLE).where(*own).values(**values)).rowcount == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxQuestion:
    """Which messages are looked at."""

    limit: int
    state: str | None = None
    channel: str | None = None
    kind: str | None = None


def messages(connection: Connection, question: OutboxQuestion) -> list[dict[str, Any]]:
    """Messages with the key of their batch, the newest first; those forgotten only where they are asked for."""
    wanted: Select[Any] = select(_TABLE, _BATCHES.c.partition_key.label("batch_key")).outerjoin(
        _BATCHES, _BATCHES.c.batch_id == _TABLE.c.batch_id
    )
    if question.state is None:
        wanted = wanted.where(_TABLE.c.state != OutboxState.FORGOTTEN)
    for column in ("state", "channel", "kind"):
        if (value := getattr(question, column)) is not None:
            wanted = wanted.where(_TABLE.c[column] == value)
    found = connection.execute(wanted.order_by(_TABLE.c.id.desc()).limit(question.limit)).mappings()
    return [dict(row) for row in found]


_NEXT_DUE = select(func.min(_TABLE.c.due_at)).where(_TABLE.c.state == OutboxState.WAITING)


def next_due(connection: Connection) -> datetime | None:
    """When the next message is due; None when none waits."""
    found: datetime | None = connection.execute(_NEXT_DUE).scalar_one()
    return found
