"""What a person leaves in stored text, and taking it out again: pure text work for erasure and export (spec 19.4)."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

from socialanalyzer_dagster.domain.address_sieve import AddressSieve
from socialanalyzer_dagster.domain.emails import canonical_email, find_emails
from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.outside_text import any_case, comparable, nfkc
from socialanalyzer_dagster.domain.phones import canonical_phone
from socialanalyzer_dagster.domain.suppression import canonical_identifier
from socialanalyzer_dagster.domain.types import JsonValue
from socialanalyzer_dagster.domain.word_sieve import WordSieve

ERASED = "[erased]"
_HANDLE_FIELDS = frozenset({"lookalike_username", "creator_lookalikes", "audience_lookalikes"})
"""Fields of searches, ours and vendors', whose whole value is somebody's handle."""
_SHORTEST_NAME = 8
_SHORTEST_WORD, _SHORTEST_MIXED = 3, 2
_SHORTEST_NUMBER = 6
_LONGEST_WORD = 200
_NOT_BEFORE, _NOT_AFTER = r"(?<![\w-])", r"(?!\w|[.-]\w)"
"""A name ends where a sentence may end; `jane` is not in `jane.doe`, nor `trail.com` in `my-trail.com`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceWords:
    """How text is searched: canonical addresses, phones and URLs, bare handles, and words that name nobody else."""

    emails: frozenset[str]
    phones: frozenset[str]
    urls: frozenset[str]
    handles: frozenset[str]
    marks: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Sought:
    """How one word stands in a text when it means the person."""

    in_prose: re.Pattern[str]
    in_quotes: re.Pattern[str] | None = None

    def is_in_prose(self, text: str) -> bool:
        return bool(self.in_prose.search(text))

    def is_in_json_text(self, text: str) -> bool:
        return bool(self.in_prose.search(text) or (self.in_quotes is not None and self.in_quotes.search(text)))


@dataclass(frozen=True)
class Traces:
    """Recognises one person in text, or any of several; built by `traces_of` and `united`."""

    words: TraceWords

    def are_in_prose(self, text: str) -> bool:
        """True when the text names the person: an address, `@handle`, a profile URL, a full name.

        A handle that stands alone is a word like any other here: a search for `hiking` names nobody.
        """
        return self._are_named(text, _Sought.is_in_prose)

    def are_in_json_text(self, text: str) -> bool:
        """True as in prose, and when a whole JSON string is a handle of the person: quick, for stored answers."""
        return self._are_named(text, _Sought.is_in_json_text)

    def are_in_data(self, value: JsonValue) -> bool:
        """True when any text or key of a JSON value names the person, is a handle or a phone number of theirs."""
        if isinstance(value, str):
            return self._is_word(value) or self.are_in_prose(value)
        if isinstance(value, Mapping):
            return any(self.are_in_data(part) for pair in value.items() for part in pair)
        if isinstance(value, Sequence):
            return any(self.are_in_data(each) for each in value)
        return False

    def without_prose(self, value: JsonValue) -> JsonValue:
        """The same JSON whose texts that name the person, and fields that hold their handle, say `[erased]` instead."""
        if isinstance(value, str):
            return ERASED if self.are_in_prose(value) else value
        if isinstance(value, Mapping):
            return {name: self._without(name, each) for name, each in value.items()}
        if isinstance(value, Sequence):
            return [self.without_prose(each) for each in value]
        return value

    def _without(self, name: str, value: JsonValue) -> JsonValue:
        is_handle = name in _HANDLE_FIELDS and isinstance(value, str) and self._is_word(value)
        return ERASED if is_handle else self.without_prose(value)

    def without_items(self, items: Sequence[JsonValue]) -> tuple[list[JsonValue], int]:
        """The items with those about the person emptied, so that the others keep their places; and how many were."""
        about = [bool(item) and self.are_in_data(item) for item in items]
        return [{} if hit else item for item, hit in zip(items, about, strict=True)], sum(about)

    def _is_word(self, text: str) -> bool:
        if len(text) > _LONGEST_WORD:
            return False
        return comparable(text) in self.words.handles or (
            bool(self.words.phones) and canonical_phone(text) in self.words.phones
        )

    def _are_named(self, text: str, is_meant: Callable[[_Sought, str], bool]) -> bool:
        """Which words are in the text at all is found in one reading: patterns take a hundred times as long."""
        folded = any_case(text)
        words = self._sieve.words_in(folded)
        if any(is_meant(each, text) for word in words for each in self._sought.get(word, ())):
            return True
        return self._may_have_email(text, words) and self._has_email(text, folded)

    def _may_have_email(self, text: str, words: frozenset[str]) -> bool:
        signs = self._addresses.signs
        return bool(self.words.emails) and (signs is None or not words.isdisjoint(signs) or nfkc(text) != text)

    def _has_email(self, text: str, folded: str) -> bool:
        if not self._addresses.lets_through(text, folded):
            return False
        return any(canonical_email(found.address) in self.words.emails for found in find_emails(text))

    @cached_property
    def _addresses(self) -> AddressSieve:
        return AddressSieve.of(self.words.emails)

    @cached_property
    def _sieve(self) -> WordSieve:
        return WordSieve((*self._sought, *(self._addresses.signs or ())))

    @cached_property
    def _sought(self) -> Mapping[str, Sequence[_Sought]]:
        """How each word in any case stands in a text that means the person."""
        found: dict[str, list[_Sought]] = {}
        for word in self.words.handles:
            in_prose = _pattern(rf"[@/]{re.escape(word)}{_NOT_AFTER}")
            found.setdefault(any_case(word), []).append(_Sought(in_prose, _pattern(f'"@?{re.escape(word)}"')))
        for word in self.words.urls | self.words.marks:
            whole = _pattern(rf"{_NOT_BEFORE}{re.escape(word)}{_NOT_AFTER}")
            found.setdefault(any_case(word), []).append(_Sought(whole))
        return found


def _pattern(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.IGNORECASE)


def united(people: Iterable[Traces]) -> Traces:
    """Traces that are in a text or value whenever those of one of the people are."""
    words = [each.words for each in people]
    every = {each.name: [getattr(one, each.name) for one in words] for each in fields(TraceWords)}
    return Traces(TraceWords(**{name: frozenset().union(*sets) for name, sets in every.items()}))


def traces_of(identifiers: Iterable[Identifier], *, names: Iterable[str] = (), marks: Iterable[str] = ()) -> Traces:
    """Traces of a person known by these identifiers; `names` are full names, `marks` such as lead uids.

    Names of one word, short handles and short numbers are left out: they would be found in everybody's text.
    """
    found: dict[IdentifierKind, set[str]] = {kind: set() for kind in IdentifierKind}
    for each in identifiers:
        if (canonical := canonical_identifier(each)) is not None:
            found[each.kind].add(canonical)
    handles = {handle.partition(":")[2] for handle in found[IdentifierKind.HANDLE]}
    full = {name.strip() for name in names if len(name.split()) > 1 and len(name.strip()) >= _SHORTEST_NAME}
    return Traces(
        TraceWords(
            emails=frozenset(found[IdentifierKind.EMAIL]),
            phones=frozenset(found[IdentifierKind.PHONE]),
            urls=frozenset(found[IdentifierKind.PROFILE_URL]),
            handles=frozenset(handle for handle in handles if _is_telling(handle)),
            marks=frozenset({*full, *marks, *found[IdentifierKind.HANDLE]}),
        )
    )


def _is_telling(handle: str) -> bool:
    if handle.isdigit():
        return len(handle) >= _SHORTEST_NUMBER
    return len(handle) >= (_SHORTEST_WORD if handle.isalpha() else _SHORTEST_MIXED)
