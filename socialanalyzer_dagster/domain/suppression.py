"""People who asked not to be processed, recognised in any spelling without storing who they are (spec 19.2)."""

import hmac
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from socialanalyzer_dagster.domain.emails import canonical_email, find_emails
from socialanalyzer_dagster.domain.leads import Candidate, FoundValue, Identifier, IdentifierKind, LeadRecord
from socialanalyzer_dagster.domain.links import canonical_url, group_link, social_link
from socialanalyzer_dagster.domain.outside_text import comparable
from socialanalyzer_dagster.domain.phones import canonical_phone
from socialanalyzer_dagster.domain.types import JsonValue

MIN_KEY_BYTES = 32
_LONGEST_NAME = 500
_KEPT = 1 << 16
"""Spellings of some ten thousand people, who are recognised anew at every stage: about 20 MB when full."""


class WeakKey(ValueError):
    """The suppression key is missing or too short; the gate stays closed."""


@lru_cache(maxsize=_KEPT)
def canonical_identifier(identifier: Identifier) -> str | None:
    """The one spelling of an identifier; None when the text is no identifier of its kind.

    E-mail: see emails.canonical_email. Handle: `platform:handle`, no @, any case. Profile URL: the account it names, or
    host and path without scheme, www and query. Phone: E.164.
    """
    if identifier.kind is IdentifierKind.EMAIL:
        return canonical_email(identifier.value)
    if identifier.kind is IdentifierKind.PHONE:
        return canonical_phone(identifier.value)
    if identifier.kind is IdentifierKind.HANDLE:
        return _canonical_handle(identifier.value)
    return _canonical_profile(identifier.value)


def identity_hash(platform: str, name: str, key: bytes) -> str:
    """The keyed hash that stands for an account when nothing else of it is kept; raises WeakKey."""
    return keyed_hash(IdentifierKind.HANDLE, _canonical_handle(f"{platform}:{name}") or f"{platform}:{name}", key)


def keyed_hash(kind: IdentifierKind, canonical: str, key: bytes) -> str:
    """Hex HMAC-SHA-256 over kind and canonical value; raises WeakKey under 32 bytes of key."""
    if len(key) < MIN_KEY_BYTES:
        raise WeakKey(f"the suppression key must have at least {MIN_KEY_BYTES} bytes")
    return hmac.digest(key, f"{kind.value}\n{canonical}".encode(), "sha256").hex()


def identifier_hash(identifier: Identifier, key: bytes) -> str | None:
    """The keyed hash of an identifier in any spelling; None when it is no identifier of its kind."""
    canonical = canonical_identifier(identifier)
    return None if canonical is None else keyed_hash(identifier.kind, canonical, key)


def identifiers_of_record(record: LeadRecord) -> tuple[Identifier, ...]:
    """Everything a lead can be recognised by: its handle, its profile and the accounts it links to."""
    own = (
        Identifier(IdentifierKind.HANDLE, f"{record.platform}:{record.handle}"),
        Identifier(IdentifierKind.HANDLE, f"{record.platform}:{record.platform_id}"),
        Identifier(IdentifierKind.PROFILE_URL, record.profile_url),
    )
    linked = (identifier for url in record.links.values() for identifier in identifiers_of_url(url))
    return tuple(dict.fromkeys((*own, *linked)))


def identifiers_of_candidates(candidates: Iterable[Candidate | FoundValue]) -> tuple[Identifier, ...]:
    """The identifiers among contact candidates: e-mails, phones and profile addresses; names are none."""
    found: list[Identifier] = []
    for candidate in candidates:
        if candidate.field == "email":
            found.append(Identifier(IdentifierKind.EMAIL, candidate.value))
        elif candidate.field == "phone":
            found.append(Identifier(IdentifierKind.PHONE, candidate.value))
        elif candidate.value.startswith(("http://", "https://")):
            found.extend(identifiers_of_url(candidate.value))
    return tuple(dict.fromkeys(found))


@lru_cache(maxsize=_KEPT)
def identifiers_of_url(url: str) -> tuple[Identifier, ...]:
    """The address itself, and the account it names where it is a profile."""
    profile = Identifier(IdentifierKind.PROFILE_URL, url)
    link = social_link(url)
    if link is None or link.handle is None:
        return (profile,)
    return (profile, Identifier(IdentifierKind.HANDLE, f"{link.kind.value}:{link.handle}"))


def is_about_listed(value: JsonValue, *, platform: str, listed: Collection[tuple[str, str]], key: bytes) -> bool:
    """True when a text of what a platform's search found is an account or address on the list; raises WeakKey.

    For text about people whose names are not known any more: slower than searching for a name.
    """
    if isinstance(value, str):
        return any(
            (keyed := identifier_hash(each, key)) is not None and (each.kind.value, keyed) in listed
            for each in _readings(value, platform)
        )
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, Sequence) else ()
    return any(is_about_listed(each, platform=platform, listed=listed, key=key) for each in parts)


def _readings(text: str, platform: str) -> Iterator[Identifier]:
    yield from (Identifier(IdentifierKind.EMAIL, found.address) for found in find_emails(text))
    plain = text.strip()
    if plain and len(plain) <= _LONGEST_NAME and not any(char.isspace() for char in plain):
        yield Identifier(IdentifierKind.HANDLE, f"{platform}:{plain}")
        yield from identifiers_of_url(plain)


def _canonical_handle(value: str) -> str | None:
    platform, colon, handle = value.partition(":")
    plain = comparable(handle)
    return f"{comparable(platform)}:{plain}" if colon and platform.strip() and plain else None


def _canonical_profile(value: str) -> str | None:
    link = social_link(value) or group_link(value)
    url = link.url if link is not None else canonical_url(value)
    if url is None:
        return None
    plain = url.split("://", maxsplit=1)[1].removeprefix("www.").lower()
    return plain if link is not None else plain.split("?", maxsplit=1)[0].rstrip("/")
