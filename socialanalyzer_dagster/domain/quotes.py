"""Keeps the quotes a model really took from its input (spec 9.1)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from socialanalyzer_dagster.domain.sensitive import SensitiveWords, sensitive_kinds


@dataclass(frozen=True, slots=True)
class CheckedQuotes:
    """The quotes that stand, and how many were dropped (shown as a warning count, I-41)."""

    kept: tuple[str, ...]
    dropped: int


def checked_quotes(
    quotes: Sequence[str] | None, inputs: Iterable[str | None], *, scan: SensitiveWords | None = None
) -> CheckedQuotes:
    """Quotes that occur in one of the inputs as sent, white space and case folded; others are dropped and counted.

    With `scan`, a true quote that states a sensitive attribute of a person is dropped too (spec 19.6).
    """
    sources = [_folded(text) for text in inputs if text]
    kept = tuple(
        quote
        for quote in quotes or ()
        if (folded := _folded(quote))
        and any(folded in source for source in sources)
        and (scan is None or not sensitive_kinds(quote, scan))
    )
    return CheckedQuotes(kept, len(quotes or ()) - len(kept))


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
