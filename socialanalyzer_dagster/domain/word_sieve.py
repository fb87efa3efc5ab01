"""Which of many words a text contains somewhere: one reading, however many words there are."""

from collections.abc import Iterable

from ahocorasick_rs import AhoCorasick


class WordSieve:
    """Looks for words as they are, also inside of other words and where they overlap."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = tuple(dict.fromkeys(filter(None, words)))
        self._automaton = AhoCorasick(self._words)

    def words_in(self, text: str) -> frozenset[str]:
        """Those that the text contains; lone surrogates in it are no part of any word."""
        try:
            found = self._automaton.find_matches_as_indexes(text, overlapping=True)
        except UnicodeEncodeError:
            plain = text.encode("utf-8", "replace").decode("utf-8")
            found = self._automaton.find_matches_as_indexes(plain, overlapping=True)
        return frozenset(self._words[word] for word, _, _ in found)
