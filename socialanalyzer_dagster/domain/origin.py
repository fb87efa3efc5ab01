"""The answer to 'where did you find my address', as text that can be sent (spec 19.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

_FOUND_AS = {
    "person": "as you told us yourself",
    "discovery": "in what a licensed data provider lists for the account",
    "mailto": "as a link to write an e-mail",
    "structured": "in a field of the profile or feed",
    "text": "in plain text",
    "obfuscated": "in text, written with (at) or (dot)",
    "paid_lookup": "at a provider of business contacts",
}
NOTHING = "We hold no data about you under this name. You will not be contacted by us."


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundValue:
    """One contact value with its provenance."""

    field: str
    value: str
    kind: str
    step: str
    provider: str
    source_url: str | None
    fetched_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginFacts:
    """What is said about one account: where its data comes from and on which basis it is kept."""

    account: str
    profile_url: str
    collected_at: datetime
    lawful_basis: str | None
    country: str
    values: Sequence[FoundValue]


def origin_text(accounts: Sequence[OriginFacts]) -> str:
    """Ready text for the person; NOTHING when no account is known."""
    return "\n\n".join(map(_about, accounts)) or NOTHING


def _about(facts: OriginFacts) -> str:
    found = f"We found the public account {facts.account} ({facts.profile_url}) on {_day(facts.collected_at)}."
    lines = [found, *(f"- {_value(each)}" for each in facts.values)]
    basis = facts.lawful_basis or "none is recorded, so the data is not used to contact anybody"
    lines += [
        f"Lawful basis: {basis}. Country: {facts.country}.",
        "You may ask for a copy, for a correction or for erasure, and object at any time.",
    ]
    return "\n".join(lines)


def _value(each: FoundValue) -> str:
    place = f" at {each.source_url}" if each.source_url else ""
    how = _FOUND_AS.get(each.kind, each.kind)
    name = each.field.replace("_", " ")
    return f"{name} {each.value}: {how}{place}, {_day(each.fetched_at)} (source {each.provider}, step {each.step})"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def known_country(country: str, place: str, step: str) -> str:
    """A country and how it was learned, in words."""
    return f"{country} (from {place}, step {step})"
