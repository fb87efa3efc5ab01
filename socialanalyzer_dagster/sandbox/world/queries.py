"""What the world can be searched for by filters."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class BioClause:
    """One phrase a bio must (AND), may (OR) or must not (NOT) contain, case-insensitive."""

    phrase: str
    action: Literal["AND", "OR", "NOT"]


@dataclass(frozen=True, slots=True)
class InstagramQuery:
    """A creator search by the provider's filters; None and empty mean not asked for.

    Any one of ``interests`` / ``hashtags`` / ``credibility`` matches; all AND clauses must, at least one OR clause
    must, no NOT clause may match. ``language`` and ``country_code`` are the creator's. ``lookalike`` is a handle:
    creators of the same niche match. ``requires_email`` keeps creators whose address the provider lists.
    """

    follower_min: int | None = None
    follower_max: int | None = None
    interests: tuple[str, ...] = ()
    audience_interests: tuple[str, ...] = ()
    hashtags: tuple[str, ...] = ()
    clauses: tuple[BioClause, ...] = ()
    lookalike: str | None = None
    requires_email: bool = False
    language: str | None = None
    country_code: str | None = None
    audience_usa_above: float | None = None
    credibility: tuple[str, ...] = ()
    is_ascending: bool = False
    account_types: tuple[str, ...] = field(default=())
