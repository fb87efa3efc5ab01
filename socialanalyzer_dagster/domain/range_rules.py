"""Rules on counts and visibility that drop a lead before anything is paid; what is unknown passes (spec 7.1, I-6)."""

from decimal import Decimal


def nsfw_problem(is_nsfw: bool | None) -> str | None:
    """'nsfw' when the provider says so."""
    return "nsfw" if is_nsfw else None


def patrons_problem(patrons: int | None, minimum: int | None, maximum: int | None) -> str | None:
    """patrons_below_min or patrons_above_max; both bounds are allowed values, None is no bound."""
    return _outside(patrons, minimum, maximum, name="patrons")


def members_problem(members: int | None, minimum: int | None, maximum: int | None) -> str | None:
    """members_below_min or members_above_max; both bounds are allowed values, None is no bound."""
    return _outside(members, minimum, maximum, name="members")


def posts_problem(posts: int | None, minimum: int | None) -> str | None:
    """posts_below_min."""
    return _outside(posts, minimum, None, name="posts")


def posting_rate_problem(posts_per_month: Decimal | None, minimum: int | None) -> str | None:
    """posting_rate_below_min."""
    return _outside(posts_per_month, minimum, None, name="posting_rate")


def visibility_problem(wanted: str, seen: str | None) -> str | None:
    """visibility_mismatch when 'public' or 'private' is wanted and the other one was seen; 'all' wants nothing."""
    return "visibility_mismatch" if wanted != "all" and seen is not None and seen != wanted else None


def _outside(value: int | Decimal | None, minimum: int | None, maximum: int | None, *, name: str) -> str | None:
    if value is None:
        return None
    if minimum is not None and value < minimum:
        return f"{name}_below_min"
    return f"{name}_above_max" if maximum is not None and value > maximum else None
