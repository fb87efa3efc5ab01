"""E-mail addresses in text: how they are found, which are contacts, and their canonical form (spec 8.3, 8.4, 19.2)."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from socialanalyzer_dagster.domain.hosts import has_known_suffix, is_personal_provider, registered_domain
from socialanalyzer_dagster.domain.leads import CandidateKind
from socialanalyzer_dagster.domain.outside_text import nfkc
from socialanalyzer_dagster.domain.policy_search import EmailsPolicy


class EmailStatus(StrEnum):
    """What verification says about an address, usable ones first (spec 8.4, 8.6)."""

    VALID = "valid"
    CATCH_ALL = "catch_all"
    UNKNOWN = "unknown"
    UNVERIFIED = "unverified"
    INVALID = "invalid"
    DISPOSABLE = "disposable"


@dataclass(frozen=True, slots=True)
class FoundEmail:
    """An address as it should be written, and how it stood in the text: MAILTO, TEXT or OBFUSCATED."""

    address: str
    kind: CandidateKind


_LOCAL = r"[A-Za-z0-9](?:[A-Za-z0-9._%+'\-]{0,62}[A-Za-z0-9_+\-])?"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?"
_START = r"(?<![A-Za-z0-9._%+\-])"
_PLAIN_DOT = r"\."
_HIDDEN_DOT = r"\s{0,3}[(\[{]\s{0,3}dot\s{0,3}[)\]}]\s{0,3}"
_HIDDEN_AT = r"\s{0,3}[(\[{]\s{0,3}at\s{0,3}[)\]}]\s{0,3}"
_DOTS = rf"(?:{_HIDDEN_DOT}|{_PLAIN_DOT})"
_FORMS = re.compile(
    rf"(?P<mailto>mailto:\s{{0,3}})?{_START}(?P<plain>{_LOCAL}@{_LABEL}(?:\.{_LABEL})+)(?!{_HIDDEN_DOT})"
    rf"|{_START}(?P<hidden>{_LOCAL}(?:{_HIDDEN_AT}{_LABEL}(?:{_DOTS}{_LABEL})+|@{_LABEL}(?:{_HIDDEN_DOT}{_LABEL})+))",
    re.IGNORECASE,
)
_ENCODED_MAILTO = re.compile(r"mailto:[^\s\"'<>?]{0,320}%40[^\s\"'<>?]{0,320}", re.IGNORECASE)
_MAX_DOMAIN, _MAX_ADDRESS = 253, 64 + 1 + 253
"""Characters of the longest name in the DNS, and of the longest address."""
_ADDRESS = re.compile(
    rf"{_LOCAL}@{_LABEL}(?:\.{_LABEL})*\.(?:[A-Za-z]{{2,63}}|xn--[A-Za-z0-9\-]{{1,59}})", re.IGNORECASE
)


def find_emails(text: str | None) -> list[FoundEmail]:
    """Every address in a text, distinct by canonical form, in order of appearance; the blocklist is not applied.

    Obfuscated addresses count when at (and dot, unless written as a point) stands in (), [] or {}; the bare words
    'name at site dot com' are prose. Styled letters and full-width signs are read as what they stand for (NFKC).
    """
    if not text or not ("@" in text or "＠" in text or "%40" in text or "at" in text.lower()):
        return []
    normal = _ENCODED_MAILTO.sub(lambda matched: unquote(matched.group()), nfkc(text))
    found: dict[str, FoundEmail] = {}
    for email in _matches(normal):
        found.setdefault(canonical_email(email.address) or email.address, email)
    return list(found.values())


def contact_emails(text: str | None, emails: EmailsPolicy) -> list[FoundEmail]:
    """The addresses of a text that a person may be reached at: those found, without the blocklist."""
    return [email for email in find_emails(text) if is_contact_address(email.address, emails)]


def is_contact_address(address: str, emails: EmailsPolicy) -> bool:
    """False for image names, hosts of machinery, placeholders and no-reply boxes (spec 8.3)."""
    lowered = address.strip().lower()
    local, _, domain = lowered.rpartition("@")
    if not _ADDRESS.fullmatch(lowered) or lowered in emails.blocked_addresses or local in emails.blocked_local_parts:
        return False
    if local.endswith(emails.blocked_suffixes) or domain.endswith(emails.blocked_suffixes):
        return False
    return registered_domain(domain) not in (None, *emails.blocked_domains)


def is_role_address(address: str, emails: EmailsPolicy) -> bool:
    """True for boxes of a function instead of a person: info@, booking@, info+trips@."""
    local = address.rpartition("@")[0].lower().split("+", maxsplit=1)[0]
    return local in emails.role_local_parts


def is_personal_address(address: str, emails: EmailsPolicy) -> bool:
    """True for mailboxes at providers for private people (spec 8.3)."""
    return is_personal_provider(address.rpartition("@")[2], emails)


# The canonical form is fixed in code and not policy: stored keyed hashes of suppressed people depend on it.
_SAME_MAILBOX = {
    "googlemail.com": "gmail.com",
    "pm.me": "proton.me",
    "protonmail.com": "proton.me",
    "me.com": "icloud.com",
}
_IGNORES_DOTS = frozenset({"gmail.com", "proton.me"})
_IGNORES_TAGS = frozenset({
    "gmail.com", "proton.me", "icloud.com", "outlook.com", "hotmail.com", "live.com", "msn.com", "fastmail.com",
    "zoho.com",
})  # fmt: skip


def canonical_email(address: str) -> str | None:
    """The one spelling of a mailbox: lower case, ASCII domain, no dots and plus tags where the provider ignores them.

    None when the text is no address.
    """
    lowered = nfkc(address).strip().lower().removeprefix("mailto:").strip()
    if len(lowered) > _MAX_ADDRESS:
        return None
    local, _, domain = lowered.rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode() if not domain.isascii() else domain
    except UnicodeError:
        return None
    domain = _SAME_MAILBOX.get(ascii_domain, ascii_domain)
    if domain in _IGNORES_TAGS:
        local = local.split("+", maxsplit=1)[0] or local
    if domain in _IGNORES_DOTS:
        local = local.replace(".", "")
    canonical = f"{local}@{domain}"
    return canonical if _ADDRESS.fullmatch(canonical) else None


def domains_of_mailbox(domain: str) -> tuple[str, ...]:
    """The domain of a canonical address, and those that it may be written with as well."""
    return (domain, *(other for other, same in _SAME_MAILBOX.items() if same == domain))


def email_hash(address: str) -> str | None:
    """Hex SHA-256 of the canonical form, for look-ups that need no address in an index; None for no address."""
    canonical = canonical_email(address)
    return None if canonical is None else hashlib.sha256(canonical.encode()).hexdigest()


def _matches(text: str) -> Iterator[FoundEmail]:
    for matched in _FORMS.finditer(text):
        if matched.group("hidden"):
            address, kind = _revealed(matched.group("hidden")), CandidateKind.OBFUSCATED
        else:
            address, kind = (
                matched.group("plain"),
                CandidateKind.MAILTO if matched.group("mailto") else CandidateKind.TEXT,
            )
        kept = _without_trailing_words(address)
        if kept is not None and (kind is not CandidateKind.OBFUSCATED or has_known_suffix(kept.rpartition("@")[2])):
            yield FoundEmail(kept, kind)


def _revealed(hidden: str) -> str:
    return re.sub(_HIDDEN_DOT, ".", re.sub(_HIDDEN_AT, "@", hidden, flags=re.IGNORECASE), flags=re.IGNORECASE)


def _without_trailing_words(address: str) -> str | None:
    """'jane@site.com.Thanks' -> 'jane@site.com': a missing space glues words to an address."""
    local, _, domain = address.rpartition("@")
    labels = domain.lower()[:_MAX_DOMAIN].split(".")
    for count in range(len(labels), 1, -1):
        shorter = ".".join(labels[:count])
        if has_known_suffix(shorter):
            return f"{local}@{shorter}"
    whole = f"{local}@{'.'.join(labels)}"
    return whole if _ADDRESS.fullmatch(whole) else None
