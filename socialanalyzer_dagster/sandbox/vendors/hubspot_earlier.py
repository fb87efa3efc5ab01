"""Contacts that reps had in the simulated HubSpot before the project came: some creators of the world."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache

from socialanalyzer_dagster.sandbox.vendors.hubspot_contacts import Contact, numeric_id
from socialanalyzer_dagster.sandbox.vendors.hubspot_owners import OWNER_IDS
from socialanalyzer_dagster.sandbox.world.dice import Dice
from socialanalyzer_dagster.sandbox.world.models import Creator
from socialanalyzer_dagster.sandbox.world.world import (
    FACEBOOK_GROUPS,
    INSTAGRAM_CREATORS,
    PATREON_CREATORS,
    World,
)

ONE_CREATOR_IN = 67
"""About 1.5 % of the creators are in the CRM already."""

_STAGES = ("subscriber", "lead", "lead", "lead", "marketingqualifiedlead", "opportunity", "customer")


def earlier_contacts(seed: int, epoch: datetime) -> list[Contact]:
    """Return the contacts made by reps; the same ones for every sandbox of one seed and epoch."""
    return [Contact(one.id, dict(one.properties), one.created_at, one.updated_at) for one in _made(seed, epoch)]


@lru_cache(maxsize=2)
def _made(seed: int, epoch: datetime) -> tuple[Contact, ...]:
    """Make them once for a process: reading through the creators takes some tenths of a second."""
    return tuple(_contacts_of(World(seed, epoch)))


def _contacts_of(world: World) -> Iterator[Contact]:
    counts = (
        (world.instagram, INSTAGRAM_CREATORS),
        (world.patreon, PATREON_CREATORS),
        (world.facebook, FACEBOOK_GROUPS),
    )
    for creator_at, count in counts:
        first = Dice(world.seed, "crm", count).below(ONE_CREATOR_IN)
        for index in range(first, count, ONE_CREATOR_IN):
            creator = creator_at(index)
            if creator.contact.email is not None:
                yield _contact(world, creator, creator.contact.email.lower())


def _contact(world: World, creator: Creator, email: str) -> Contact:
    dice = Dice(world.seed, "crm", creator.uid)
    made_at = world.epoch - timedelta(days=dice.between(30, 700), minutes=dice.below(1440))
    values = {
        "email": email,
        "firstname": creator.contact.first_name,
        "lastname": creator.contact.last_name,
        "lifecyclestage": dice.pick(_STAGES),
        "hubspot_owner_id": dice.pick(sorted(OWNER_IDS)),
        "country": creator.place.country,
    }
    if dice.chance(0.5) and creator.links.website:
        values["website"] = creator.links.website
    if dice.chance(0.3) and creator.contact.phone:
        values["phone"] = creator.contact.phone
    changed_at = made_at + timedelta(days=dice.below(20))
    return Contact(numeric_id(f"earlier|{world.seed}|{creator.uid}"), values, made_at, changed_at)
