"""Reverse look-ups: which creator stands behind a domain, an X handle, a channel or a side account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socialanalyzer_dagster.sandbox.world import contacts, persons, texts
from socialanalyzer_dagster.sandbox.world.dice import Dice
from socialanalyzer_dagster.sandbox.world.models import Creator, Platform, SideAccount
from socialanalyzer_dagster.sandbox.world.niches import BY_KEY

if TYPE_CHECKING:
    from socialanalyzer_dagster.sandbox.world.world import World

_EXPOSURE_OF = {"instagram": "side_instagram", "twitter": "side_twitter", "youtube": "youtube"}


def by_slug(world: World, slug: str) -> Creator | None:
    """The creator whose accounts elsewhere carry this name: an Instagram handle, a vanity or a group's slug."""
    return world.instagram_by_handle(slug) or world.patreon_by_vanity(slug) or world.facebook_by_slug(slug)


def by_place(world: World, platform: Platform, index: int) -> Creator | None:
    """The creator of a platform and index, or None outside the world."""
    if not 0 <= index < persons.COUNTS[platform]:
        return None
    if platform == "instagram":
        return world.instagram(index)
    return world.patreon(index) if platform == "patreon" else world.facebook(index)


def instagram(world: World, handle: str) -> SideAccount | None:
    """The Instagram account that a Patreon page or a group links to."""
    name = handle.strip().lower().removeprefix("@")
    owner = world.patreon_by_vanity(name) or world.facebook_by_slug(name)
    if owner is None or owner.links.instagram != f"https://www.instagram.com/{name}":
        return None
    return _account(world, owner, "instagram", name)


def youtube(world: World, handle: str) -> SideAccount | None:
    """The channel a creator links to."""
    name = handle.strip().lower().removeprefix("@")
    owner = by_slug(world, name)
    if owner is None or owner.links.youtube != f"https://www.youtube.com/@{name}":
        return None
    return _account(world, owner, "youtube", name)


def twitter(world: World, handle: str) -> SideAccount | None:
    """The X account a creator links to."""
    name = handle.strip().lower().removeprefix("@")
    place = contacts.index_of_twitter_handle(name)
    owner = None if place is None else by_place(world, *place)
    if owner is None or owner.links.twitter != f"https://twitter.com/{name}":
        return None
    return _account(world, owner, "twitter", name)


def _account(world: World, owner: Creator, network: str, handle: str) -> SideAccount:
    dice = Dice(world.seed, "side", network, owner.platform, owner.index)
    is_shown = _EXPOSURE_OF[network] in contacts.exposures(world.seed, owner.platform, owner.index)
    bio = texts.bio(dice, BY_KEY[owner.niche], owner.truth, owner.contact.email if is_shown else None)
    return SideAccount(
        network=network,  # type: ignore[arg-type]
        handle=handle, owner=owner, display_name=owner.display_name or handle, bio=bio or "",
        follower_count=int(10 ** dice.spread(1.5, 4.8)), following_count=dice.between(20, 1500),
        post_count=dice.between(5, 1200),
        external_url=owner.links.aggregator or owner.links.website, is_private=dice.chance(0.03),
    )  # fmt: skip


def owner_of_domain(world: World, domain: str) -> Creator | None:
    """The creator whose website has this registered domain."""
    wanted = domain.strip().lower().removeprefix("www.")
    stem = wanted.partition(".")[0]
    found: list[Creator | None] = [
        world.instagram(index) for index in persons.indexes_of("instagram", world.seed, stem)
    ]
    found += [world.patreon_by_vanity(stem), world.facebook_by_slug(stem)]
    return next((creator for creator in found if creator is not None and creator.domain == wanted), None)


def owners_by_name(world: World, name: str) -> list[Creator]:
    """Creators a full name, page name or group name belongs to."""
    found: list[Creator | None] = [world.patreon_by_vanity(name), world.facebook_by_slug(name)]
    for platform in persons.COUNTS:
        found += [by_place(world, platform, index) for index in persons.indexes_of(platform, world.seed, name)]
    return [creator for creator in found if creator is not None]
