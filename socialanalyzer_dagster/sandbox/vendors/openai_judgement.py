"""What a model would think of a prompt's creator: the world's hidden truth, or a keyword function outside it."""

import re
from dataclasses import dataclass

from socialanalyzer_dagster.sandbox.world.dice import Dice
from socialanalyzer_dagster.sandbox.world.models import Creator
from socialanalyzer_dagster.sandbox.world.niches import BY_KEY, NICHES, Niche
from socialanalyzer_dagster.sandbox.world.patreon import niche_words
from socialanalyzer_dagster.sandbox.world.world import World

_FIELD = re.compile(r"^[\s\"'>*-]*(platform|handle)\"?\s*[:=]\s*\"?@?([^\s\",]+)", re.IGNORECASE | re.MULTILINE)
_SHOWN = re.compile(
    r"^\W*(?:items|thumbnails|captions|posts|pictures|images)(?:[_ ](?:shown|count|analyzed))?\"?\s*[:=]\s*(\d+)",
    re.IGNORECASE | re.MULTILINE,
)
_NUMBERED = re.compile(r"^\s*(?:#|\[|caption |item |post )?(\d{1,2})[\]).:]", re.IGNORECASE | re.MULTILINE)
_WORD = re.compile(r"[a-z]+")
_MOST_SHOWN = 12
_HOST_WORDS = frozenset(
    {"retreat", "retreats", "workshop", "workshops", "trip", "trips", "travel", "tour", "tours", "community", "host",
    "hosting",
     "members", "membership", "newsletter", "discord", "class", "classes", "course", "courses", "teach", "teacher",
     "coach",
     "meetup", "join", "together", "podcast", "stories", "personal", "honest", "friends", "patrons", "support"}
)  # fmt: skip
_ADULT_WORDS = frozenset({"nsfw", "hentai", "lewd", "adult", "porn", "erotic", "18"})
_BRAND_WORDS = frozenset({"official", "company", "shop", "store", "brand", "studios", "inc", "team"})
_BASE_QUALITY, _QUALITY_PER_WORD, _BEST_BY_WORDS = 0.34, 0.045, 0.82


@dataclass(frozen=True)
class Judgement:
    """What answers are made from; ``uid`` seeds the noise, ``dimensions`` are in the order of ``DIMENSIONS``."""

    uid: str
    name: str | None
    first_name: str | None
    niche: Niche
    dimensions: tuple[float, float, float, float, float]
    category: str
    reject_code: str | None
    is_minor: bool
    is_brand: bool
    leads_trips: bool
    shown: int
    text: str


def judge(world: World, prompt: str) -> Judgement:
    """The judgement on the creator named by the prompt's ``platform:`` and ``handle:`` lines.

    Of a creator outside the world: quality 0.34 + 0.045 per distinct host word in the text (up to 0.82), the niche
    whose words the text has most of, adult words and brand words as reasons to refuse.
    """
    named: dict[str, str] = {}
    for field, value in _FIELD.findall(prompt):
        named.setdefault(field.lower(), value)
    platform, handle = named.get("platform", "").lower(), named.get("handle", "")
    creator = world.creator(platform, handle) if handle else None
    if creator is not None:
        return _from_truth(creator, prompt, _shown(prompt, _items_of(world, creator)))
    return _from_words(f"{platform}:{handle}" if handle else "text", prompt)


def _items_of(world: World, creator: Creator) -> int:
    """How many items a look at the creator's latest ones can show."""
    posts = world.instagram_posts(creator.handle) if creator.platform == "instagram" else None
    return _MOST_SHOWN if posts is None else sum(post.kind != "STORY" for post in posts)


def _from_truth(creator: Creator, prompt: str, shown: int) -> Judgement:
    truth = creator.truth
    return Judgement(
        uid=creator.uid, name=creator.display_name,
        first_name=creator.contact.first_name if creator.display_name else None,
        niche=BY_KEY[creator.niche], dimensions=truth.dimensions, category=truth.category,
        reject_code=truth.reject_code,
        is_minor=truth.is_minor, is_brand=truth.is_brand, leads_trips=truth.leads_trips, shown=shown,
        text=prompt,
    )  # fmt: skip


def _from_words(uid: str, prompt: str) -> Judgement:
    lowered = prompt.lower()
    words = set(_WORD.findall(lowered))
    quality = min(_BEST_BY_WORDS, _BASE_QUALITY + _QUALITY_PER_WORD * len(words & _HOST_WORDS))
    dice = Dice("outside", uid)
    dimensions = [round(min(1.0, max(0.0, quality + dice.normal(0, 0.06))), 3) for _ in range(5)]
    niche = max(NICHES, key=lambda candidate: len(niche_words(candidate) & words))
    is_brand = len(words & _BRAND_WORDS) > 1
    is_adult = bool(words & _ADULT_WORDS) or "18+" in lowered
    reject_code = (
        "profile_explicit_offensive" if is_adult else "profile_brand_no_person" if is_brand else niche.reject_code
    )
    return Judgement(
        uid=uid, name=None, first_name=None, niche=niche,
        dimensions=(dimensions[0], dimensions[1], dimensions[2], dimensions[3], dimensions[4]),
        category=niche.category, reject_code=reject_code, is_minor=False, is_brand=is_brand,
        leads_trips=bool(words & {"retreat", "retreats", "trips", "tours"}), shown=_shown(prompt, _MOST_SHOWN), text=prompt,
    )  # fmt: skip


def _shown(prompt: str, otherwise: int) -> int:
    """How many items the prompt shows: told by a line like ``captions: 9``, else its numbered lines."""
    told = [int(number) for number in _SHOWN.findall(prompt)]
    if told:
        return min(_MOST_SHOWN, *told)
    numbered = [int(number) for number in _NUMBERED.findall(prompt)]
    return min(_MOST_SHOWN, len(numbered) or otherwise)
