"""Finding a person among all leads by any spelling, and what else the gates must know them by (spec 19.2, 19.4)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.links import group_link
from socialanalyzer_dagster.domain.spelling_sieve import SpellingSieve, sieve_of
from socialanalyzer_dagster.domain.suppression import identifier_hash, identifiers_of_url
from socialanalyzer_dagster.domain.traces import Traces, traces_of
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.storage import people
from socialanalyzer_dagster.storage.database import Database
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
        with self._database.read() as connection:
            named = people.known_uids(connection, uids)
            first = people.people_of(connection, [uid for uid, is_reduced in named.items() if not is_reduced])
        reduced = frozenset(uid for uid, is_reduced in named.items() if is_reduced)
        start = FoundPerson(given=frozenset(), leads={each.uid: each for each in first}, reduced=reduced)
        return self._spread(start, ())

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
        return self._spread(found, (identifier,))

    def _spread(self, found: FoundPerson, given: tuple[Identifier, ...]) -> FoundPerson:
        """Follow links that point back until no more leads turn up, and tell what is shared apart."""
        grown = bool(found.leads)
        while grown:
            bonds = self._bonds(found)
            known = self._wanted((*given, *(each for lead in found.leads.values() for each in lead.everything)))
            found.shared, grown = set(), False
            for part in people.everybody(self._database):
                for lead in part:
                    if lead.uid in found.leads:
                        continue
                    is_named, names, shares = self._tied(bonds, lead)
                    if (is_named or names) and (is_named + names + shares) > 1:
                        found.leads[lead.uid] = lead
                        grown = True
                        continue
                    found.possible |= {lead.uid} if is_named or names else set()
                    found.shared |= self._hits(known, lead)
        found.possible -= set(found.leads)
        own = self.hashes(each for lead in found.leads.values() for each in lead.own)
        found.shared -= own | found.given
        everything = dict.fromkeys((*given, *(each for lead in found.leads.values() for each in lead.everything)))
        found.identifiers = tuple(each for each in everything if not self.hashes([each]) <= found.shared)
        found.reduced -= frozenset(found.leads)
        return found

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
            bool(claimed.hashes & self.hashes(filter(claimed.sieve.lets_through, lead.own))),
            any(self.is_link_to(bonds.own, url) for url in lead.record.links.values()),
            bool(addresses.hashes & self.hashes(filter(addresses.sieve.lets_through, lead.reached_by))),
        )

    def _is_or_has(self, wanted: "Wanted", lead: StoredPerson) -> bool:
        """True when the lead is what is wanted, or was found with it; what it links to is left out."""
        plain = (*lead.own, *lead.reached_by)
        return bool(wanted.hashes & self.hashes(filter(wanted.sieve.lets_through, plain)))

    def own_accounts(self, found: FoundPerson) -> "Wanted":
        """The accounts of a person, to be looked for in links."""
        return self._wanted(each for lead in found.leads.values() for each in lead.own)

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
