"""Lead records, their aliases and their places in batches (spec 6.1, 6.6)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TypeVar

from sqlalchemy import Connection, bindparam, insert, select, update

from socialanalyzer_dagster.domain.leads import LeadRecord
from socialanalyzer_dagster.domain.types import LeadUid, PlatformKey
from socialanalyzer_dagster.storage.database import insert_new, table_of
from socialanalyzer_dagster.storage.models_leads import BatchLeadRow, LeadAliasRow, LeadRow

T = TypeVar("T")
IN_LIST = 500
"""Values per IN list: both engines take it in one statement."""
_LEADS = table_of(LeadRow)
_RECORDS = select(_LEADS.c.lead_uid, _LEADS.c.record).where(_LEADS.c.lead_uid.in_(bindparam("leads", expanding=True)))
_ALIASED = (
    select(LeadAliasRow.alias, LeadRow.lead_uid, LeadRow.platform_id)
    .join(LeadRow, LeadRow.lead_uid == LeadAliasRow.lead_uid)
    .where(LeadAliasRow.platform == bindparam("platform"), LeadAliasRow.alias.in_(bindparam("names", expanding=True)))
)
_NAMED = select(_LEADS.c.platform_id, _LEADS.c.lead_uid, _LEADS.c.platform_id.label("first_id")).where(
    _LEADS.c.platform == bindparam("platform"), _LEADS.c.platform_id.in_(bindparam("names", expanding=True))
)
_PLACED = select(BatchLeadRow.lead_uid).where(
    BatchLeadRow.batch_id == bindparam("of_batch"),
    BatchLeadRow.position <= bindparam("up_to"),
    BatchLeadRow.lead_uid.in_(bindparam("leads", expanding=True)),
)
_REVIVE = update(_LEADS).where(_LEADS.c.lead_uid == bindparam("uid"), _LEADS.c.reduced_at.is_not(None))
_PLACE = insert(BatchLeadRow)
_UPDATE_RECORD = (
    update(_LEADS)
    .where(_LEADS.c.lead_uid == bindparam("uid"))
    .values(record=bindparam("facts"), handle=bindparam("name"), updated_at=bindparam("at"))
)


def parts(values: Iterable[T], size: int = IN_LIST) -> Iterator[list[T]]:
    """Lists of at most `size` values, in order."""
    iterator = iter(values)
    while part := list(islice(iterator, size)):
        yield part


@dataclass(frozen=True, slots=True)
class Account:
    """A stored account: its lead and the id it was first seen with."""

    uid: LeadUid
    platform_id: str


def known_accounts(connection: Connection, platform: PlatformKey, names: Sequence[str]) -> dict[str, Account]:
    """Stored accounts by any of their ids: the first one or an alias."""
    found: dict[str, Account] = {}
    for part in parts(dict.fromkeys(names)):
        wanted = {"platform": platform, "names": part}
        rows = (*connection.execute(_ALIASED, wanted), *connection.execute(_NAMED, wanted))
        for name, uid, platform_id in rows:
            found[name] = Account(LeadUid(uid), platform_id)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """When and on what basis contact data of new leads is collected (spec 19.1)."""

    at: datetime
    notice_due_at: datetime
    lawful_basis: str | None


def insert_leads(connection: Connection, records: Sequence[LeadRecord], collection: Collection) -> None:
    """Store accounts that are new; known ones stay as they are (I-43)."""
    rows = [
        {
            "lead_uid": record.uid,
            "platform": record.platform,
            "platform_id": record.platform_id,
            "handle": record.handle,
            "record": record.model_dump(mode="json"),
            "collected_at": collection.at,
            "updated_at": collection.at,
            "lawful_basis": collection.lawful_basis,
            "subscriber_kind": "unknown",
            "notice_due_at": collection.notice_due_at,
        }
        for record in sorted(records, key=lambda record: record.uid)
    ]
    if rows:
        connection.execute(insert_new(connection, LeadRow), rows)


def insert_aliases(connection: Connection, platform: PlatformKey, aliases: Mapping[str, LeadUid]) -> None:
    """Other ids of accounts; an alias that is taken stays with its first account."""
    rows = [{"platform": platform, "alias": alias, "lead_uid": uid} for alias, uid in aliases.items()]
    if rows:
        connection.execute(insert_new(connection, LeadAliasRow), rows)


def insert_batch_leads(connection: Connection, batch_id: str, positions: Mapping[LeadUid, int]) -> None:
    """Leads of a batch in provider order."""
    rows = [{"batch_id": batch_id, "lead_uid": uid, "position": at} for uid, at in positions.items()]
    if rows:
        connection.execute(_PLACE, rows)


def placed_leads(connection: Connection, batch_id: str, uids: Iterable[LeadUid], *, up_to: int) -> frozenset[LeadUid]:
    """Those of the leads that have a place in the batch, up to a position."""
    found: set[LeadUid] = set()
    for part in parts(uids):
        wanted = {"of_batch": batch_id, "up_to": up_to, "leads": part}
        found |= {LeadUid(uid) for uid in connection.execute(_PLACED, wanted).scalars()}
    return frozenset(found)


def update_records(connection: Connection, records: Mapping[LeadUid, LeadRecord], now: datetime) -> None:
    """Replace what is known of leads; one statement for all."""
    rows = [
        {"uid": uid, "facts": record.model_dump(mode="json"), "name": record.handle, "at": now}
        for uid, record in records.items()
    ]
    if rows:
        connection.execute(_UPDATE_RECORD, rows)


def revive(connection: Connection, records: Mapping[LeadUid, LeadRecord], collection: Collection) -> None:
    """Give reduced leads that are processed again their names back: their data is collected anew (spec 19.1)."""
    anew = {
        "collected_at": collection.at,
        "notice_due_at": collection.notice_due_at,
        "lawful_basis": collection.lawful_basis,
        "reduced_at": None,
        "erased_at": None,
        "suppressed_at": None,
    }
    rows = [{"uid": uid, "platform_id": record.platform_id, **anew} for uid, record in records.items()]
    if rows:
        connection.execute(_REVIVE, rows)


def set_subscriber_kind(connection: Connection, uid: LeadUid, kind: str) -> None:
    """Say who a lead's address belongs to (spec 19.1)."""
    connection.execute(update(_LEADS).where(_LEADS.c.lead_uid == uid).values(subscriber_kind=kind))


def set_email(connection: Connection, uid: LeadUid, *, keyed_hash: str | None, status: str) -> None:
    """The state of another address of a lead."""
    connection.execute(
        update(_LEADS).where(_LEADS.c.lead_uid == uid).values(email_hash=keyed_hash, email_status=str(status))
    )


def load_records(connection: Connection, uids: Sequence[LeadUid]) -> dict[LeadUid, LeadRecord]:
    """Records of leads."""
    found: dict[LeadUid, LeadRecord] = {}
    for part in parts(uids):
        rows = connection.execute(_RECORDS, {"leads": part})
        found |= {LeadUid(uid): LeadRecord.model_validate(record) for uid, record in rows}
    return found
