"""Privacy requests as stored: the person as keyed hash and lead uids, the state, and the receipt (spec 19.4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, insert, select, update

from socialanalyzer_dagster.storage.database import table_of
from socialanalyzer_dagster.storage.models_people import PrivacyRequestRow

_TABLE = table_of(PrivacyRequestRow)


class RequestKind(StrEnum):
    """What was asked for."""

    EXPORT = "export"
    ERASE = "erase"


class RequestState(StrEnum):
    """Where a request stands; everything but `done` is finished by asking again, or by the daily purge."""

    OPEN = "open"
    WAITING_FOR_CRM = "waiting_for_crm"
    WAITING_FOR_BATCH = "waiting_for_batch"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyRequest:
    """One request."""

    request_id: str
    kind: str
    state: str
    identifier_kind: str
    keyed_hash: str
    leads: Sequence[str]
    requested_by: str
    requested_at: datetime
    finished_at: datetime | None
    receipt: Mapping[str, Any]


_COLUMNS = [_TABLE.c[each.name] for each in fields(PrivacyRequest)]


def insert_request(connection: Connection, request: PrivacyRequest) -> None:
    """Store a new request."""
    connection.execute(insert(_TABLE).values({each.name: getattr(request, each.name) for each in fields(request)}))


def change_request(connection: Connection, request: PrivacyRequest) -> None:
    """Store how far a request is."""
    connection.execute(
        update(_TABLE)
        .where(_TABLE.c.request_id == request.request_id)
        .values(
            state=request.state,
            leads=list(request.leads),
            finished_at=request.finished_at,
            receipt=dict(request.receipt),
        )
    )


def unfinished(connection: Connection, keyed_hash: str | None = None) -> list[PrivacyRequest]:
    """Erasures that are not done, oldest first; of one person, or all."""
    query = select(*_COLUMNS).where(_TABLE.c.kind == RequestKind.ERASE, _TABLE.c.state != RequestState.DONE)
    if keyed_hash is not None:
        query = query.where(_TABLE.c.keyed_hash == keyed_hash)
    rows = connection.execute(query.order_by(_TABLE.c.requested_at, _TABLE.c.request_id))
    return [PrivacyRequest(**row) for row in rows.mappings()]


def newest_requests(connection: Connection, limit: int) -> list[PrivacyRequest]:
    """The newest requests of both kinds."""
    order = (_TABLE.c.requested_at.desc(), _TABLE.c.request_id)
    return [
        PrivacyRequest(**row) for row in connection.execute(select(*_COLUMNS).order_by(*order).limit(limit)).mappings()
    ]
