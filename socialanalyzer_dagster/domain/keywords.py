"""Which keyword ideas of a model are worth showing (spec 5.10)."""

from collections.abc import Iterable

from socialanalyzer_dagster.domain.outside_text import comparable, one_line

MIN_CHARS = 2


def new_keyword_ideas(ideas: Iterable[str], current: Iterable[str]) -> list[str]:
    """The ideas on one line, distinct, in order, without those under 2 characters and those already searched for."""
    seen = {comparable(keyword) for keyword in current}
    kept: list[str] = []
    for idea in ideas:
        plain = comparable(idea)
        if len(plain) >= MIN_CHARS and plain not in seen:
            seen.add(plain)
            kept.append(one_line(idea).lstrip("#@ "))
    return kept
