"""Facebook groups: made by index, found by the slug or number their address ends in, searched by words."""

from collections.abc import Iterator
from functools import lru_cache

from socialanalyzer_dagster.sandbox.world import contacts, persons, texts, truths
from socialanalyzer_dagster.sandbox.world.dice import Dice, hash64
from socialanalyzer_dagster.sandbox.world.models import FacebookGroup, Place, Truth
from socialanalyzer_dagster.sandbox.world.names import GROUP_NOUNS, Numbering, WordParser, letters
from socialanalyzer_dagster.sandbox.world.niches import NICHES, Niche
from socialanalyzer_dagster.sandbox.world.patreon import niche_fit
from socialanalyzer_dagster.sandbox.world.places import US_CITIES

COUNT = persons.COUNTS["facebook"]
_CITY_WORDS = tuple(letters(city) for city, _ in US_CITIES)
_TOPIC_WORDS = tuple(niche.group_word for niche in NICHES)
_PARSER = WordParser(_CITY_WORDS, _TOPIC_WORDS, GROUP_NOUNS)
_ID_BASE, _ID_FACTOR, _ID_MODULUS = 100_000_000_000_000, 104_729_000_011, 899_999_999_999_947
_NUMERIC_SHARE = 30
_LOOSE_STEP = 997
_ANY_GROUP = frozenset({"community", "group", "groups", "club", "public", "private"})
"""Words that say nothing of a group's topic."""


@lru_cache(maxsize=16)
def _numbering(seed: int) -> Numbering:
    return Numbering(COUNT, (len(US_CITIES), len(NICHES), len(GROUP_NOUNS)), seed)


def slug_of(seed: int, index: int) -> str:
    """The group's name as one word; side accounts carry it even when the group's address is a number."""
    city, topic, noun = _numbering(seed).words_of(index)
    return _CITY_WORDS[city] + _TOPIC_WORDS[topic] + GROUP_NOUNS[noun]


def title_of(seed: int, index: int) -> str:
    """The group's name."""
    city, topic, noun = _numbering(seed).words_of(index)
    return f"{US_CITIES[city][0]} {_TOPIC_WORDS[topic].capitalize()} {GROUP_NOUNS[noun].capitalize()}"


def niche_of(seed: int, index: int) -> Niche:
    """What a group is about."""
    return NICHES[_numbering(seed).words_of(index)[1]]


def handle_of(seed: int, index: int) -> str:
    """What the group's address ends in: its slug, or for 30 % a number."""
    if hash64(seed, "numeric", index) % 100 < _NUMERIC_SHARE:
        return str(_ID_BASE + index * _ID_FACTOR % _ID_MODULUS)
    return slug_of(seed, index)


def index_of(seed: int, identity: str) -> int | None:
    """The index of a slug, a number or a group name, or None."""
    text = identity.strip().strip("/")
    if text.isdigit():
        index = (int(text) - _ID_BASE) * pow(_ID_FACTOR, -1, _ID_MODULUS) % _ID_MODULUS
        return index if index < COUNT and handle_of(seed, index) == text else None
    for reading in _PARSER.readings(letters(text)):
        found = _numbering(seed).index_of(reading)
        if found is not None:
            return found
    return None


def make(seed: int, index: int) -> FacebookGroup:
    """The group of an index; every fact follows from (seed, index)."""
    dice = Dice(seed, "facebook", index)
    niche = niche_of(seed, index)
    city, state = US_CITIES[_numbering(seed).words_of(index)[0]]
    first, last = persons.name_of("facebook", seed, index)
    title = title_of(seed, index)
    owner = contacts.Owner("facebook", index, slug_of(seed, index), first, last, "-".join(title.lower().split()))
    contact, links = contacts.make(dice, seed, owner, website_share=0.45)
    language = "en" if dice.chance(0.97) else "es"
    truth = truths.make(dice, niche, language=language, activity="active", has_email=contact.email is not None)
    return FacebookGroup(
        platform="facebook", index=index, handle=handle_of(seed, index), display_name=title,
        bio=_description(dice, niche, truth), place=Place(city, state, "United States", "US"), language=language,
        niche=niche.key,
        links=links, contact=contact, truth=truth, member_count=int(10 ** dice.spread(2.3, 5.1)),
        posts_per_month=dice.between(4, 240) if dice.chance(0.55) else None,
        visibility="private" if dice.chance(0.4) else "public",
    )  # fmt: skip


def _description(dice: Dice, niche: Niche, truth: Truth) -> str:
    if truth.language != "en" or (truth.reject_code or "").startswith("profile_"):
        return texts.caption_body(dice, niche, truth)
    said = [f"A group for {niche.group_word} who like {', '.join(dice.some(niche.subjects, 2))}."]
    if truth.leads_trips:
        said.append(f"We plan a {niche.trip} together every year.")
    said.append(
        dice.pick(("Be kind.", "New members welcome.", "No selling.", "Ask anything.", "Monthly meetups in town."))
    )
    return " ".join(said)


def candidates(seed: int, terms: str) -> Iterator[int]:
    """Indexes of groups whose topic the words name, in index order; of other words a few loosely related groups."""
    topic = " ".join(word for word in terms.lower().split() if word not in _ANY_GROUP)
    fits = [niche_fit(niche, topic) for niche in NICHES]
    best = max(fits)
    if best == 0:
        yield from range(hash64(seed, "loose", letters(terms)) % _LOOSE_STEP, COUNT, _LOOSE_STEP)
        return
    numbers = _numbering(seed)
    for index in range(COUNT):
        if fits[numbers.words_of(index)[1]] == best:
            yield index


def matches(group: FacebookGroup, terms: str, visibility: str | None) -> bool:
    """Whether a group fits; words that name a city of the world keep only that city's groups."""
    if visibility is not None and group.visibility != visibility:
        return False
    compact = letters(terms)
    named = [word for word in _CITY_WORDS if len(word) > 4 and word in compact]
    return not named or letters(group.place.city) in named
