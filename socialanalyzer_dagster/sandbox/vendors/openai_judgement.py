"""What a model would think of a prompt's creator: the world's hidden truth, or a keyword function outside it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from socialanalyzer_dagster.sandbox.world.dice import Dice
from socialanalyzer_dagster.sandbox.world.models import Creator
from socialanalyzer_dagster.sandbox.world.niches import BY_KEY, NICHES, Niche
from socialanalyzer_dagster.sandbox.world.patreon import niche_words
from socialanalyzer_dagster.sandbox.world.world import World

_NAMED = re.compile(
    r"^\W*platform\W*[:=]\s*\W?(\w+)\W*\n\W*handle\W*[:=][ \t]*[\"']?@?([^\n\"']+)", re.IGNORECASE | re.MULTILINE
)
_DATA_BEGIN = re.compile(r"^=+ ?data begins .*$", re.IGNORECASE | re.MULTILINE)
_DATA_END = re.compile(r"^=+ ?data ends", re.IGNORECASE | re.MULTILINE)
_SHOWN = re.compile(
    r"^(?:\w+ shown: (\d+)|[\w ]+: (\d+) shown|(?:items|thumbnails|captions|pictures): (\d+))\s*$",
    re.IGNORECASE | re.MULTILINE,
)
_FULL_NAME = re.compile(r"^(?:full |display )?name: (.+)$", re.MULTILINE)
_WORD = re.compile(r"[a-z]+")
_NOT_KNOWN = "not known"
_MOST_SHOWN = 12
_HOST_WORDS = frozenset(
    {"retreat", "retreats", "workshop", "workshops", "trip", "trips", "travel", "tour", "tours", "community", "host",
    "hosting",
     "members", "membership", "newsletter", "discord", "class", "classes", "course", "courses", "teach", "teacher",
     "coach",
     "meetup", "join", "together", "podcast", "stories", "personal", "honest", "friends", "patrons", "support"}
)  # fmt: skip
_TRIP_WORDS = frozenset({"retreat", "retreats", "trips", "tours"})
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
    text: str
    count_shown: Callable[[], int] = field(compare=False)

    @property
    def shown(self) -> int:
        """How many items the data show; counted only when an answer depends on it."""
        return self.count_shown()


def judge(world: World, prompt: str) -> Judgement:
    """The judgement on the creator named by the data block: a ``platform:`` line and a ``handle:`` line below it.

    Of a creator outside the world: quality 0.34 + 0.045 per distinct host word in the data (up to 0.82), the niche
    whose words the data have most of, adult words and brand words as reasons to refuse. A prompt whose data name nobody
    is judged by the words of its data, one without a data block by all its words.
    """
    named = _NAMED.search(prompt)
    if named is None:
        begin = _DATA_BEGIN.search(prompt)
        return _from_words("text", prompt if begin is None else _data_from(prompt, begin.end()))
    data = _data_from(prompt, named.start())
    platform, handle = named.group(1).lower(), named.group(2).strip()
    creator = world.creator(platform, handle)
    if creator is not None:
        return _from_truth(creator, data, lambda: _shown(data, lambda: _items_of(world, creator)))
    return _from_words(f"{platform}:{handle}", data)


def _data_from(prompt: str, start: int) -> str:
    data = prompt[start:]
    end = _DATA_END.search(data)
    return data if end is None else data[: end.start()]


def _items_of(world: World, creator: Creator) -> int:
    """How many items a look at the creator's latest ones can show."""
    posts = world.instagram_posts(creator.handle) if creator.platform == "instagram" else None
    return _MOST_SHOWN if posts is None else sum(post.kind != "STORY" for post in posts)


def _from_truth(creator: Creator, data: str, count_shown: Callable[[], int]) -> Judgement:
    truth = creator.truth
    return Judgement(
        uid=creator.uid, name=creator.display_name,
        first_name=creator.contact.first_name if creator.display_name else None,
        niche=BY_KEY[creator.niche], dimensions=truth.dimensions, category=truth.category,
        reject_code=truth.reject_code,
        is_minor=truth.is_minor, is_brand=truth.is_brand, leads_trips=truth.leads_trips, count_shown=count_shown,
        text=data,
    )  # fmt: skip


def _from_words(uid: str, data: str) -> Judgement:
    lowered = data.lower()
    words = set(_WORD.findall(lowered))
    quality = min(_BEST_BY_WORDS, _BASE_QUALITY + _QUALITY_PER_WORD * len(words & _HOST_WORDS))
    dice = Dice("outside", uid)
    dimensions = [round(min(1.0, max(0.0, quality + dice.normal(0, 0.06))), 3) for _ in range(5)]
    niche = max(NICHES, key=lambda candidate: len(niche_words(candidate) & words))
    told = _FULL_NAME.search(data)
    name = None if told is None or told.group(1) == _NOT_KNOWN else told.group(1).strip()
    first_name = next(filter(str.isalpha, (name or "").split()), None)
    is_brand = len(words & _BRAND_WORDS) > 1
    is_adult = bool(words & _ADULT_WORDS) or "18+" in lowered
    reject_code = (
        "profile_explicit_offensive" if is_adult else "profile_brand_no_person" if is_brand else niche.reject_code
    )
    return Judgement(
        uid=uid, name=name, first_name=first_name, niche=niche,
        dimensions=(dimensions[0], dimensions[1], dimensions[2], dimensions[3], dimensions[4]),
        category=niche.category, reject_code=reject_code, is_minor=False, is_brand=is_brand,
        leads_trips=bool(words & _TRIP_WORDS), text=data, count_shown=lambda: _shown(data, lambda: _MOST_SHOWN),
    )  # fmt: skip


def _shown(data: str, otherwise: Callable[[], int]) -> int:
    """How many items the data show, told by a line like ``caption: 9 shown`` or ``posts shown: 9``."""
    told = _SHOWN.search(data)
    return min(_MOST_SHOWN, otherwise() if told is None else int(next(filter(None, told.groups()))))
