"""The outbox as people see it, and their wish to have a message sent again (spec 16)."""

from typing import Any

from pydantic import ValidationError

from socialanalyzer_dagster.domain.notification_events import Kind
from socialanalyzer_dagster.domain.notifications import EVENTS, Markup, Place, message
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import audit_log, outbox
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.outbox import OutboxQuestion


class NoSuchMessage(LookupError):
    """There is no such message, or it is not one that may be sent again."""


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


def send_again(workplace: Workplace, message_id: int, *, by: str) -> None:
    """Let a message wait for another sending that was given up or may have arrived; raises NoSuchMessage."""
    now = workplace.clock.now()
    with workplace.database.write() as connection:
        if not outbox.send_again(connection, message_id, now):
            raise NoSuchMessage(
                f"message {message_id} is none that was given up or may have arrived: see `notify list`"
            )
        audit_log.record(connection, at=now, actor=by, action="message.again", subject=str(message_id))
