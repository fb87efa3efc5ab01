"""The people behind creators: a one-to-one map between creators of a platform and invented full names."""

from functools import lru_cache

from socialanalyzer_dagster.sandbox.world.models import Platform
from socialanalyzer_dagster.sandbox.world.names import (
    ADJECTIVES,
    FIRST_NAMES,
    LAST_NAME_ENDINGS,
    Numbering,
    WordParser,
    letters,
)

COUNTS: dict[Platform, int] = {"instagram": 100_000, "patreon": 30_000, "facebook": 20_000}
_PARSERS = {platform: WordParser(FIRST_NAMES, ADJECTIVES, endings) for platform, endings in LAST_NAME_ENDINGS.items()}
_REVERSED_PARSERS = {
    platform: WordParser(ADJECTIVES, endings, FIRST_NAMES) for platform, endings in LAST_NAME_ENDINGS.items()
}


@lru_cache(maxsize=16)
def numbering(platform: Platform, seed: int) -> Numbering:
    """The shuffled numbering of a platform's full names."""
    sizes = (len(FIRST_NAMES), len(ADJECTIVES), len(LAST_NAME_ENDINGS[platform]))
    return Numbering(COUNTS[platform], sizes, seed)


def name_of(platform: Platform, seed: int, index: int) -> tuple[str, str]:
    """Given and family name, capitalised."""
    first, adjective, ending = numbering(platform, seed).words_of(index)
    return FIRST_NAMES[first].capitalize(), (ADJECTIVES[adjective] + LAST_NAME_ENDINGS[platform][ending]).capitalize()


def indexes_of(platform: Platform, seed: int, text: str) -> list[int]:
    """The creators whose full name a text spells (letters only, either order); usually none or one."""
    compact = letters(text)
    numbers = numbering(platform, seed)
    readings = [*_PARSERS[platform].readings(compact)]
    readings += [
        (first, adjective, ending) for adjective, ending, first in _REVERSED_PARSERS[platform].readings(compact)
    ]
    found = (numbers.index_of(reading) for reading in readings)
    return [index for index in found if index is not None]
