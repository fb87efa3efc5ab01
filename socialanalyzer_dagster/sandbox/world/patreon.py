"""Patreon pages: made by index, found by vanity or campaign number, searched by keyword."""

import re
from collections.abc import Iterator
from functools import lru_cache

from socialanalyzer_dagster.sandbox.world import contacts, persons, places, texts, truths
from socialanalyzer_dagster.sandbox.world.dice import Dice, hash64
from socialanalyzer_dagster.sandbox.world.models import Links, PatreonCreator, Tier
from socialanalyzer_dagster.sandbox.world.names import (
    ADJECTIVES,
    PATREON_CRAFTS,
    PATREON_NOUNS,
    Numbering,
    WordParser,
    letters,
)
from socialanalyzer_dagster.sandbox.world.niches import NICHES, Niche

COUNT = persons.COUNTS["patreon"]
_PARSER = WordParser(ADJECTIVES, PATREON_NOUNS, PATREON_CRAFTS)
_CAMPAIGN_BASE, _CAMPAIGN_FACTOR, _CAMPAIGN_MODULUS = 1_000_000, 7_919, 899_981
_WORD = re.compile(r"[a-z0-9]+")
_LOOSE_STEP = 701
_TIER_TITLES = ("Friend", "Supporter", "Insider", "Patron of the arts", "Inner circle")


@lru_cache(maxsize=16)
def _numbering(seed: int) -> Numbering:
    return Numbering(COUNT, (len(ADJECTIVES), len(PATREON_NOUNS), len(PATREON_CRAFTS)), seed)


def niche_of(seed: int, index: int) -> Niche:
    """The niche of an index; every niche has the same share."""
    return NICHES[(index * 7 + seed) % len(NICHES)]


def vanity_of(seed: int, index: int) -> str:
    """The last part of the page's address."""
    adjective, noun, craft = _numbering(seed).words_of(index)
    return ADJECTIVES[adjective] + PATREON_NOUNS[noun] + PATREON_CRAFTS[craft]


def title_of(seed: int, index: int) -> str:
    """The page's name."""
    adjective, noun, craft = _numbering(seed).words_of(index)
    return f"{ADJECTIVES[adjective]} {PATREON_NOUNS[noun]} {PATREON_CRAFTS[craft]}".title()


def campaign_of(index: int) -> str:
    """The page's number."""
    return str(_CAMPAIGN_BASE + index * _CAMPAIGN_FACTOR % _CAMPAIGN_MODULUS)


def index_of(seed: int, identity: str) -> int | None:
    """The index of a vanity, a page name or a campaign number, or None."""
    text = identity.strip()
    if text.isdigit():
        index = (int(text) - _CAMPAIGN_BASE) * pow(_CAMPAIGN_FACTOR, -1, _CAMPAIGN_MODULUS) % _CAMPAIGN_MODULUS
        return index if index < COUNT and campaign_of(index) == text else None
    for reading in _PARSER.readings(letters(text)):
        index_found = _numbering(seed).index_of(reading)
        if index_found is not None:
            return index_found
    return None


def make(seed: int, index: int) -> PatreonCreator:
    """The page of an index; every fact follows from (seed, index)."""
    dice = Dice(seed, "patreon", index)
    niche = niche_of(seed, index)
    place, language = places.make(dice)
    first, last = persons.name_of("patreon", seed, index)
    vanity = vanity_of(seed, index)
    stem = vanity if index % 2 else "-".join(title_of(seed, index).lower().split())
    owner = contacts.Owner("patreon", index, vanity, first, last, stem)
    contact, links = contacts.make(dice, seed, owner, website_share=0.6)
    truth = truths.make(dice, niche, language=language, activity="active", has_email=contact.email is not None)
    shown = contact.email if "bio" in contacts.exposures(seed, "patreon", index) else None
    about = texts.about(dice, niche, truth, shown)
    patrons = int(10 ** dice.spread(1.0, 4.2))
    return PatreonCreator(
        platform="patreon", index=index, handle=vanity, display_name=title_of(seed, index), bio=about, place=place,
        language=language,
        niche=niche.key, links=_shown_links(dice, links), contact=contact, truth=truth, campaign_id=campaign_of(index),
        creation_name=f"{niche.label} {PATREON_CRAFTS[hash64(seed, 'creation', index) % len(PATREON_CRAFTS)]}",
        about=about,
        patron_count=None if dice.chance(0.06) else patrons,
        paid_count=None if dice.chance(0.3) else int(patrons * dice.spread(0.2, 0.9)),
        post_count=None if dice.chance(0.05) else dice.between(3, 900),
        is_nsfw=truth.reject_code == "profile_explicit_offensive" or dice.chance(0.02),
        tiers=tuple(Tier(title, 300 * (place_in_list + 1) ** 2) for place_in_list,
        title in enumerate(_TIER_TITLES[: dice.between(0, 5)])),
    )  # fmt: skip


def _shown_links(dice: Dice, links: Links) -> Links:
    """Some pages link to nothing at all."""
    return links if dice.chance(0.92) else Links(linkedin=links.linkedin)


def candidates(seed: int, keyword: str) -> Iterator[int]:
    """Indexes whose niche a keyword speaks of, those of the best fitting niche first.

    Of a keyword that fits no niche: pages whose name has one of its words, else a few loosely related ones.
    """
    ranked = sorted(((-niche_fit(niche, keyword), place) for place, niche in enumerate(NICHES)))
    if ranked[0][0] == 0:
        yield from _loose_candidates(seed, keyword)
        return
    for fit, place in ranked:
        if fit == 0:
            return
        offset = (place - seed) * pow(7, -1, len(NICHES)) % len(NICHES)
        yield from range(offset, COUNT, len(NICHES))


def _loose_candidates(seed: int, keyword: str) -> Iterator[int]:
    words = {word.rstrip("s") for word in _WORD.findall(keyword.lower())}
    crafts = {place for place, craft in enumerate(PATREON_CRAFTS) if craft.rstrip("s") in words}
    numbers = _numbering(seed)
    if crafts:
        yield from (index for index in range(COUNT) if numbers.words_of(index)[2] in crafts)
    else:
        start = hash64(seed, "loose", *sorted(words)) % _LOOSE_STEP
        yield from range(start, COUNT, _LOOSE_STEP)


def matches(creator: PatreonCreator, keyword: str, location: str | None) -> bool:
    """Whether a page fits; a location keeps pages whose country, state or city it names, and 1 in 12 of the others."""
    if location is None or not location.strip():
        return True
    wanted = location.lower()
    place = creator.place
    named = {place.country.lower(), (place.state or "").lower(), place.city.lower()}
    return wanted in named or hash64(creator.handle, keyword, location) % 12 == 0


@lru_cache(maxsize=64)
def niche_words(niche: Niche) -> frozenset[str]:
    """Every word the niche's texts contain, without a plural s."""
    told = f"{texts.niche_text(niche)} {niche.key.replace('_', ' ')} {niche.group_word}"
    return frozenset(word.rstrip("s") for word in _WORD.findall(told))


def niche_fit(niche: Niche, keyword: str) -> int:
    """How many words of a keyword the niche's texts contain (plural s ignored); 0 = does not fit."""
    return sum(word.rstrip("s") in niche_words(niche) for word in _WORD.findall(keyword.lower()) if len(word) > 2)
