"""Web search over the world: groups by site:, people and contact pages by quoted names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from socialanalyzer_dagster.sandbox.world import contacts, sides
from socialanalyzer_dagster.sandbox.world.dice import Dice
from socialanalyzer_dagster.sandbox.world.models import Creator, FacebookGroup, GoogleResult

if TYPE_CHECKING:
    from socialanalyzer_dagster.sandbox.world.world import World

MAX_RESULTS = 100
_QUOTED = re.compile(r'"([^"]+)"')
_OPERATOR = re.compile(r"\b(?:site|inurl|intitle):\S+")
_VISIBILITY = {"public group": "public", "private group": "private"}
_Found = tuple[str, str, str]


def search(world: World, query: str) -> list[GoogleResult]:
    """Results in rank order: (title, url, snippet) as a search page shows them."""
    found = _groups(world, query) if "facebook.com/groups" in query else _people(world, query)
    return [GoogleResult(position, *result) for position, result in enumerate(islice(found, MAX_RESULTS), start=1)]


def _groups(world: World, query: str) -> Iterator[_Found]:
    visibility = None
    for phrase, kind in _VISIBILITY.items():
        if f'"{phrase}"' in query.lower():
            visibility = kind
    words = re.sub(r'"(?:public|private) group"', " ", _OPERATOR.sub(" ", query), flags=re.IGNORECASE).replace('"', " ")
    dice = Dice(world.seed, "google", query)
    for group in islice(world.search_facebook(words, visibility), dice.below(5), None, dice.pick((1, 2, 3))):
        url = group.url + ("/" if group.index % 3 else "")
        if group.index % 11 == 0:
            yield (
                f"{group.display_name} | {group.place.city} meetups | Facebook",
                f"{url.rstrip('/')}/posts/{group.index + 1000}",
                group.bio or "",
            )
        yield f"{group.display_name}{' | Facebook' if group.index % 4 else ' - Facebook'}", url, _group_snippet(group)


def _group_snippet(group: FacebookGroup) -> str:
    said = []
    if group.index % 10:
        said.append(f"{_short_number(group.member_count)} members")
    if group.index % 2:
        said.append(f"{group.visibility.capitalize()} group")
    if group.posts_per_month is not None:
        pace = group.posts_per_month
        said.append(f"{pace} posts per month" if pace % 3 else f"{max(1, round(pace / 4.3))} posts per week")
    return ". ".join((*said, group.bio or ""))


def _short_number(count: int) -> str:
    if count >= 1_000_000:
        return f"{count / 1_000_000:.1f}M"
    return f"{count / 1000:.1f}K" if count >= 10_000 else f"{count:,}"


def _people(world: World, query: str) -> Iterator[_Found]:
    phrases = _QUOTED.findall(query)
    owners = [owner for phrase in phrases for owner in sides.owners_by_name(world, phrase)]
    is_linkedin = "linkedin" in query.lower()
    for owner in owners[:3]:
        yield from _linkedin_results(owner) if is_linkedin else _contact_results(world, owner)
    dice = Dice(world.seed, "noise", query)
    topic = " ".join(phrases) or query
    for number in range(dice.below(4)):
        yield (
            f"{topic} - results and reviews",
            f"https://www.creator-directory.net/list/{dice.below(10_000)}?p={number}",
            f"Listings that mention {topic}.",
        )


def _linkedin_results(owner: Creator) -> Iterator[_Found]:
    contact, name = owner.contact, owner.display_name or owner.handle
    if contact.linkedin_url is not None:
        yield (
            f"{contact.first_name} {contact.last_name} - {contact.title} - {name} | LinkedIn",
            contact.linkedin_url,
            f"{owner.place.city}, {owner.place.country} · {contact.title} · {name}",
        )


def _contact_results(world: World, owner: Creator) -> Iterator[_Found]:
    contact, links, name = owner.contact, owner.links, owner.display_name or owner.handle
    shows_email = "google" in contacts.exposures(world.seed, owner.platform, owner.index) and contact.email is not None
    said = f"Contact: {contact.email}. " if shows_email else ""
    if owner.domain is not None:
        yield (
            f"{name} - Contact",
            f"https://www.{owner.domain}/contact",
            f"{said}{contact.title} {contact.first_name} {contact.last_name}.",
        )
    elif shows_email:
        yield (
            f"{name} | Community pages",
            f"https://www.creator-directory.net/c/{owner.handle}",
            f"{said}Organizer {contact.first_name} {contact.last_name}.",
        )
    for label, url in (("Instagram", links.instagram), ("YouTube", links.youtube), ("X", links.twitter)):
        if url is not None:
            yield f"{name} • {label}", url, f"{name} on {label}."
