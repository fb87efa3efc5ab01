"""What becomes of mail to any address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socialanalyzer_dagster.sandbox.world import contacts, people, persons, sides
from socialanalyzer_dagster.sandbox.world.dice import Dice
from socialanalyzer_dagster.sandbox.world.models import Creator, MailboxStatus

if TYPE_CHECKING:
    from socialanalyzer_dagster.sandbox.world.world import World

_SHARES: tuple[tuple[MailboxStatus, float], ...] = (
    ("ok", 0.80),
    ("catch_all", 0.08),
    ("unknown", 0.05),
    ("invalid", 0.06),
)
_STAFF_OK_SHARE = 0.85
_SUFFIXES = (".hello", ".creates")


def status(world: World, email: str) -> MailboxStatus:
    """The mailbox's status; of an address the world does not know, one by hash of the address."""
    address = email.strip().lower()
    local, at, domain = address.rpartition("@")
    if not at or not local or "." not in domain:
        return "invalid"
    owner = sides.owner_of_domain(world, domain)
    if owner is not None:
        return _at_own_domain(world, owner, address)
    if domain in contacts.PERSONAL_PROVIDERS:
        owner = _personal_owner(world, local, address)
        if owner is not None and owner.truth.mailbox is not None:
            return owner.truth.mailbox
    return _by_hash(address)


def _at_own_domain(world: World, owner: Creator, address: str) -> MailboxStatus:
    if address == owner.contact.email and owner.truth.mailbox is not None:
        return owner.truth.mailbox
    if owner.truth.mailbox == "catch_all":
        return "catch_all"
    known = {owner.contact.owner_email, *(person.email for person in people.leads(world, owner.domain or ""))}
    if address in known:
        return "ok" if Dice("mailbox", address).chance(_STAFF_OK_SHARE) else "invalid"
    return "invalid"


def _personal_owner(world: World, local: str, address: str) -> Creator | None:
    name = local
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    for platform in persons.COUNTS:
        for index in persons.indexes_of(platform, world.seed, name):
            creator = sides.by_place(world, platform, index)
            if creator is not None and creator.contact.email == address:
                return creator
    return None


def _by_hash(address: str) -> MailboxStatus:
    draw = Dice("mailbox", address).unit()
    for found, share in _SHARES:
        if draw < share:
            return found
        draw -= share
    return "disposable"
