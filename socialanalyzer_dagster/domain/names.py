"""Names of people in titles, sentences and profile addresses; a guessed name is only a weak candidate (spec 8.3)."""

import re
import unicodedata
from collections.abc import Iterable

from socialanalyzer_dagster.domain.link_shapes import LinkKind
from socialanalyzer_dagster.domain.links import social_link
from socialanalyzer_dagster.domain.outside_text import one_line, stream_safe
from socialanalyzer_dagster.domain.policy_search import EmailsPolicy

_TITLE_END = re.compile(r"\s+[-–—|·•:]\s+|\s*[|·•]\s*|[:,(]\s*|\s+-\s*$")
_WORD = r"[^\W\d_]+(?:['’\-][^\W\d_]+)*"
_PERSON = rf"({_WORD}(?:[ ]{_WORD}){{1,2}})"
_LINK_WORD = r"\s*(?::|-|–|—|,|\bis\b|\bby\b)?\s*"
_AFTER_ROLE = re.compile(rf"{_LINK_WORD}(?=\w){_PERSON}")
_BEFORE_ROLE = re.compile(rf"{_PERSON}\s*[,(–—-]\s*(?:the\s+)?$")
_LONGEST_NAME = 60
_NEAR_CHARS = _LONGEST_NAME + 30
"""How far from a role a name is looked for: a name that this cuts off is too long to be one."""


def looks_human(name: str | None, emails: EmailsPolicy) -> bool:
    """True for 1 to 4 words of letters, hyphens and apostrophes, capitalised where the script has capitals.

    Words of businesses and shows (policy `emails.non_person_words`) make it no person.
    """
    if name is None:
        return False
    words = one_line(name).split(" ")
    if not 1 <= len(words) <= 4 or len(name) > _LONGEST_NAME:
        return False
    return all(_is_name_word(word) and word.casefold() not in emails.non_person_words for word in words)


def is_full_name(name: str | None, emails: EmailsPolicy) -> bool:
    """True when a name looks human and has at least two words: what a lookup by first and last name needs (8.5)."""
    return name is not None and looks_human(name, emails) and " " in one_line(name)


def first_and_last(name: str) -> tuple[str, str] | None:
    """('Ada', 'Trail') of 'Ada M. Trail'; None for a single word."""
    words = one_line(name).split(" ")
    return (words[0], words[-1]) if len(words) > 1 else None


def name_at_start(title: str | None, emails: EmailsPolicy) -> str | None:
    """The person a result title starts with: 'Ada Trail - Founder | LinkedIn' -> 'Ada Trail'."""
    if not title:
        return None
    start = _TITLE_END.split(one_line(title[:300]), maxsplit=1)[0].strip()
    return start if is_full_name(start, emails) else None


def names_beside_role(text: str | None, emails: EmailsPolicy) -> list[str]:
    """Names of two or three words right before or after admin, owner, founder, manager, organiser (spec 8.3)."""
    if not text:
        return []
    roles = "|".join(re.escape(word) for word in emails.name_roles)
    normal = one_line(text)
    after: list[str] = []
    before: list[str] = []
    for role in re.finditer(rf"\b(?:co-?)?(?i:{roles})s?\b", normal):
        if follows := _AFTER_ROLE.match(normal, role.end(), role.end() + _NEAR_CHARS):
            after.append(follows.group(1))
        if precedes := _BEFORE_ROLE.search(normal[max(0, role.start() - _NEAR_CHARS) : role.start()]):
            before.append(precedes.group(1))
    found = [*after, *before]
    return list(dict.fromkeys(name for name in map(_capitalised_run, found) if is_full_name(name, emails)))


def name_from_profile(url: str) -> str | None:
    """'linkedin.com/in/ada-trail-4b1c22' -> 'Ada Trail'; None unless 2 or 3 parts of letters remain (spec 8.3)."""
    link = social_link(url)
    if link is None or link.kind is not LinkKind.LINKEDIN or link.handle is None:
        return None
    parts = [part for part in link.handle.split("-") if part]
    while len(parts) > 2 and any(char.isdigit() for char in parts[-1]):
        parts.pop()
    if not 2 <= len(parts) <= 3 or not all(part.isalpha() for part in parts):
        return None
    return " ".join(part.capitalize() for part in parts)


def name_tokens(names: Iterable[str | None]) -> frozenset[str]:
    """The words of some names, case-folded and without accents, to look for in an e-mail's local part."""
    words = (word for name in names if name for word in re.split(r"[\W\d_]+", _plain(name)))
    return frozenset(word for word in words if len(word) > 1)


def holds_name(local_part: str, tokens: frozenset[str]) -> bool:
    """True when a local part contains a name part; two letters must stand alone ('bo.lind', not 'bookings')."""
    plain = _plain(local_part)
    pieces = set(re.split(r"[\W\d_]+", plain))
    return any(token in pieces or (len(token) > 2 and token in plain) for token in tokens)


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", stream_safe(text).casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def _is_name_word(word: str) -> bool:
    bare = word.rstrip(".") if len(word.rstrip(".")) == 1 else word
    if not re.fullmatch(_WORD, bare):
        return False
    first = bare[0]
    return not first.islower() or bare.casefold() in {
        "de",
        "da",
        "del",
        "della",
        "di",
        "van",
        "von",
        "der",
        "den",
        "la",
        "le",
    }


def _capitalised_run(words: str) -> str:
    """The capitalised words a match starts with; a sentence goes on in lower case."""
    run: list[str] = []
    for word in words.split(" "):
        if not _is_name_word(word):
            break
        run.append(word)
    return " ".join(run)
