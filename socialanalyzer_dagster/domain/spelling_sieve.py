"""A quick first look whether a text could be another spelling of a known identifier, before it is read in full.

It may say yes too often, never no for a spelling of the person: a request looks at every lead there is (spec 19.4).
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.suppression import canonical_identifier

_TELLING_DIGITS = 6


@dataclass(frozen=True, slots=True)
class SpellingSieve:
    """Pieces that every spelling of the known identifiers contains, by kind."""

    pieces: dict[IdentifierKind, frozenset[str]]

    def lets_through(self, identifier: Identifier) -> bool:
        """False only when the text is no spelling of any known identifier."""
        pieces = self.pieces.get(identifier.kind)
        if not pieces:
            return False
        text = identifier.value
        if not text.isascii() or "%" in text:
            return True
        plain = _plain(identifier.kind, text)
        return any(piece in plain for piece in pieces)

    def lets_link_through(self, url: str) -> bool:
        """False only when the address is no spelling of a known profile, and names no known account."""
        kinds = (IdentifierKind.PROFILE_URL, IdentifierKind.HANDLE)
        return any(self.lets_through(Identifier(kind, url)) for kind in kinds)


def sieve_of(identifiers: Iterable[Identifier]) -> SpellingSieve:
    """The sieve of these identifiers; what is no identifier of its kind is left out."""
    pieces: dict[IdentifierKind, set[str]] = defaultdict(set)
    for each in identifiers:
        if (canonical := canonical_identifier(each)) is not None:
            pieces[each.kind].add(_piece(each.kind, canonical))
    return SpellingSieve({kind: frozenset(found) for kind, found in pieces.items()})


def _piece(kind: IdentifierKind, canonical: str) -> str:
    if not canonical.isascii() or "%" in canonical:
        return ""
    if kind is IdentifierKind.EMAIL:
        return _plain(kind, canonical.rpartition("@")[0])
    if kind is IdentifierKind.PHONE:
        return canonical[-_TELLING_DIGITS:]
    if kind is IdentifierKind.HANDLE:
        return canonical.partition(":")[2]
    return canonical.rpartition("/")[2].partition("?")[0].removeprefix("@")


def _plain(kind: IdentifierKind, text: str) -> str:
    if kind is IdentifierKind.PHONE:
        return "".join(char for char in text if char.isdigit())
    lowered = text.lower()
    return lowered.replace(".", "") if kind is IdentifierKind.EMAIL else lowered
