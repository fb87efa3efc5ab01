"""Whether a creator already hosts trips: a travel word and a booking word in one text, without a model (spec 7.4)."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from socialanalyzer_dagster.domain.content_items import ContentItem
from socialanalyzer_dagster.domain.outside_text import nfkc
from socialanalyzer_dagster.domain.policy_search import ScreeningPolicy
from socialanalyzer_dagster.domain.types import JsonObject

MAX_UNIT_CHARS = 5000


@dataclass(frozen=True, slots=True)
class TextUnit:
    """One text in which both word classes must stand: 'bio', or 'item' with the item's id."""

    source: str
    text: str


@dataclass(frozen=True, slots=True)
class TravelFlag:
    """The first unit that holds both classes, with the words found in it."""

    unit: TextUnit
    travel_words: tuple[str, ...]
    booking_words: tuple[str, ...]

    def evidence(self) -> JsonObject:
        """What is stored as evidence."""
        return {
            "source": self.unit.source,
            "text": self.unit.text,
            "travel_words": list(self.travel_words),
            "booking_words": list(self.booking_words),
        }


def text_units(bio: str | None, items: Sequence[ContentItem], screening: ScreeningPolicy) -> list[TextUnit]:
    """The bio, and title + caption of each of the first `travel_items` items, as far as there is text."""
    shown = items[: screening.travel_items]
    texts = [(f"item:{item.item_id}", "\n".join(part for part in (item.title, item.caption) if part)) for item in shown]
    return [TextUnit(source, text[:MAX_UNIT_CHARS]) for source, text in [("bio", bio), *texts] if text]


def travel_flag(units: Iterable[TextUnit], screening: ScreeningPolicy) -> TravelFlag | None:
    """The first match, or None; words match case-insensitively on word boundaries, plurals included (I-12)."""
    for unit in units:
        normal = nfkc(unit.text)
        if travel := _found(screening.travel_words, normal):
            booking = _found(screening.booking_words, normal)
            if booking:
                return TravelFlag(unit, travel, booking)
    return None


def _found(words: tuple[str, ...], text: str) -> tuple[str, ...]:
    return tuple(word for word in words if _pattern(word).search(text))


@lru_cache(maxsize=256)
def _pattern(word: str) -> re.Pattern[str]:
    """Letters and digits bound a word, so that '#group_trip' matches and 'stripe' does not."""
    spaced = r"\s+".join(re.escape(part) for part in word.split())
    return re.compile(rf"(?<![^\W_]){spaced}(?:s|es)?(?![^\W_])", re.IGNORECASE)
