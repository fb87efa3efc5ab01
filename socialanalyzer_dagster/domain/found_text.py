"""Facts read from titles and snippets of search results, and words made safe for a search query (spec 6.4, I-67)."""

import re
import unicodedata
from decimal import Decimal

from socialanalyzer_dagster.domain.human_numbers import read_count
from socialanalyzer_dagster.domain.outside_text import nfkc, one_line, printable

_COUNT = r"(?<![\w.,])(\d[\d.,]*\d|\d)\s?([km])?\+?"
_MEMBERS = (
    re.compile(rf"{_COUNT}\s+members?\b", re.IGNORECASE),
    re.compile(rf"{_COUNT}\s+people\b", re.IGNORECASE),
    re.compile(rf"{_COUNT}\s+in\s+(?:this\s+|the\s+)?group\b", re.IGNORECASE),
)
_POSTS = re.compile(
    rf"{_COUNT}\s+(?:new\s+)?posts?\s*(?:/|\b(?:per|a|an|each|every)\b)\s*(day|week|month)\b", re.IGNORECASE
)
_PER_MONTH = {"day": Decimal(30), "week": Decimal("4.3"), "month": Decimal(1)}
_VISIBILITY = re.compile(r"\b(public|private)\s+group\b", re.IGNORECASE)
_MOST_MEMBERS = 100_000_000
_MOST_POSTS_PER_MONTH = 1_000_000
_OPERATOR = re.compile(
    r"(?<!\w)(?:site|inurl|allinurl|intitle|allintitle|intext|allintext|inanchor|allinanchor|filetype|ext|related|cache|"
    r"link|info|define|source|before|after|location|loc|stocks|weather|map|movie|daterange|numrange)\s*:\s*\S*",
    re.IGNORECASE,
)
_AROUND = re.compile(r"\bAROUND\s*\(\s*\d+\s*\)")
_LOGIC_WORDS = re.compile(r"(?<!\w)(?:OR|AND|NOT)(?!\w)")
_MARKS = re.compile(r"[\"'`“”„«»‹›‘’:;|*~()\[\]{}<>^\\=&%$#@+!?,]|\.\.+")
_MINUS = re.compile(r"(?<!\w)-+|-+(?!\w)")


def members_in(*texts: str | None) -> int | None:
    """The member count a title or snippet names: '12.3K members', '4,512 people'; None when it names none."""
    for pattern in _MEMBERS:
        for text in texts:
            for matched in pattern.finditer(text or ""):
                count = read_count(f"{matched.group(1)}{matched.group(2) or ''}").value
                if count is not None and count <= _MOST_MEMBERS:
                    return count
    return None


def posts_per_month_in(*texts: str | None) -> Decimal | None:
    """The posting rate a text names, per month: per week x 4.3, per day x 30; None when it names none."""
    for text in texts:
        for matched in _POSTS.finditer(text or ""):
            count = read_count(f"{matched.group(1)}{matched.group(2) or ''}").value
            if count is not None and count <= _MOST_POSTS_PER_MONTH:
                return count * _PER_MONTH[matched.group(3).lower()]
    return None


def visibility_in(*texts: str | None) -> str | None:
    """'public' or 'private' when the texts name exactly one of them, else None."""
    named = {matched.lower() for text in texts for matched in _VISIBILITY.findall(text or "")}
    return named.pop() if len(named) == 1 else None


_READ_PER_KEPT = 10
"""Characters of a text that are looked at for each that may be kept."""


def neutral_words(text: str, max_chars: int = 120) -> str:
    """A keyword or name without quotes, colons and search operators, on one line; '' when nothing is left.

    Used for every word that goes into a search query, because names and keywords come from outside.
    """
    normal = nfkc(text[: _READ_PER_KEPT * max_chars])
    visible = (char for char in normal if unicodedata.category(char) != "Cf")
    plain = printable("".join(visible))
    for pattern in (_AROUND, _OPERATOR, _LOGIC_WORDS, _MARKS, _MINUS):
        plain = pattern.sub(" ", plain)
    return one_line(plain)[:max_chars].strip()
