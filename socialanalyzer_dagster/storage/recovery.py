"""What a dead process left reserved: lost calls become unknown, jobs with an id wait to be resumed (spec 12.4, 13)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from socialanalyzer_dagster.storage.attempts import Attempt, AttemptState, attempts_where, find_attempts
from socialanalyzer_dagster.storage.database import table_of
from socialanalyzer_dagster.storage.models_control import ProviderAttemptRow, VendorJobRow
from socialanalyzer_dagster.storage.money import Finish
from socialanalyzer_dagster.storage.vendor_jobs import OPEN_PHASES, JobPhase
from socialanalyzer_dagster.storage.writes import Results, Write

_ATTEMPTS = table_of(ProviderAttemptRow)
_JOBS = table_of(VendorJobRow)
_TO_RESUME = (*OPEN_PHASES, JobPhase.READ)
"""A job in one of these settles its sending when the next run reads it."""
_OPEN_JOBS = select(_JOBS.c.attempt_key).where(
    _JOBS.c.batch_id == bindparam("of_batch"), _JOBS.c.job_id.is_not(None), _JOBS.c.state.in_(_TO_RESUME)
)
_IS_HELD = _ATTEMPTS.c.state == AttemptState.RESERVED.value
_HELD = attempts_where(_ATTEMPTS.c.batch_id == bindparam("of_batch"), _IS_HELD)
_HELD_BY_OTHERS = _HELD.where(_ATTEMPTS.c.owner != bindparam("new_owner"))
_STRAY = attempts_where(_ATTEMPTS.c.batch_id.is_(None), _IS_HELD, _ATTEMPTS.c.reserved_at < bindparam("before"))
_TAKE_OVER = update(_ATTEMPTS).where(_ATTEMPTS.c.attempt_key.in_(bindparam("keys", expanding=True)))


@dataclass(frozen=True, slots=True)
class Recovered:
    """How many sendings became unknown, and how many open jobs the new owner took over."""

    lost: int
    open_jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recover(Write[Recovered]):
    """Take over a batch whose earlier owner is dead; the caller holds the batch's lock."""

    batch_id: str
    owner: str
    at: datetime

    @classmethod
    def apply(cls, connection: Connection, writes: Sequence["Recover"]) -> Results:
        """One batch after the other."""
        return [_recover(connection, write) for write in writes]


def _recover(connection: Connection, write: Recover) -> Recovered:
    left = find_attempts(connection, _HELD_BY_OTHERS, {"of_batch": write.batch_id, "new_owner": write.owner})
    if not left:
        return Recovered(lost=0, open_jobs=0)
    jobs = set(connection.execute(_OPEN_JOBS, {"of_batch": write.batch_id}).scalars())
    lost = [attempt for attempt in left if attempt.attempt_key not in jobs]
    _lose(connection, lost, write.at, "interrupted")
    running = [attempt.attempt_key for attempt in left if attempt.attempt_key in jobs]
    connection.execute(_TAKE_OVER, {"keys": running, "owner": write.owner})
    return Recovered(lost=len(lost), open_jobs=len(running))


def give_up_held(connection: Connection, batch_id: str, at: datetime) -> None:
    """What a batch still holds becomes unknown, jobs that are at work for it too.

    For a batch that no run need ever come back to: what is unknown can be settled by a person or by the vendor's
    figure, what is held only by a run. A run that comes back all the same reads the job and settles it.
    """
    _lose(connection, find_attempts(connection, _HELD, {"of_batch": batch_id}), at, "given_up")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverStray(Write[int]):
    """Give up calls of no batch that were reserved before an instant and never ended; how many this write gave up.

    No lock says whether their process lives, so the instant must lie further back than any call can take. Several
    processes may do this at once, and an answer that comes all the same is settled as that of any lost call.
    """

    reserved_before: datetime
    at: datetime

    @classmethod
    def apply(cls, connection: Connection, writes: Sequence["RecoverStray"]) -> Results:
        """One after the other: each process asks once."""
        return [_recover_stray(connection, write) for write in writes]


def _recover_stray(connection: Connection, write: RecoverStray) -> int:
    stray = find_attempts(connection, _STRAY, {"before": write.reserved_before})
    return sum(_lose(connection, stray, write.at, "interrupted"))


def _lose(connection: Connection, attempts: Sequence[Attempt], at: datetime, code: str) -> Results:
    """The worst case of each stays held as unknown; True for those that nobody ended meanwhile."""
    ends = [Finish(attempt=each, state=AttemptState.UNKNOWN, at=at, error_code=code) for each in attempts]
    return Finish.apply(connection, ends)
