"""Finds statements on a person's health, religion, politics, orientation or ethnicity in answers (spec 19.6)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from socialanalyzer_dagster.domain.outside_text import comparable
from socialanalyzer_dagster.domain.policy_crm import PrivacyPolicy

_SENTENCE_ENDS = re.compile(r"[.!?;\n](?:\s|$)")
_FRAGMENT = re.compile(r"[^\W_]+")
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class SensitiveWords:
    """Terms by kind of attribute, the words that speak of a person, and how many words may lie between them."""

    terms: tuple[tuple[str, tuple[str, ...]], ...]
    person_words: frozenset[str]
    reach_words: int


def sensitive_words(privacy: PrivacyPolicy) -> SensitiveWords:
    """The scanner's lists under one policy."""
    return SensitiveWords(
        terms=tuple((kind, tuple(terms)) for kind, terms in privacy.sensitive_terms.items()),
        person_words=frozenset(word.casefold() for word in privacy.person_words),
        reach_words=privacy.sensitive_reach_words,
    )


def sensitive_kinds(text: str, words: SensitiveWords, *, names: Iterable[str] = ()) -> tuple[str, ...]:
    """The kinds of attribute a text states about a person, in policy order; () when there are none.

    A term counts as a whole word (plural allowed) in one sentence with a word for a person at most `reach_words` away,
    so that a subject of the content ("mental health podcast") is not taken for an attribute. Words of the person's own
    `names` never count: a first name may be spelled like a faith.
    """
    if _telling_pieces(words).isdisjoint(_FRAGMENT.findall(text.casefold())):
        return ()
    own = {word for name in names for word in comparable(name).split()}
    sentences = [_words(sentence) for sentence in _SENTENCE_ENDS.split(text)]
    return tuple(
        kind
        for kind, terms in words.terms
        if any(_states(sentence, term, words, own) for term in terms for sentence in sentences)
    )


@lru_cache(maxsize=8)
def _telling_pieces(words: SensitiveWords) -> frozenset[str]:
    """The longest piece of every term: most texts hold none of them and need no closer look."""
    pieces = (max(_FRAGMENT.findall(term.casefold()), key=len) for _, terms in words.terms for term in terms)
    return frozenset(form for piece in pieces for form in (piece, piece + "s"))


def _states(sentence: tuple[str, ...], term: str, words: SensitiveWords, own: set[str]) -> bool:
    wanted = _words(term)
    for start in range(len(sentence) - len(wanted) + 1):
        end = start + len(wanted)
        found = sentence[start:end]
        if not _equal(found, wanted) or own.issuperset(found):
            continue
        near = sentence[max(0, start - words.reach_words) : start] + sentence[end : end + words.reach_words]
        if words.person_words.intersection(near):
            return True
    return False


def _equal(found: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    return found[:-1] == wanted[:-1] and found[-1] in {wanted[-1], wanted[-1] + "s"}


@lru_cache(maxsize=4096)
def _words(text: str) -> tuple[str, ...]:
    found = (match.group().casefold().removesuffix("'s").removesuffix("’s") for match in _WORD.finditer(text))
    return tuple(found)
