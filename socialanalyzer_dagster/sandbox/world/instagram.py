"""Instagram creators: made by rank of followers, found by handle, searched by the provider's filters."""

import itertools
import math
from collections.abc import Callable, Iterator
from functools import lru_cache

from socialanalyzer_dagster.sandbox.world import contacts, persons, places, texts, truths
from socialanalyzer_dagster.sandbox.world.dice import Dice, hash64
from socialanalyzer_dagster.sandbox.world.models import InstagramCreator
from socialanalyzer_dagster.sandbox.world.niches import BY_KEY, NICHES, Niche
from socialanalyzer_dagster.sandbox.world.queries import InstagramQuery

COUNT = persons.COUNTS["instagram"]
_STYLES = (
    "{first}.{last}",
    "{first}_{last}",
    "{last}.{first}",
    "{first}{last}",
    "{last}_{first}",
    "the.{first}.{last}",
)
_CURVE = (
    (0.0, 6_500_000), (0.005, 1_400_000), (0.02, 700_000), (0.10, 230_000), (0.30, 90_000), (0.60, 38_000), (0.85,
    15_000), (1.0, 2_000),
)  # fmt: skip
_WEIGHTED = tuple(position for position, niche in enumerate(NICHES) for _ in range(niche.weight))
_NICHE_STEP = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_COMMON_TAGS = frozenset(tag for niche in NICHES for tag in niche.hashtags)
_ID_FACTOR, _ID_MODULUS = 48_271, 2_147_483_647


def niche_of(seed_key: int, index: int) -> Niche:
    """The niche of an index, cheaply (one mixing step), so that searches skip what cannot match."""
    mixed = (seed_key + index * _NICHE_STEP) & _MASK
    mixed = ((mixed ^ (mixed >> 31)) * 0x94D049BB133111EB) & _MASK
    return NICHES[_WEIGHTED[(mixed >> 24) % len(_WEIGHTED)]]


@lru_cache(maxsize=16)
def seed_key(seed: int) -> int:
    """What ``niche_of`` takes instead of the seed itself."""
    return hash64(seed, "instagram niches")


def followers_of(index: int) -> int:
    """Followers by rank; never rising with the index."""
    share = index / (COUNT - 1)
    for (low_share, high), (high_share, low) in itertools.pairwise(_CURVE):
        if share <= high_share:
            part = (share - low_share) / (high_share - low_share)
            return int(math.exp(math.log(high) * (1 - part) + math.log(low) * part))
    return _CURVE[-1][1]


def handle_of(seed: int, index: int) -> str:
    """The handle of an index."""
    first, last = persons.name_of("instagram", seed, index)
    style = _STYLES[hash64(seed, "handle", index) % len(_STYLES)]
    return style.format(first=first.lower(), last=last.lower())


def index_of(seed: int, handle: str) -> int | None:
    """The index of a handle, or None when it belongs to nobody of the 100,000."""
    wanted = handle.strip().lower().removeprefix("@")
    for index in persons.indexes_of("instagram", seed, wanted.removeprefix("the.")):
        if handle_of(seed, index) == wanted:
            return index
    return None


def make(seed: int, index: int) -> InstagramCreator:
    """The creator of a rank; every fact follows from (seed, index)."""
    dice = Dice(seed, "instagram", index)
    niche = niche_of(seed_key(seed), index)
    place, language = places.make(dice)
    first, last = persons.name_of("instagram", seed, index)
    owner = contacts.Owner("instagram", index, handle_of(seed, index), first, last, f"{first}-{last}".lower())
    contact, links = contacts.make(dice, seed, owner, website_share=0.55)
    activity = _activity(dice)
    truth = truths.make(dice, niche, language=language, activity=activity, has_email=contact.email is not None)
    shown = contact.email if "bio" in contacts.exposures(seed, "instagram", index) else None
    followers = followers_of(index)
    rate = _engagement_rate(dice, truth.dimensions[4], followers)
    return InstagramCreator(
        platform="instagram", index=index, handle=owner.handle, display_name=_display_name(dice, first, last,
        truth.is_brand),
        bio=texts.bio(dice, niche, truth, shown), place=place, language=language, niche=niche.key, links=links,
        contact=contact,
        truth=truth, id=str(_ID_FACTOR * (index + seed % 1_000_003 + 1) % _ID_MODULUS), follower_count=followers,
        following_count=dice.between(80, 2_400), post_count=dice.between(60, 3_000), engagement_rate=rate,
        average_likes=int(followers * rate * 0.95), average_views=int(followers * rate * 6),
        is_private=dice.chance(0.012),
        is_verified=dice.chance(0.03 if followers < 200_000 else 0.3),
        account_type=dice.pick(("CREATOR", "CREATOR", "BUSINESS", "PERSONAL")),
        gender=dice.pick(("FEMALE", "FEMALE", "MALE", None)), age_group=dice.pick(("18-24", "25-34", "25-34",
        "35-44", "45-64", None)),
        interests=niche.interests, hashtags=tuple(dice.some(niche.hashtags, 3)),
        audience_interests=(*niche.interests, dice.pick(NICHES).interests[0]),
        audience_usa_share=round(dice.spread(25, 85) if place.country_code == "US" else dice.spread(3, 40), 1),
        audience_credibility=dice.pick(("HIGH", "NORMAL", "EXCELLENT", "HIGH", "NORMAL", "NORMAL", "EXCELLENT",
        "HIGH", "LOW", "BAD")),
    )  # fmt: skip


def _activity(dice: Dice) -> truths.Activity:
    draw = dice.unit()
    if draw < 0.03:
        return "inactive"
    if draw < 0.06:
        return "gap"
    if draw < 0.068:
        return "empty"
    return "pinned_only" if draw < 0.073 else "active"


def _engagement_rate(dice: Dice, engagement: float, followers: int) -> float:
    size_effect: float = (50_000 / followers) ** 0.2
    return round(max(0.001, min(0.15, (0.008 + 0.035 * engagement) * size_effect * dice.spread(0.6, 1.4))), 5)


def _display_name(dice: Dice, first: str, last: str, is_brand: bool) -> str | None:
    draw = dice.unit()
    if is_brand:
        return f"{last} Outfitters"
    if draw < 0.02:
        return None
    if draw < 0.10:
        return f"{first} {last} 🌿"
    if draw < 0.16:
        return first.upper()
    return f"{first} {last}"


def candidates(seed: int, query: InstagramQuery, find: Callable[[str], InstagramCreator | None]) -> Iterator[int]:
    """Indexes in the asked order whose followers and niche can match; a superset of the matches."""
    allowed = _allowed_niches(query, find)
    if not allowed:
        return
    start = 0 if query.follower_max is None else _first_at_most(query.follower_max)
    end = COUNT if query.follower_min is None else _first_at_most(query.follower_min - 1)
    key = seed_key(seed)
    everything = len(allowed) == len(NICHES)
    for index in range(end - 1, start - 1, -1) if query.is_ascending else range(start, end):
        if (everything or niche_of(key, index).key in allowed) and _place_fits(seed, index, query):
            yield index


def _place_fits(seed: int, index: int, query: InstagramQuery) -> bool:
    """Language and country alone, from the first draws of ``make``: cheaper than a whole creator."""
    if query.language is None and query.country_code is None:
        return True
    place, language = places.make(Dice(seed, "instagram", index))
    return query.language in (None, language) and query.country_code in (None, place.country_code)


def _first_at_most(followers: int) -> int:
    low, high = 0, COUNT
    while low < high:
        middle = (low + high) // 2
        if followers_of(middle) <= followers:
            high = middle
        else:
            low = middle + 1
    return low


def _allowed_niches(query: InstagramQuery, find: Callable[[str], InstagramCreator | None]) -> set[str]:
    allowed = set(BY_KEY)
    if query.interests:
        allowed = {key for key in allowed if set(query.interests) & set(BY_KEY[key].interests)}
    if query.hashtags:
        allowed = {key for key in allowed if any(_may_tag(key, tag) for tag in query.hashtags)}
    if query.lookalike is not None:
        model = find(query.lookalike)
        allowed &= {model.niche} if model is not None else set()
    required = [clause.phrase for clause in query.clauses if clause.action == "AND"]
    optional = [clause.phrase for clause in query.clauses if clause.action == "OR"]
    for phrases in [[phrase] for phrase in required] + ([optional] if optional else []):
        allowed &= {key for key in allowed if any(_may_say(key, phrase.lower()) for phrase in phrases)}
    return allowed


@lru_cache(maxsize=4096)
def _may_say(niche_key: str, phrase: str) -> bool:
    """Whether a bio of this niche can contain the phrase: all its words occur in the texts bios are made of."""
    sayable = texts.niche_text(BY_KEY[niche_key])
    return phrase in sayable or phrase in texts.GENERIC_TEXT


@lru_cache(maxsize=4096)
def _may_tag(niche_key: str, tag: str) -> bool:
    """Whether creators of this niche can use a hashtag: one of the niche's, or one made with a word of the niche."""
    hashtags = BY_KEY[niche_key].hashtags
    return tag in hashtags or (tag not in _COMMON_TAGS and any(stem in tag for stem in hashtags))


def _uses_hashtag(creator: InstagramCreator, tag: str) -> bool:
    """True for the creator's own hashtags; of others made with a word of the niche one creator in three uses each."""
    if tag in creator.hashtags:
        return True
    return tag not in _COMMON_TAGS and _may_tag(creator.niche, tag) and hash64(creator.handle, tag) % 3 == 0


def matches(creator: InstagramCreator, query: InstagramQuery) -> bool:
    """Whether a creator fits every filter of the query."""
    return (
        _fits_numbers(creator, query)
        and _fits_words(creator, query)
        and (not query.requires_email or creator.contact.listed_email is not None)
        and query.language in (None, creator.language)
        and query.country_code in (None, creator.place.country_code)
        and (not query.credibility or creator.audience_credibility in query.credibility)
        and (not query.account_types or creator.account_type in query.account_types)
    )


def _fits_numbers(creator: InstagramCreator, query: InstagramQuery) -> bool:
    if query.follower_min is not None and creator.follower_count < query.follower_min:
        return False
    if query.follower_max is not None and creator.follower_count > query.follower_max:
        return False
    return query.audience_usa_above is None or creator.audience_usa_share > query.audience_usa_above


def _fits_words(creator: InstagramCreator, query: InstagramQuery) -> bool:
    if query.hashtags and not any(_uses_hashtag(creator, tag) for tag in query.hashtags):
        return False
    if query.audience_interests and not set(query.audience_interests) & set(creator.audience_interests):
        return False
    bio = (creator.bio or "").lower()
    said = {clause: clause.phrase.lower() in bio for clause in query.clauses}
    optional = [found for clause, found in said.items() if clause.action == "OR"]
    return (
        all(found for clause, found in said.items() if clause.action == "AND")
        and not any(found for clause, found in said.items() if clause.action == "NOT")
        and (not optional or any(optional))
    )
