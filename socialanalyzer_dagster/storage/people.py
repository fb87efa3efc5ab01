"""Reading everybody that is stored, a part at a time, and reduced leads by their hashes (spec 19.2, 19.4)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, String, bindparam, or_, select

from socialanalyzer_dagster.domain.leads import FoundValue, Identifier, IdentifierKind, LeadRecord
from socialanalyzer_dagster.domain.suppression import identifiers_of_record
from socialanalyzer_dagster.domain.types import LeadUid, PlatformKey
from socialanalyzer_dagster.storage.contacts import found_values
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.leads import Account, parts
from socialanalyzer_dagster.storage.models_leads import LeadAliasRow, LeadRow
from socialanalyzer_dagster.storage.models_results import ContactCandidateRow, ContactValueRow

PART = 500
_LINKS = 5000
_REACHED_BY = {"email": IdentifierKind.EMAIL, "phone": IdentifierKind.PHONE}
_OF = bindparam("leads", expanding=True, type_=String())
_NEXT = (
    select(LeadRow.lead_uid, LeadRow.record)
    .where(LeadRow.lead_uid > bindparam("last", type_=String()), LeadRow.reduced_at.is_(None))
    .order_by(LeadRow.lead_uid)
    .limit(PART)
)
_RECORDS = select(LeadRow.lead_uid, LeadRow.record).where(LeadRow.lead_uid.in_(_OF))
_ALIASES = select(LeadAliasRow.lead_uid, LeadAliasRow.alias).where(LeadAliasRow.lead_uid.in_(_OF))
_VALUES = select(ContactValueRow.lead_uid, ContactValueRow.field, ContactValueRow.value).where(
    ContactValueRow.lead_uid.in_(_OF)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPerson:
    """One lead with what it can be recognised by: its chosen contact values, and all that were found."""

    uid: LeadUid
    record: LeadRecord
    aliases: tuple[str, ...]
    values: Mapping[str, str]
    found: tuple[FoundValue, ...]

    @property
    def own(self) -> tuple[Identifier, ...]:
        """The account itself under each of its names."""
        names = dict.fromkeys((self.record.handle, self.record.platform_id, *self.aliases))
        handles = (Identifier(IdentifierKind.HANDLE, f"{self.record.platform}:{name}") for name in names)
        return (*handles, Identifier(IdentifierKind.PROFILE_URL, self.record.profile_url))

    @property
    def linked(self) -> tuple[Identifier, ...]:
        """The accounts that the record says are this creator's too, and its own."""
        return identifiers_of_record(self.record)

    @property
    def reached_by(self) -> tuple[Identifier, ...]:
        """Every address and number that was found, chosen or not."""
        found = (*self.found, *self.values.items())
        return tuple(
            dict.fromkeys(Identifier(_REACHED_BY[name], value) for name, value in found if name in _REACHED_BY)
        )

    @property
    def everything(self) -> tuple[Identifier, ...]:
        """All of it."""
        return tuple(dict.fromkeys((*self.own, *self.linked, *self.reached_by)))


def everybody(database: Database) -> Iterator[list[StoredPerson]]:
    """All leads that are not reduced, in parts; each part is one short read."""
    last = ""
    while True:
        with database.read() as connection:
            people = _people(connection, [(uid, record) for uid, record in connection.execute(_NEXT, {"last": last})])
        if not people:
            return
        yield people
        last = people[-1].uid


def known_uids(connection: Connection, leads: Sequence[LeadUid]) -> dict[LeadUid, bool]:
    """Leads that exist -> whether they are reduced."""
    rows = connection.execute(select(LeadRow.lead_uid, LeadRow.reduced_at).where(LeadRow.lead_uid.in_(leads)))
    return {LeadUid(uid): reduced_at is not None for uid, reduced_at in rows}


def people_of(connection: Connection, leads: Sequence[LeadUid]) -> list[StoredPerson]:
    """These leads in the order given; four queries."""
    if not leads:
        return []
    records = {LeadUid(uid): record for uid, record in connection.execute(_RECORDS, {"leads": leads})}
    return _people(connection, [(uid, records[uid]) for uid in leads if uid in records])


def _people(connection: Connection, records: Sequence[tuple[str, Any]]) -> list[StoredPerson]:
    """Leads and their records, with what else is known."""
    leads = [LeadUid(uid) for uid, _ in records]
    aliases: dict[str, list[str]] = {}
    for uid, alias in connection.execute(_ALIASES, {"leads": leads}):
        aliases.setdefault(uid, []).append(alias)
    values: dict[str, dict[str, str]] = {}
    for uid, name, value in connection.execute(_VALUES, {"leads": leads}):
        values.setdefault(uid, {})[name] = value
    found = found_values(connection, leads)
    return [
        StoredPerson(
            uid=LeadUid(uid),
            record=LeadRecord.model_validate(record),
            aliases=tuple(aliases.get(uid, ())),
            values=values.get(uid, {}),
            found=tuple(found.get(LeadUid(uid), ())),
        )
        for uid, record in records
    ]


@dataclass(frozen=True, slots=True)
class LinkCandidate:
    """One candidate of a lead that is a link."""

    row_id: int
    lead: LeadUid
    url: str


def link_candidates(database: Database) -> Iterator[list[LinkCandidate]]:
    """All of them in parts; each part is one short read."""
    last = 0
    row_id, lead, url = ContactCandidateRow.id, ContactCandidateRow.lead_uid, ContactCandidateRow.value
    query = select(row_id, lead, url).where(url.startswith("http")).order_by(row_id).limit(_LINKS)
    while True:
        with database.read() as connection:
            rows = connection.execute(query.where(row_id > last)).all()
        if not rows:
            return
        yield [LinkCandidate(row.id, LeadUid(row.lead_uid), row.value) for row in rows]
        last = rows[-1].id


def leads_by_hash(connection: Connection, hashes: Sequence[str]) -> frozenset[LeadUid]:
    """Leads, reduced or not, whose identity, other names or address have one of these keyed hashes."""
    other = select(LeadAliasRow.lead_uid).where(LeadAliasRow.alias.in_(hashes))
    found = connection.execute(
        select(LeadRow.lead_uid).where(
            or_(LeadRow.platform_id.in_(hashes), LeadRow.email_hash.in_(hashes), LeadRow.lead_uid.in_(other))
        )
    )
    return frozenset(LeadUid(uid) for uid in found.scalars())


def reduced_accounts(connection: Connection, platform: PlatformKey, names: Mapping[str, str]) -> dict[str, Account]:
    """Reduced accounts by the names found now; `names` maps the keyed hash of each name to the name."""
    found: dict[str, Account] = {}
    for part in parts(names):
        reduced = LeadRow.reduced_at.is_not(None)
        others = connection.execute(
            select(LeadAliasRow.alias, LeadRow.lead_uid)
            .join(LeadRow, LeadRow.lead_uid == LeadAliasRow.lead_uid)
            .where(LeadAliasRow.platform == platform, LeadAliasRow.alias.in_(part), reduced)
        )
        firsts = connection.execute(
            select(LeadRow.platform_id, LeadRow.lead_uid).where(
                LeadRow.platform == platform, LeadRow.platform_id.in_(part), reduced
            )
        )
        for keyed, uid in (*others, *firsts):
            found[names[keyed]] = Account(LeadUid(uid), names[keyed])
    return found
