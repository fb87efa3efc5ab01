"""The outbox as people see it, and what they want done with messages that do not go by themselves (spec 16)."""

from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection

from socialanalyzer_dagster.domain.notification_events import Kind
from socialanalyzer_dagster.domain.notifications import EVENTS, Markup, Place, message
from socialanalyzer_dagster.pipeline.news import put_news
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import audit_log, outbox, outbox_keeping
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.outbox import OutboxQuestion

_ALL_HELD = "all held"


class NoSuchMessage(LookupError):
    """There is no such message, or it goes by itself or is over."""


def message_rows(database: Database, question: OutboxQuestion) -> list[dict[str, Any]]:
    """Messages with title and key of their batch, the newest first; `title` is None for what no version can read."""
    with database.read() as connection:
        rows = outbox.messages(connection, question)
    return [
        {
            "id": row["id"],
            "created": row["created_at"],
            "kind": row["kind"],
            "batch": row["batch_key"],
            "channel": row["channel"],
            "state": row["state"],
            "tries": row["tries"],
            "error": row["error_code"],
            "due": row["due_at"],
            "sent": row["sent_at"],
            "title": _title(row),
        }
        for row in rows
    ]


def _title(row: dict[str, Any]) -> str | None:
    try:
        event = EVENTS[Kind(row["kind"])].of_facts(row["facts"], row["batch_id"])
    except (ValidationError, ValueError):
        return None
    return message(event, Place(markup=Markup.PLAIN, batch_key=row["batch_key"])).title


def send_again(workplace: Workplace, message_id: int | None, *, by: str) -> int:
    """Let a message wait for another sending that was given up, is held or may have arrived; None = all held ones.

    Returns how many wait now; raises NoSuchMessage for an id of no such message.
    """
    now = workplace.clock.now()
    with workplace.database.write() as connection:
        number = outbox_keeping.send_again(connection, message_id, now)
        _note(connection, message_id, number, at=now, actor=by, action="message.again")
    return number


def drop(workplace: Workplace, message_id: int | None, *, by: str) -> int:
    """Such a message is not to be sent any more; None = all held ones. Raises NoSuchMessage likewise."""
    with workplace.database.write() as connection:
        number = outbox_keeping.drop(connection, message_id)
        _note(connection, message_id, number, at=workplace.clock.now(), actor=by, action="message.drop")
    return number


def _note(connection: Connection, message_id: int | None, number: int, **deed: Any) -> None:  # noqa: ANN401
    if message_id is not None and not number:
        raise NoSuchMessage(
            f"message {message_id} is none that was given up, is held or may have arrived: see `notify list`"
        )
    subject = _ALL_HELD if message_id is None else str(message_id)
    audit_log.record(connection, subject=subject, messages=number, **deed)


def hold_unsent(database: Database, now: datetime, *, looks_at_tables: bool) -> int:
    """In a restored database: hold what waits, for it may have been sent since the back-up; returns how much that is.

    So is what only the tables tell yet, and the outbox does not; in a database of another revision nobody can look.
    """
    with database.write() as connection:
        held = outbox_keeping.hold_waiting(connection)
    if looks_at_tables and put_news(database, now):
        with database.write() as connection:
            held += outbox_keeping.hold_waiting(connection)
    return held
