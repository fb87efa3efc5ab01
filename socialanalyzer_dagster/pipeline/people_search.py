"""Finding a person among all leads by any spelling, and what else the gates must know them by (spec 19.2, 19.4)."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.links import group_link
from socialanalyzer_dagster.domain.spelling_sieve import SpellingSieve, sieve_of
from socialanalyzer_dagster.domain.suppression import identifier_hash, identifiers_of_url
from socialanalyzer_dagster.domain.traces import Traces, traces_of
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.storage import people
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.people import StoredPerson

Hash = tuple[str, str]
"""Kind of identifier and keyed hash."""


@dataclass(slots=True)
class FoundPerson:
    """The leads of one person; `shared` are hashes that other leads have as well, `given` those of the request.

    `possible` are leads that name the person's account, or are named by it, without the other saying so too: what a
    page says about somebody else must not decide whom a request meets (I-67).
    """

    given: frozenset[Hash]
    leads: dict[LeadUid, StoredPerson] = field(default_factory=dict)
    possible: set[LeadUid] = field(default_factory=set)
    reduced: frozenset[LeadUid] = frozenset()
    shared: set[Hash] = field(default_factory=set)
    identifiers: tuple[Identifier, ...] = ()

    @property
    def uids(self) -> list[LeadUid]:
        """Every lead, those that are reduced already among them."""
        return sorted({*self.leads, *self.reduced})

    def traces(self) -> Traces:
        """How the person is recognised in text: by what they gave and what is theirs alone."""
        return traces_of(
            self.identifiers,
            names=[each.record.display_name for each in self.leads.values() if each.record.display_name],
            marks=self.uids,
        )


class PeopleSearch:
    """Searches under one suppression key."""

    def __init__(self, database: Database, key: bytes) -> None:
        self._database = database
        self._key = key

    def hashes(self, identifiers: Iterable[Identifier]) -> set[Hash]:
        """Keyed hashes of what can be hashed; raises WeakKey."""
        pairs = ((each.kind.value, identifier_hash(each, self._key)) for each in identifiers)
        return {(kind, keyed) for kind, keyed in pairs if keyed is not None}

    def of_leads(self, uids: Sequence[LeadUid]) -> FoundPerson:
        """The person behind leads; those that are reduced are named and not read, unknown ones are left out."""
        return self.of_each([uids])[0]

    def of_each(self, people_leads: Sequence[Sequence[LeadUid]]) -> list[FoundPerson]:
        """As `of_leads` for several people, with one reading of everybody, each as when those before are reduced."""
        named: dict[LeadUid, bool] = {}
        first: dict[LeadUid, StoredPerson] = {}
        for part in parts(dict.fromkeys(uid for uids in people_leads for uid in uids)):
            with self._database.read() as connection:
                known = people.known_uids(connection, part)
                whole = people.people_of(connection, [uid for uid, is_reduced in known.items() if not is_reduced])
            named |= known
            first |= {each.uid: each for each in whole}
        started = [
            FoundPerson(
                given=frozenset(),
                leads={uid: first[uid] for uid in uids if uid in first},
                reduced=frozenset(uid for uid in uids if named.get(uid)),
            )
            for uids in people_leads
        ]
        self._spread(started, ())
        return started

    def of(self, identifier: Identifier) -> FoundPerson:
        """Every lead that is this account or was found with this address, and the accounts that are the same person.

        Who only links to the account is the same person when that account, if it is a lead, links back or has the same
        address. A website is nobody's account: a lead that links to it is meant. An address that several creators share
        finds them all.
        """
        given = self.hashes([identifier])
        found = FoundPerson(given=frozenset(given))
        if given:
            with self._database.read() as connection:
                accounts = self.hashes(_accounts_of(identifier))
                found.reduced = people.leads_by_hash(connection, [keyed for _, keyed in given | accounts])
            wanted = Wanted(given, sieve_of([identifier]))
            is_account = _names_account(identifier)
            for part in people.everybody(self._database):
                for lead in part:
                    if self._hits(wanted, lead):
                        is_meant = not is_account or self._is_or_has(wanted, lead)
                        found.leads |= {lead.uid: lead} if is_meant else {}
                        found.possible |= set() if is_meant else {lead.uid}
        self._spread([found], (identifier,))
        return found

    def _spread(self, started: Sequence[FoundPerson], given: tuple[Identifier, ...]) -> None:
        """Follow links that point back until no more leads turn up, and tell what is shared apart."""
        near = Neighbours()
        unread = {uid: lead for found in started for uid, lead in found.leads.items()}
        while unread:
            self._read_near(near, unread.values(), given)
            near.read |= set(unread)
            grown = [
                self._grown(replace(found, leads=dict(found.leads), possible=set()), near, frozenset())
                for found in started
            ]
            unread = {uid: lead for found in grown for uid, lead in found.leads.items() if uid not in near.read}
        gone: set[LeadUid] = set()
        for found in started:
            found.reduced |= gone & set(found.leads)
            found.leads = {uid: lead for uid, lead in found.leads.items() if uid not in gone}
            self._tell_apart(self._grown(found, near, gone), near, gone, given)
            gone |= set(found.leads)

    def _read_near(self, near: "Neighbours", leads: Collection[StoredPerson], given: tuple[Identifier, ...]) -> None:
        """Everybody who has something in common with these leads, in one reading."""
        known = self._wanted((*given, *(each for lead in leads for each in lead.everything)))
        claimed = self._wanted(each for lead in leads for each in lead.linked)
        own = self._wanted(each for lead in leads for each in lead.own)
        for part in people.everybody(self._database):
            for lead in part:
                hits = self._hits(known, lead)
                for each in hits:
                    near.holders[each].add(lead.uid)
                if hits and (self._is_any_of(claimed, lead.own) or self._links_to(own, lead)):
                    near.linked[lead.uid] = lead

    def _grown(self, found: FoundPerson, near: "Neighbours", gone: Collection[LeadUid]) -> FoundPerson:
        """With all leads that are the same person's, and those that may be."""
        grown = bool(found.leads)
        while grown:
            bonds, grown = self._bonds(found), False
            for uid, lead in near.linked.items():
                if uid in found.leads or uid in gone:
                    continue
                is_named, names, shares = self._tied(bonds, lead)
                if (is_named or names) and (is_named + names + shares) > 1:
                    found.leads[uid] = lead
                    grown = True
                elif is_named or names:
                    found.possible.add(uid)
        found.possible -= set(found.leads)
        return found

    def _tell_apart(
        self, found: FoundPerson, near: "Neighbours", gone: Collection[LeadUid], given: tuple[Identifier, ...]
    ) -> None:
        """What is the person's alone, and what others have as well."""
        everything = dict.fromkeys((*given, *(each for lead in found.leads.values() for each in lead.everything)))
        own = self.hashes(each for lead in found.leads.values() for each in lead.own)
        if found.leads:
            known = self.hashes(everything)
            found.shared = {each for each in known if near.holders[each].difference(found.leads, gone)}
        found.shared -= own | found.given
        found.identifiers = tuple(each for each in everything if not self.hashes([each]) <= found.shared)
        found.reduced -= frozenset(found.leads)

    def _bonds(self, found: FoundPerson) -> "Bonds":
        leads = found.leads.values()
        return Bonds(
            claimed=self._wanted(each for lead in leads for each in lead.linked),
            own=self._wanted(each for lead in leads for each in lead.own),
            addresses=self._wanted(
                each for lead in leads for each in lead.reached_by if each.kind is IdentifierKind.EMAIL
            ),
        )

    def _tied(self, bonds: "Bonds", lead: StoredPerson) -> tuple[bool, bool, bool]:
        """Whether the person names the lead's account, the lead names theirs, and both have an address in common."""
        claimed, addresses = bonds.claimed, bonds.addresses
        return (
            self._is_any_of(claimed, lead.own),
            self._links_to(bonds.own, lead),
            self._is_any_of(addresses, lead.reached_by),
        )

    def _is_any_of(self, wanted: "Wanted", identifiers: Iterable[Identifier]) -> bool:
        return bool(wanted.hashes & self.hashes(filter(wanted.sieve.lets_through, identifiers)))

    def _links_to(self, wanted: "Wanted", lead: StoredPerson) -> bool:
        return any(self.is_link_to(wanted, url) for url in lead.record.links.values())

    def _is_or_has(self, wanted: "Wanted", lead: StoredPerson) -> bool:
        """True when the lead is what is wanted, or was found with it; what it links to is left out."""
        return self._is_any_of(wanted, (*lead.own, *lead.reached_by))

    def own_accounts(self, *people: FoundPerson) -> "Wanted":
        """The accounts of people, to be looked for in links."""
        return self._wanted(each for found in people for lead in found.leads.values() for each in lead.own)

    def is_link_to(self, wanted: "Wanted", url: str) -> bool:
        """True when the address is one of the accounts looked for."""
        return wanted.sieve.lets_link_through(url) and bool(wanted.hashes & self.hashes(identifiers_of_url(url)))

    def _wanted(self, identifiers: Iterable[Identifier]) -> "Wanted":
        known = tuple(identifiers)
        return Wanted(self.hashes(known), sieve_of(known))

    def _hits(self, wanted: "Wanted", lead: StoredPerson) -> set[Hash]:
        """What is looked for among everything a lead is known by; links are taken apart only when they could be it."""
        urls = filter(wanted.sieve.lets_link_through, lead.record.links.values())
        linked = (each for url in urls for each in identifiers_of_url(url))
        plain = (*lead.own, *lead.reached_by, *linked)
        return wanted.hashes & self.hashes(filter(wanted.sieve.lets_through, plain))


def _names_account(identifier: Identifier) -> bool:
    """False for addresses, numbers and websites, which several people may have."""
    if identifier.kind is IdentifierKind.PROFILE_URL:
        return len(_accounts_of(identifier)) > 1
    return identifier.kind is IdentifierKind.HANDLE


def _accounts_of(identifier: Identifier) -> tuple[Identifier, ...]:
    """The account that a profile or group address names: reduced leads are known by that alone."""
    if identifier.kind is not IdentifierKind.PROFILE_URL:
        return ()
    group = group_link(identifier.value)
    of_group = () if group is None else (Identifier(IdentifierKind.HANDLE, f"{group.kind.value}:{group.handle}"),)
    return (*identifiers_of_url(identifier.value), *of_group)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for: hashes, and the sieve that keeps most texts from being read for nothing."""

    hashes: set[Hash]
    sieve: SpellingSieve


@dataclass(frozen=True, slots=True)
class Bonds:
    """What ties another lead to a person: accounts they name, accounts they have, addresses they were found with."""

    claimed: Wanted
    own: Wanted
    addresses: Wanted


@dataclass(slots=True)
class Neighbours:
    """Who has something in common with some people: read once for all of them.

    `holders` are the leads that have an identifier of theirs; `linked` those that name one of their accounts, or are
    named by one; `read` the leads whose identifiers were looked for.
    """

    linked: dict[LeadUid, StoredPerson] = field(default_factory=dict)
    holders: defaultdict[Hash, set[LeadUid]] = field(default_factory=lambda: defaultdict(set))
    read: set[LeadUid] = field(default_factory=set)
