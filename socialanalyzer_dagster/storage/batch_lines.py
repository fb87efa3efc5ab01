"""Answers bought together as lines of one job: each booked as a sending of its own lead (spec 12.4, I-29)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from socialanalyzer_dagster.storage.attempts import Attempt, AttemptState
from socialanalyzer_dagster.storage.budget_scopes import Move, move
from socialanalyzer_dagster.storage.database import table_of
from socialanalyzer_dagster.storage.ledger import LedgerKind, insert_rows, ledger_rows
from socialanalyzer_dagster.storage.models_control import ProviderAnswerRow, ProviderAttemptRow
from socialanalyzer_dagster.storage.money import attempt_row
from socialanalyzer_dagster.storage.writes import Results, Write

_ATTEMPTS = table_of(ProviderAttemptRow)
_ANSWERS = table_of(ProviderAnswerRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineAnswer:
    """One answered line: the sending it is booked as, its price, and the body to give again."""

    attempt: Attempt
    amount_micros: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BookLines(Write[int]):
    """Move the price of some lines out of their job's reservation; returns what of it is left.

    A line that is booked already is left out, so a crash between two groups books nothing twice. A job that counted as
    lost and was found again takes its reservation back first.
    """

    job: Attempt
    lines: tuple[LineAnswer, ...]
    at: datetime

    @classmethod
    def apply(cls, connection: Connection, writes: Sequence["BookLines"]) -> Results:
        """One group after the other: there are few jobs."""
        return [_book(connection, write) for write in writes]


def _book(connection: Connection, write: BookLines) -> int:
    left = _taken_back(connection, write)
    keys = [line.attempt.attempt_key for line in write.lines]
    known = set(connection.execute(select(_ATTEMPTS.c.attempt_key).where(_ATTEMPTS.c.attempt_key.in_(keys))).scalars())
    new = [line for line in write.lines if line.attempt.attempt_key not in known]
    if not new:
        return left
    total = sum(line.amount_micros for line in new)
    remaining = max(0, left - total)
    connection.execute(insert(_ATTEMPTS), [_settled_row(line, write.at) for line in new])
    connection.execute(
        insert(_ANSWERS),
        [{"attempt_key": line.attempt.attempt_key, "body": line.body, "answered_at": write.at} for line in new],
    )
    connection.execute(
        update(_ATTEMPTS).where(_ATTEMPTS.c.attempt_key == write.job.attempt_key).values(reserved_micros=remaining)
    )
    move(connection, [Move(write.job.scopes, settled_micros=total, held_micros=remaining - left)])
    rows = [ledger_rows(line.attempt, LedgerKind.SETTLED, line.amount_micros, write.at) for line in new]
    insert_rows(connection, [row for group in rows for row in group])
    return remaining


def _taken_back(connection: Connection, write: BookLines) -> int:
    """What the job still holds, after a job that was given up for lost holds its worst case again."""
    job = connection.execute(
        select(_ATTEMPTS.c.state, _ATTEMPTS.c.reserved_micros)
        .where(_ATTEMPTS.c.attempt_key == write.job.attempt_key)
        .with_for_update()
    ).one()
    if job.state not in (AttemptState.RESERVED, AttemptState.UNKNOWN):
        return 0
    if job.state == AttemptState.UNKNOWN:
        amount = job.reserved_micros
        move(connection, [Move(write.job.scopes, held_micros=amount, unknown_micros=-amount)])
        insert_rows(connection, ledger_rows(write.job, LedgerKind.RESOLVED, -amount, write.at))
        connection.execute(
            update(_ATTEMPTS)
            .where(_ATTEMPTS.c.attempt_key == write.job.attempt_key)
            .values(state=AttemptState.RESERVED.value, error_code=None, finished_at=None)
        )
    return int(job.reserved_micros)


def _settled_row(line: LineAnswer, at: datetime) -> dict[str, object]:
    return attempt_row(line.attempt) | {
        "state": AttemptState.SETTLED.value,
        "settled_micros": line.amount_micros,
        "finished_at": at,
    }
