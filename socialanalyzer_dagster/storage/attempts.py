"""Sendings of paid calls and their stored answers: found again, listed, and recovered after a crash (spec 12.4)."""

import hashlib
import json
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, select, update

from socialanalyzer_dagster.domain.types import JsonValue
from socialanalyzer_dagster.storage.database import table_of
from socialanalyzer_dagster.storage.models_control import ProviderAnswerRow, ProviderAttemptRow
from socialanalyzer_dagster.storage.writes import Results, Write

_ATTEMPTS = table_of(ProviderAttemptRow)
_ANSWERS = table_of(ProviderAnswerRow)
_SENDINGS = (
    select(
        *(_ATTEMPTS.c[name] for name in ("attempt_key", "call_key", "fingerprint", "batch_id", "stage", "step")),
        *(
            _ATTEMPTS.c[name]
            for name in ("state", "issue", "reserved_at", "settled_micros", "finished_at", "error_code")
        ),
        _ANSWERS.c.attempt_key.label("answer_key"),
    )
    .join_from(_ATTEMPTS, _ANSWERS, _ANSWERS.c.attempt_key == _ATTEMPTS.c.attempt_key, isouter=True)
    .where(_ATTEMPTS.c.fingerprint.in_(bindparam("fingerprints", expanding=True)))
    .order_by(_ATTEMPTS.c.finished_at, _ATTEMPTS.c.attempt_key)
)


class AttemptState(StrEnum):
    """Where the money of one sending is."""

    RESERVED = "reserved"
    SETTLED = "settled"
    RELEASED = "released"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One sending of one call; the reservation fills `scopes`; a call of no batch has neither batch nor stage."""

    attempt_key: str
    call_key: str
    fingerprint: str
    provider: str
    operation: str
    batch_id: str | None
    platform: str
    stage: str | None
    step: str
    leads: tuple[str, ...]
    issue: int
    owner: str
    policy_version: str
    reserved_micros: int
    reserved_at: datetime
    scopes: tuple[str, ...] = ()


def attempts_where(*conditions: ColumnElement[bool]) -> Select[Any]:
    """The query of the sendings that fulfil conditions, for `find_attempts`; made once where it is asked often."""
    return select(_ATTEMPTS).where(*conditions).order_by(_ATTEMPTS.c.attempt_key)


def find_attempts(connection: Connection, query: Select[Any], values: Mapping[str, Any] | None = None) -> list[Attempt]:
    """The stored sendings that a query of `attempts_where` finds, in the order of their keys."""
    return [_attempt(dict(row)) for row in connection.execute(query, values).mappings()]


_OF_KEYS = attempts_where(_ATTEMPTS.c.attempt_key.in_(bindparam("keys", expanding=True)))


def load_attempts(connection: Connection, keys: Iterable[str]) -> list[Attempt]:
    """The stored sendings of some keys, in the order of the keys."""
    return find_attempts(connection, _OF_KEYS, {"keys": sorted(keys)})


def _attempt(row: dict[str, Any]) -> Attempt:
    known = {each.name: row[each.name] for each in fields(Attempt)}
    return Attempt(**known | {"leads": tuple(row["leads"]), "scopes": tuple(row["scopes"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """A paid answer that can be given again; `same_batch` when this batch paid for it."""

    attempt_key: str
    body: JsonValue
    cost_micros: int
    answered_at: datetime
    same_batch: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHistory:
    """What is stored about a call: an answer to give again, else how often it was sent and lost in this batch.

    `lost_since_asked` counts those sent since a person last asked for the batch.
    """

    answer: StoredAnswer | None
    issues: int
    lost: int
    lost_since_asked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FindAnswer(Write[CallHistory]):
    """Look a call up: the batch's own answer always counts, any other from `reusable_since` on (None: never).

    `asked_at` is when a person last asked for the batch, None while nobody did since it was made.
    """

    fingerprint: str
    call_key: str
    batch_id: str | None
    reusable_since: datetime | None
    asked_at: datetime | None = None

    @classmethod
    def apply(cls, connection: Connection, writes: Sequence["FindAnswer"]) -> Results:
        """One query for the sendings and one for the bodies of all calls of the group."""
        rows = sendings(connection, [write.fingerprint for write in writes])
        chosen = [_choose(write, rows[write.fingerprint]) for write in writes]
        bodies = _bodies(connection, [row.attempt_key for row in chosen if row is not None])
        return [
            history(write, rows[write.fingerprint], _answer(row, bodies, write) if row is not None else None)
            for write, row in zip(writes, chosen, strict=True)
        ]


def history(find: FindAnswer, rows: Sequence[Row[Any]], answer: StoredAnswer | None) -> CallHistory:
    """Count the sendings of a call among those of its fingerprint."""
    own = [row for row in rows if row.call_key == find.call_key]
    lost = [row for row in own if row.state == AttemptState.UNKNOWN and row.batch_id == find.batch_id]
    return CallHistory(
        answer=answer,
        issues=max((row.issue for row in own), default=0),
        lost=len(lost),
        lost_since_asked=sum(find.asked_at is None or row.reserved_at >= find.asked_at for row in lost),
    )


def sendings(connection: Connection, fingerprints: Sequence[str]) -> Mapping[str, list[Row[Any]]]:
    """Every sending of these requests, by fingerprint, oldest first."""
    found = connection.execute(_SENDINGS, {"fingerprints": sorted(set(fingerprints))})
    by_fingerprint: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in cast("Iterable[Row[Any]]", found):
        by_fingerprint[row.fingerprint].append(row)
    return by_fingerprint


def _choose(find: FindAnswer, rows: Sequence[Row[Any]]) -> Row[Any] | None:
    answered = [row for row in rows if row.state == AttemptState.SETTLED and row.answer_key is not None]
    own = [row for row in answered if row.call_key == find.call_key and row.batch_id == find.batch_id]
    if own:
        return own[-1]
    since = find.reusable_since
    if since is None:
        return None
    fresh = [row for row in answered if row.error_code is None and row.finished_at >= since]
    return fresh[-1] if fresh else None


def _bodies(connection: Connection, keys: Sequence[str]) -> dict[str, tuple[JsonValue, datetime]]:
    if not keys:
        return {}
    rows = connection.execute(select(_ANSWERS).where(_ANSWERS.c.attempt_key.in_(sorted(set(keys)))))
    return {row.attempt_key: (unpacked(row.body), row.answered_at) for row in rows}


def _answer(row: Row[Any], bodies: Mapping[str, tuple[JsonValue, datetime]], find: FindAnswer) -> StoredAnswer:
    body, answered_at = bodies[row.attempt_key]
    return StoredAnswer(
        attempt_key=row.attempt_key,
        body=body,
        cost_micros=row.settled_micros,
        answered_at=answered_at,
        same_batch=find.batch_id is not None and row.batch_id == find.batch_id,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkUndecodable(Write[None]):
    """The stored answer did not fit: other batches must not get it again."""

    attempt_key: str
    error_code: str

    @classmethod
    def apply(cls, connection: Connection, writes: Sequence["MarkUndecodable"]) -> Results:
        """Name the error on the sending; its money stays settled."""
        for write in writes:
            connection.execute(
                update(_ATTEMPTS)
                .where(_ATTEMPTS.c.attempt_key == write.attempt_key)
                .values(error_code=write.error_code)
            )
        return [None] * len(writes)


def packed(body: JsonValue) -> bytes:
    """A body as it is stored; raises ValueError or TypeError for what is not JSON."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return zlib.compress(text.encode("utf-8", "surrogatepass"), level=1)


def unpacked(stored: bytes) -> JsonValue:
    """The body that was stored."""
    return cast("JsonValue", json.loads(zlib.decompress(stored)))


def unpacked_text(stored: bytes) -> str:
    """The body that was stored as JSON text, for searching."""
    return zlib.decompress(stored).decode("utf-8", "surrogatepass")


def attempt_key_of(call_key: str, issue: int) -> str:
    """The key of one sending: the call's own for the first, another one for each further (spec 12.4)."""
    return call_key if issue == 1 else hashlib.sha256(f"{call_key}:{issue}".encode()).hexdigest()
