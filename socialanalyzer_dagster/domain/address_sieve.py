"""A quick first look whether a text could hold one of some known addresses, before all its addresses are found.

It may say yes too often, never no for a text in which `find_emails` finds a spelling of one of them (spec 19.4).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from socialanalyzer_dagster.domain.emails import domains_of_mailbox
from socialanalyzer_dagster.domain.outside_text import any_case, nfkc

_ENCODED = "mailto:"


@dataclass(frozen=True, slots=True)
class AddressSieve:
    """Pieces that every spelling of the addresses contains: of the mailbox, and of the domain where it has one name.

    `signs` are words in any case of which every text with one of the addresses contains one; None when a domain may be
    written in ways that have nothing in common.
    """

    pieces: frozenset[tuple[str, str]]
    signs: frozenset[str] | None

    @classmethod
    def of(cls, addresses: Iterable[str]) -> "AddressSieve":
        """The sieve of canonical addresses."""
        known = [address.rpartition("@") for address in addresses]
        names = [_names(domain) for _, _, domain in known]
        return cls(
            pieces=frozenset(
                (_plain(local), next(iter(each)) if len(each) == 1 else "")
                for (local, _, _), each in zip(known, names, strict=True)
            ),
            signs=frozenset({_ENCODED}).union(*names) if all(names) else None,
        )

    def lets_through(self, text: str, folded: str) -> bool:
        """False only when the text holds no spelling of any of the addresses; `folded` is the text in `any_case`."""
        if not self.pieces:
            return False
        composed = nfkc(text)
        plain = (folded if composed == text else any_case(composed)).replace(".", "")
        is_encoded = "%" in plain and _ENCODED in plain
        return is_encoded or any(local in plain and label in plain for local, label in self.pieces)


def _names(domain: str) -> frozenset[str]:
    """The longest name of each domain the mailbox may be written with: the dots between names may be words.

    Empty when that is written in letters of another script too.
    """
    domains = domains_of_mailbox(domain)
    if not all(each.isascii() and "xn--" not in each for each in domains):
        return frozenset()
    return frozenset(_plain(max(each.split("."), key=len)) for each in domains)


def _plain(text: str) -> str:
    return any_case(text).replace(".", "")
