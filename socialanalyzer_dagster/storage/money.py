"""The money of sendings: reserved in every scope at once, then settled, released or unknown (spec 12.4, I-20, I-21)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from socialanalyzer_dagster.domain.policy_money import BudgetsPolicy
from socialanalyzer_dagster.domain.refusals import BatchStopped, BudgetExceeded
from socialanalyzer_dagster.storage.attempts import Attempt, AttemptState
from socialanalyzer_dagster.storage.budget_scopes import (
    CapSource,
    CapWarning,
    Move,
    ScopeOwner,
    ScopeRoom,
    caps_of,
    hold,
    lock_scopes,
    move,
    new_warnings,
)
from socialanalyzer_dagster.storage.database import table_of
from socialanalyzer_dagster.storage.ledger import LedgerKind, batch_row, insert_rows, ledger_rows
from socialanalyzer_dagster.storage.models_control import ProviderAnswerRow, ProviderAttemptRow
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow
from socialanalyzer_dagster.storage.suppressions import suppression_revision
from socialanalyzer_dagster.storage.vendor_jobs import insert_planned, planned_row
from socialanalyzer_dagster.storage.writes import Results, Write

_ATTEMPTS = table_of(ProviderAttemptRow)
_ANSWERS = table_of(ProviderAnswerRow)
_INSERT_ATTEMPTS, _INSERT_ANSWERS = insert(_ATTEMPTS), insert(_ANSWERS)
_BATCHES = select(LeadBatchRow.batch_id, LeadBatchRow.cap_micros, LeadBatchRow.stop_requested).where(
    LeadBatchRow.batch_id.in_(bindparam("ids", expanding=True))
)
_STATES = (
    select(_ATTEMPTS.c.attempt_key, _ATTEMPTS.c.state)
    .where(_ATTEMPTS.c.attempt_key.in_(bindparam("keys", expanding=True)))
    .with_for_update()
)
_FINISH = (
    update(_ATTEMPTS)
    .where(_ATTEMPTS.c.attempt_key == bindparam("of_key"))
    .values(
        state=bindparam("new_state"),
        settled_micros=bindparam("settled"),
        error_code=bindparam("error"),
        finished_at=bindparam("at"),
        latency_milliseconds=bindparam("latency"),
    )
)


class SuppressionsChanged(Exception):
    """The list changed after the gate looked at it: look again before reserving."""


@dataclass(frozen=True, slots=True)
class Reserved:
    """A reservation that is committed: the sending with its scopes, and caps that reached their warning share."""

    attempt: Attempt
    warnings: tuple[CapWarning, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve(Write[Reserved]):
    """Hold the worst case of a call in every scope, and store the sending.

    Refused with BudgetExceeded when one scope lacks room, BatchStopped when the batch is stopped, LookupError when the
    batch does not exist, SuppressionsChanged when the list is not the one the gate checked. A call of no batch has no
    batch's cap and nobody who stops it. `job_request` stores a vendor job with it, before it is bought (I-25).
    """

    attempt: Attempt
    caps: CapSource
    suppression_revision: int
    job_request: Mapping[str, Any] | None = None

    @classmethod
    def apply(cls, connection: Connection, writes: Sequence["Reserve"]) -> Results:
        """Deal out the room of the locked scopes in order; who does not fit is refused, the others are held."""
        desk = _Desk(connection, writes)
        results = [desk.serve(write) for write in writes]
        hold(connection, desk.rooms)
        warnings = new_warnings(connection, desk.rooms, desk.budgets, writes[0].attempt.reserved_at)
        granted = [result for result in results if isinstance(result, Attempt)]
        if granted:
            connection.execute(_INSERT_ATTEMPTS, [attempt_row(attempt) for attempt in granted])
        jobs = [
            planned_row(result, write.job_request)
            for write, result in zip(writes, results, strict=True)
            if isinstance(result, Attempt) and write.job_request is not None
        ]
        if jobs:
            insert_planned(connection, jobs)
        first = granted[0] if granted else None
        return [
            Reserved(result, tuple(warnings) if result is first else ()) if isinstance(result, Attempt) else result
            for result in results
        ]


@dataclass(slots=True)
class _Desk:
    """What one transaction knows while it serves reservations."""

    connection: Connection
    writes: Sequence[Reserve]
    budgets: BudgetsPolicy = field(init=False)
    rooms: dict[str, ScopeRoom] = field(init=False)
    _batches: dict[str, tuple[int, bool]] = field(init=False)
    _revision: int = field(init=False)
    _caps_of: dict[ScopeOwner, Mapping[str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.budgets = self.writes[0].caps.current(self.connection)
        self._look()
        caps: dict[str, int] = {}
        for write in self.writes:
            if self._is_known(write.attempt):
                caps |= self._caps(write.attempt)
        self.rooms = lock_scopes(self.connection, caps) if caps else {}
        if self.connection.dialect.name != "sqlite":  # others wrote while this one waited for the scopes
            self._look()

    def _look(self) -> None:
        self._revision = suppression_revision(self.connection)
        ids = sorted({of for write in self.writes if (of := write.attempt.batch_id) is not None})
        rows = self.connection.execute(_BATCHES, {"ids": ids})
        self._batches = {batch_id: (cap, stopped) for batch_id, cap, stopped in rows}

    def serve(self, write: Reserve) -> Attempt | Exception:
        """The sending with its scopes, or why it is refused."""
        attempt = write.attempt
        if not self._is_known(attempt):
            return LookupError(f"there is no batch {attempt.batch_id}")
        if attempt.batch_id is not None and self._batches[attempt.batch_id][1]:
            return BatchStopped("the batch was stopped")
        if write.suppression_revision != self._revision:
            return SuppressionsChanged()
        scopes = tuple(self._caps(attempt))
        for scope in scopes:
            if not self.rooms[scope].fits(attempt.reserved_micros):
                return BudgetExceeded(scope, self.rooms[scope].cap_micros, attempt.reserved_micros)
        for scope in scopes:
            self.rooms[scope].taken_micros += attempt.reserved_micros
        return replace(attempt, scopes=scopes)

    def _is_known(self, attempt: Attempt) -> bool:
        return attempt.batch_id is None or attempt.batch_id in self._batches

    def _caps(self, attempt: Attempt) -> Mapping[str, int]:
        owner = ScopeOwner(
            batch_id=attempt.batch_id,
            platform=attempt.platform,
            provider=attempt.provider,
            day=attempt.reserved_at.astimezone(UTC).date(),
        )
        if owner not in self._caps_of:
            own_cap = None if attempt.batch_id is None else self._batches[attempt.batch_id][0]
            self._caps_of[owner] = caps_of(owner, own_cap, self.budgets)
        return self._caps_of[owner]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish(Write[bool]):
    """The end of a sending: settled with its real price, released, or unknown; True when this was the first to end it.

    A sending that counted as unknown may still be settled or released: its worst case is then taken back by `resolved`
    rows. A sending that is settled or released stays as it is.
    """

    attempt: Attempt
    state: AttemptState
    at: datetime
    amount_micros: int = 0
    body: bytes | None = None
    error_code: str | None = None
    latency_milliseconds: int | None = None

    @classmethod
    def apply(cls, connection: Connection, writes: Sequence["Finish"]) -> Results:
        """Move the money, store answers and append the ledger rows in one go."""
        keys = [write.attempt.attempt_key for write in writes]
        rows = connection.execute(_STATES, {"keys": sorted(set(keys))})
        states = {key: AttemptState(state) for key, state in rows}
        valid: list[tuple[Finish, AttemptState]] = []
        results: list[bool | Exception] = []
        for write, key in zip(writes, keys, strict=True):
            before = states.get(key)
            if before is None:
                results.append(LookupError("the sending was never reserved"))
                continue
            ends = before is AttemptState.RESERVED or (
                before is AttemptState.UNKNOWN and write.state is not AttemptState.UNKNOWN
            )
            results.append(ends)
            if ends:
                states[key] = write.state
                valid.append((write, before))
        _store_ends(connection, valid)
        return results


def _store_ends(connection: Connection, ends: Sequence[tuple[Finish, AttemptState]]) -> None:
    if not ends:
        return
    connection.execute(_FINISH, [_finish_row(write) for write, _ in ends])
    move(connection, [_move_of(write, before) for write, before in ends])
    answers = [
        {"attempt_key": write.attempt.attempt_key, "body": write.body, "answered_at": write.at}
        for write, _ in ends
        if write.body is not None
    ]
    if answers:
        connection.execute(_INSERT_ANSWERS, answers)
    insert_rows(connection, [row for write, before in ends for row in _ledger_of(write, before)])


def _move_of(write: Finish, before: AttemptState) -> Move:
    reserved = write.attempt.reserved_micros
    return Move(
        write.attempt.scopes,
        settled_micros=write.amount_micros if write.state is AttemptState.SETTLED else 0,
        held_micros=-reserved if before is AttemptState.RESERVED else 0,
        unknown_micros=(reserved if write.state is AttemptState.UNKNOWN else 0)
        - (reserved if before is AttemptState.UNKNOWN else 0),
    )


def _ledger_of(write: Finish, before: AttemptState) -> list[dict[str, Any]]:
    attempt, rows = write.attempt, list[dict[str, Any]]()
    if before is AttemptState.UNKNOWN:
        rows += ledger_rows(attempt, LedgerKind.RESOLVED, -attempt.reserved_micros, write.at)
    if write.state is AttemptState.SETTLED:
        rows += ledger_rows(attempt, LedgerKind.SETTLED, write.amount_micros, write.at)
    if write.state is AttemptState.UNKNOWN:
        rows += ledger_rows(attempt, LedgerKind.UNKNOWN, attempt.reserved_micros, write.at)
    return rows


def _finish_row(write: Finish) -> dict[str, Any]:
    return {
        "of_key": write.attempt.attempt_key,
        "new_state": write.state.value,
        "settled": write.amount_micros if write.state is AttemptState.SETTLED else 0,
        "error": write.error_code,
        "at": write.at,
        "latency": write.latency_milliseconds,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Correct(Write[None]):
    """A vendor's later figure for a settled sending; the difference is borne by the batch (spec 12.4)."""

    attempt: Attempt
    difference_micros: int
    at: datetime

    @classmethod
    def apply(cls, connection: Connection, writes: Sequence["Correct"]) -> Results:
        """Move the difference and append one row of the batch each."""
        for write in writes:
            connection.execute(
                update(_ATTEMPTS)
                .where(_ATTEMPTS.c.attempt_key == write.attempt.attempt_key)
                .values(settled_micros=_ATTEMPTS.c.settled_micros + write.difference_micros)
            )
        move(connection, [Move(write.attempt.scopes, settled_micros=write.difference_micros) for write in writes])
        rows = [batch_row(write.attempt, LedgerKind.CORRECTION, write.difference_micros, write.at) for write in writes]
        insert_rows(connection, rows)
        return [None] * len(writes)


def attempt_row(attempt: Attempt) -> dict[str, Any]:
    return {
        "attempt_key": attempt.attempt_key,
        "call_key": attempt.call_key,
        "fingerprint": attempt.fingerprint,
        "provider": attempt.provider,
        "operation": attempt.operation,
        "batch_id": attempt.batch_id,
        "platform": attempt.platform,
        "stage": attempt.stage,
        "step": attempt.step,
        "policy_version": attempt.policy_version,
        "leads": list(attempt.leads),
        "scopes": list(attempt.scopes),
        "state": AttemptState.RESERVED.value,
        "issue": attempt.issue,
        "reserved_micros": attempt.reserved_micros,
        "settled_micros": 0,
        "owner": attempt.owner,
        "reserved_at": attempt.reserved_at,
    }
