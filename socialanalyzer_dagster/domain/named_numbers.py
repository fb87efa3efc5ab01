"""The numbers that a text names, so that two texts can be held against each other: none may be invented (spec 14.1)."""

import re
from decimal import Decimal

from socialanalyzer_dagster.domain.outside_text import nfkc

Named = tuple[str, str]
"""What it counts ('%', '$', WORDS, '' for anything else) and the number, written in one way."""
WORDS = "words"

_FIGURE = re.compile(
    r"(?P<sign>(?<!\w)[-\u2212])?(?P<coin>[$€£¥]|\busd )?(?P<value>\d+(?:,\d{3})*(?:\.\d+)?)(?P<over>/\d+)?"
    r"(?P<letters>[^\W\d_]+)?(?:[ -]?(?P<after>%|per ?cent\b|usd\b|dollars?\b|cents?\b))?"
)
_UNITS = {"percent": "%", "per cent": "%", "usd": "$", "usd ": "$", "dollar": "$", "dollars": "$"}
_WORD = re.compile(
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen|"
    r"(?:twen|thir|for|fif|six|seven|eigh|nine)ty|(?:hundred|thousand|million|billion|dozen|third|quarter|fifth|tenth)s?|"
    r"half|halves|twice|doubled?|tripled?|couple|pair)\b"
)


def named_numbers(text: str) -> frozenset[Named]:
    """Every number of a text with its unit: '40 %' and 'USD 40' are two, '1,200' and '1200' one, words are themselves.

    Digits of every script count, and signs that stand for a number, such as a half in one character.
    """
    normal = nfkc(text).casefold().replace("\u2044", "/")
    figures = (_named(match) for match in _FIGURE.finditer(normal))
    words = ((WORDS, word) for word in _WORD.findall(normal))
    signs = ((WORDS, char) for char in normal if char.isnumeric() and not char.isdecimal())
    return frozenset((*figures, *words, *signs))


def counts(numbers: frozenset[Named]) -> frozenset[Named]:
    """Those in digits that count something: that there was none of a thing, or two, may be said in other words."""
    return frozenset((unit, number) for unit, number in numbers if unit != WORDS and number != "0")


def _named(match: re.Match[str]) -> Named:
    parts = {name: part or "" for name, part in match.groupdict().items()}
    unit = parts["coin"] or parts["after"]
    value = Decimal(parts["value"].replace(",", "")).normalize()
    return f"{parts['sign']}{_UNITS.get(unit, unit)}{parts['letters']}", f"{value:f}{parts['over']}"
