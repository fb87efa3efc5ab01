"""What somebody types to name a person, read strictly: a reading that is nearly right would meet others (spec 19.4)."""

import re
from collections.abc import Collection

from socialanalyzer_dagster.domain.emails import canonical_email
from socialanalyzer_dagster.domain.filters import FieldProblem, FilterProblems
from socialanalyzer_dagster.domain.hosts import has_known_suffix, registered_domain
from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.link_shapes import SOCIAL_DOMAINS, LinkKind
from socialanalyzer_dagster.domain.links import group_link, social_link
from socialanalyzer_dagster.domain.phones import canonical_phone
from socialanalyzer_dagster.domain.suppression import canonical_identifier

_NO_ACCOUNTS = frozenset({LinkKind.PERSONAL_WEBSITE, LinkKind.LINK_AGGREGATOR, LinkKind.RSS})
ACCOUNT_KINDS = frozenset(LinkKind) - _NO_ACCOUNTS
"""Link kinds whose accounts have handles."""
_HANDLE = re.compile(r"(?P<platform>[^\s:/@]+):\s*@?(?P<name>[^\s:/?#@]+)")
_RIGHT = {
    IdentifierKind.EMAIL: "name@site.com",
    IdentifierKind.HANDLE: "platform:handle, as in instagram:some.handle",
    IdentifierKind.PROFILE_URL: "https://site.com/name",
    IdentifierKind.PHONE: "+1 555 010 0100",
}
_PLATFORM = re.compile(r"(?!(?:tel|mailto):)\w+:(?!\d)", re.IGNORECASE)
_ANY = "write an address (name@site.com), a profile URL, platform:handle, or a phone number with its country code"


def person_named(
    text: str, *, kind: IdentifierKind | None, platforms: Collection[str], field: str = "PERSON"
) -> Identifier:
    """The identifier a text is, of this kind or of the one that it looks like.

    Raises FilterProblems, whose sentence says what would be right, for everything that is only nearly an identifier:
    a broken address is no website, a post is no profile, a bare handle is no domain.
    """
    plain = text.strip()
    kind = kind or _looks_like(plain)
    if kind is None:
        raise _refused(field, _ANY)
    problem = _PROBLEMS[kind](plain, {*platforms, *ACCOUNT_KINDS})
    found = Identifier(kind, plain)
    if problem is None and canonical_identifier(found) is None:
        problem = _instead(kind)
    if problem is not None:
        raise _refused(field, f"this is no {kind.value}; {problem}")
    return found


def _looks_like(plain: str) -> IdentifierKind | None:
    before_path = plain.partition("://")[2] or plain
    host = re.split(r"[/?#]", before_path, maxsplit=1)[0]
    if "://" not in plain and _PLATFORM.match(plain):
        return IdentifierKind.HANDLE
    if "@" in host:
        return IdentifierKind.EMAIL
    if "/" not in plain and canonical_phone(plain) is not None:
        return IdentifierKind.PHONE
    if "/" in plain:
        return IdentifierKind.PROFILE_URL
    return IdentifierKind.PROFILE_URL if has_known_suffix(plain) else None


def _email_problem(plain: str, _platforms: Collection[str]) -> str | None:
    if plain.startswith("@"):
        return "name the platform as well: write " + _RIGHT[IdentifierKind.HANDLE]
    return None if canonical_email(plain) is not None else _instead(IdentifierKind.EMAIL)


def _handle_problem(plain: str, platforms: Collection[str]) -> str | None:
    matched = _HANDLE.fullmatch(plain)
    if matched is None:
        return _instead(IdentifierKind.HANDLE)
    if matched.group("platform").lower() not in platforms:
        return f"the platform must be one of: {', '.join(sorted(platforms))}"
    return None


def _url_problem(plain: str, _platforms: Collection[str]) -> str | None:
    if "@" in re.split(r"[/?#]", plain.partition("://")[2] or plain, maxsplit=1)[0]:
        return _instead(IdentifierKind.PROFILE_URL)
    domain = registered_domain(plain)
    if domain in SOCIAL_DOMAINS:
        if social_link(plain) is None and group_link(plain) is None:
            return f"on {domain} write the address of the profile or group itself, without a post or tab behind it"
        return None
    return None if has_known_suffix(plain) else _instead(IdentifierKind.PROFILE_URL)


def _phone_problem(_plain: str, _platforms: Collection[str]) -> str | None:
    return None


_PROBLEMS = {
    IdentifierKind.EMAIL: _email_problem,
    IdentifierKind.HANDLE: _handle_problem,
    IdentifierKind.PROFILE_URL: _url_problem,
    IdentifierKind.PHONE: _phone_problem,
}


def _instead(kind: IdentifierKind) -> str:
    return f"write it like {_RIGHT[kind]}"


def _refused(field: str, sentence: str) -> FilterProblems:
    return FilterProblems((FieldProblem(field, sentence),))
