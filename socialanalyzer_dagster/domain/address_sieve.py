"""A quick first look whether a text could hold one of some known addresses, before all its addresses are found.

It may say yes too often, never no for a text in which `find_emails` finds a spelling of one of them (spec 19.4).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from socialanalyzer_dagster.domain.emails import has_other_domains
from socialanalyzer_dagster.domain.outside_text import any_case, nfkc


@dataclass(frozen=True, slots=True)
class AddressSieve:
    """Pieces that every spelling of the addresses contains: of the mailbox, and of the domain where it has one name."""

    pieces: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, addresses: Iterable[str]) -> "AddressSieve":
        """The sieve of canonical addresses."""
        return cls(frozenset(_pieces(address) for address in addresses))

    def lets_through(self, text: str) -> bool:
        """False only when the text holds no spelling of any of the addresses."""
        if not self.pieces:
            return False
        plain = _plain(nfkc(text))
        is_encoded = "%" in plain and "mailto:" in plain
        return is_encoded or any(local in plain and label in plain for local, label in self.pieces)


def _pieces(address: str) -> tuple[str, str]:
    """The mailbox, and the longest name of its domain: the dots between names may be written as words."""
    local, _, domain = address.rpartition("@")
    has_one_name = domain.isascii() and "xn--" not in domain and not has_other_domains(domain)
    return _plain(local), _plain(max(domain.split("."), key=len)) if has_one_name else ""


def _plain(text: str) -> str:
    return any_case(text).replace(".", "")
