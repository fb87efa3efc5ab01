"""Whom people and leads databases know, and the hidden truth as a document."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from socialanalyzer_dagster.sandbox.world import contacts, persons, sides
from socialanalyzer_dagster.sandbox.world.dice import Dice, token
from socialanalyzer_dagster.sandbox.world.models import DIMENSIONS, Creator, Person
from socialanalyzer_dagster.sandbox.world.names import ADJECTIVES, FIRST_NAMES, ORGANISER_NOUNS, letters

if TYPE_CHECKING:
    from socialanalyzer_dagster.sandbox.world.world import World

_STAFF_TITLES = ("Assistant", "Community manager", "Editor", "Operations")


@dataclass(frozen=True, slots=True)
class Identifiers:
    """What a lookup is made with; None = not given."""

    domain: str | None = None
    name: str | None = None
    linkedin_url: str | None = None
    email: str | None = None


def match(world: World, wanted: Identifiers) -> Person | None:
    """The one person the people database finds, or None."""
    owner = _owner(world, wanted)
    if owner is None or not owner.truth.apollo_knows:
        return None
    if wanted.name is not None and not _is_named(owner, wanted.name):
        return None
    return _owner_person(world, owner)


def _owner(world: World, wanted: Identifiers) -> Creator | None:
    domain = wanted.domain
    if domain is None and wanted.email is not None:
        domain = wanted.email.rpartition("@")[2]
    owner = None if domain is None else sides.owner_of_domain(world, domain)
    if owner is None and wanted.linkedin_url is not None:
        slug = wanted.linkedin_url.rstrip("/").rpartition("/")[2]
        found = [
            sides.by_place(world, platform, index)
            for platform in persons.COUNTS
            for index in persons.indexes_of(platform, world.seed, slug)
        ]
        owner = next(
            (creator for creator in found if creator is not None and creator.contact.linkedin_url is not None), None
        )
    return owner


def _is_named(owner: Creator, name: str) -> bool:
    """True when the name shares a word with the person's or the page's name."""
    known = {
        letters(word)
        for word in f"{owner.contact.first_name} {owner.contact.last_name} {owner.display_name or ''}".split()
    }
    return bool({letters(word) for word in name.split()} & known - {""}) or letters(owner.handle) == letters(name)


def _owner_person(world: World, owner: Creator) -> Person:
    contact = owner.contact
    domain = owner.domain or ""
    is_personal = contact.email is not None and contact.email.rpartition("@")[2] in contacts.PERSONAL_PROVIDERS
    return Person(
        id=token(24, world.seed, "person", owner.uid), first_name=contact.first_name, last_name=contact.last_name,
        title=contact.title, email=contact.owner_email, personal_email=contact.email if is_personal else None,
        phone=contact.phone,
        linkedin_url=contact.linkedin_url, city=owner.place.city, state=owner.place.state, country=owner.place.country,
        organization=owner.display_name or owner.handle, domain=domain,
    )  # fmt: skip


def leads(world: World, domain: str) -> list[Person]:
    """The owner and up to two invented colleagues, when the leads database knows the domain."""
    owner = sides.owner_of_domain(world, domain)
    if owner is None or not owner.truth.leads_finder_knows:
        return []
    dice = Dice(world.seed, "leads", owner.uid)
    host = owner.domain or domain
    found = [_owner_person(world, owner)]
    for number in range(dice.pick((0, 0, 0, 1, 2))):
        first, last = (
            dice.pick(FIRST_NAMES).capitalize(),
            (dice.pick(ADJECTIVES) + dice.pick(ORGANISER_NOUNS)).capitalize(),
        )
        found.append(
            dataclasses.replace(
                found[0], id=token(24, world.seed, "staff", owner.uid, number), first_name=first, last_name=last,
                title=dice.pick(_STAFF_TITLES), email=f"{first.lower()}@{host}", personal_email=None, phone=None,
                linkedin_url=None,
            )
        )  # fmt: skip
    return found


def truth_document(creator: Creator) -> dict[str, object]:
    """The hidden truth as JSON-ready data."""
    truth = dataclasses.asdict(creator.truth)
    truth["dimensions"] = dict(zip(DIMENSIONS, creator.truth.dimensions, strict=True))
    return {
        "platform": creator.platform,
        "index": creator.index,
        "handle": creator.handle,
        "display_name": creator.display_name,
        "niche": creator.niche,
        "truth": truth,
        "contact": dataclasses.asdict(creator.contact),
        "links": dataclasses.asdict(creator.links),
    }
