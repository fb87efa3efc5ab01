"""The append-only log of automatic choices: written before they act, read by what decides next (spec 15.3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select, update

from socialanalyzer_dagster.domain.types import JsonValue
from socialanalyzer_dagster.storage.database import insert_new, table_of
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_decisions import DecisionRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One choice and its reasons; `dedup_key` makes the same choice one row however often it is made."""

    dedup_key: str
    at: datetime
    kind: str
    actor: str
    subject: str
    action: str
    reason: str
    platform: str | None = None
    day: date | None = None
    lineage: str | None = None
    batch_id: str | None = None
    stage: str | None = None
    condition: Mapping[str, JsonValue] = field(default_factory=dict)
    alternatives: Sequence[JsonValue] = ()
    parameters: Mapping[str, JsonValue] = field(default_factory=dict)
    expected_micros: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionResult:
    """What became of a choice."""

    result: str
    at: datetime
    actual_micros: int | None = None
    detail: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDecision(Decision):
    """A choice as it stands; `result` is None until somebody said what became of it."""

    id: int
    result: str | None = None
    result_detail: Mapping[str, Any] | None = None
    result_at: datetime | None = None
    actual_micros: int | None = None


_COLUMNS = tuple(each.name for each in fields(Decision))
_TABLE = table_of(DecisionRow)
_FINISH = update(_TABLE).where(_TABLE.c.dedup_key == bindparam("of_key"), _TABLE.c.result.is_(None))
_STORED = select(_TABLE).order_by(_TABLE.c.id)
_MADE = select(_TABLE.c.dedup_key).where(_TABLE.c.dedup_key.in_(bindparam("keys", expanding=True)))


def record(connection: Connection, decision: Decision) -> bool:
    """Write a choice before it acts; False when the same one was made before, which then must not act again."""
    values = {name: getattr(decision, name) for name in _COLUMNS}
    values |= {name: dict(values[name]) for name in ("condition", "parameters")}
    values["alternatives"] = list(decision.alternatives)
    return connection.execute(insert_new(connection, DecisionRow), [values]).rowcount == 1


def finish(connection: Connection, dedup_key: str, ended: DecisionResult) -> bool:
    """Say once what became of a choice; False when that was said already."""
    values = {
        "of_key": dedup_key,
        "result": ended.result,
        "result_at": ended.at,
        "actual_micros": ended.actual_micros,
        "result_detail": dict(ended.detail),
    }
    return connection.execute(_FINISH, values).rowcount == 1


def decision(connection: Connection, dedup_key: str) -> StoredDecision | None:
    """One choice; None when it was not made."""
    return next(iter(_all(connection, _STORED.where(_TABLE.c.dedup_key == dedup_key))), None)


def by_number(connection: Connection, number: int) -> StoredDecision | None:
    """The choice with this id; None when there is none."""
    return next(iter(_all(connection, _STORED.where(_TABLE.c.id == number))), None)


def of_lineage(connection: Connection, lineage: str) -> list[StoredDecision]:
    """All choices about a chain of batches, the oldest first."""
    return _all(connection, _STORED.where(_TABLE.c.lineage == lineage))


def of_batch(connection: Connection, batch_id: str) -> list[StoredDecision]:
    """All choices about one batch, the oldest first."""
    return _all(connection, _STORED.where(_TABLE.c.batch_id == batch_id))


def of_kind(connection: Connection, kind: str, *, since: datetime, platform: str | None = None) -> list[StoredDecision]:
    """The choices of one kind since a moment, the oldest first; of one platform when it is named."""
    wanted = _STORED.where(_TABLE.c.kind == kind, _TABLE.c.at >= since)
    return _all(connection, wanted if platform is None else wanted.where(_TABLE.c.platform == platform))


def since(connection: Connection, moment: datetime) -> list[StoredDecision]:
    """The choices of all kinds since a moment, the oldest first."""
    return _all(connection, _STORED.where(_TABLE.c.at >= moment))


def open_of_kind(connection: Connection, kind: str) -> list[StoredDecision]:
    """The choices of one kind of which nobody said yet what became of them, the oldest first."""
    return _all(connection, _STORED.where(_TABLE.c.kind == kind, _TABLE.c.result.is_(None)))


def made_before(connection: Connection, dedup_keys: Sequence[str]) -> frozenset[str]:
    """Those of the keys under which a choice is stored."""
    found: set[str] = set()
    for part in parts(dedup_keys):
        found |= set(connection.execute(_MADE, {"keys": part}).scalars())
    return frozenset(found)


def _all(connection: Connection, wanted: Select[Any]) -> list[StoredDecision]:
    return [StoredDecision(**row) for row in connection.execute(wanted).mappings()]
