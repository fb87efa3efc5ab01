"""Hidden truths: how good a host somebody really is, drawn so that screening and tiers spread believably."""

from typing import Literal

from socialanalyzer_dagster.sandbox.world.dice import Dice
from socialanalyzer_dagster.sandbox.world.models import MailboxStatus, Truth
from socialanalyzer_dagster.sandbox.world.niches import Niche

Activity = Literal["active", "inactive", "gap", "empty", "pinned_only"]

_PROFILE_CODES = (
    ("profile_brand_no_person", 0.012), ("profile_meme_aggregator", 0.007), ("profile_repost_only", 0.006),
    ("profile_explicit_offensive", 0.004), ("profile_firearms", 0.003), ("profile_news_media", 0.005),
    ("profile_possible_minor", 0.006),
)  # fmt: skip
_MAILBOXES: tuple[tuple[MailboxStatus, float], ...] = (
    ("ok", 0.79), ("catch_all", 0.08), ("unknown", 0.04), ("invalid", 0.075), ("disposable", 0.015),
)  # fmt: skip
_BAD_FIT_SHARE = 0.09
INJECTING_SHARE = 0.02


def make(dice: Dice, niche: Niche, *, language: str, activity: Activity, has_email: bool) -> Truth:
    """The truth of one creator; draws are made in a fixed order, so nothing else shifts when a fact is unused."""
    reject_code = _reject_code(dice, niche, language)
    quality = _quality(dice, niche, is_reject=reject_code is not None)
    dimensions = tuple(_share(quality + dice.normal(0.0, 0.08)) for _ in range(5))
    mailbox = _mailbox(dice)
    apollo_knows, finder_knows = dice.chance(0.45), dice.chance(0.35)
    leads_trips = dice.chance(max(0.02, 0.6 * (quality - 0.3)))
    return Truth(
        dimensions=(dimensions[0], dimensions[1], dimensions[2], dimensions[3], dimensions[4]),
        category=niche.category if not dice.chance(0.02) else "unknown",
        niche=niche.key,
        language=language,
        reject_code=reject_code,
        is_minor=reject_code == "profile_possible_minor",
        is_brand=reject_code == "profile_brand_no_person",
        is_injecting=dice.chance(INJECTING_SHARE),
        mailbox=mailbox if has_email else None,
        apollo_knows=apollo_knows,
        leads_finder_knows=finder_knows,
        leads_trips=leads_trips and reject_code is None,
        activity=activity,
    )


def _reject_code(dice: Dice, niche: Niche, language: str) -> str | None:
    draw = dice.unit()
    if niche.reject_code is not None:
        return niche.reject_code
    if language != "en":
        return "profile_non_english"
    for code, share in _PROFILE_CODES:
        if draw < share:
            return code
        draw -= share
    return None


def _quality(dice: Dice, niche: Niche, *, is_reject: bool) -> float:
    is_bad_fit = dice.chance(_BAD_FIT_SHARE)
    quality = dice.normal(0.44 + niche.appeal, 0.18)
    if is_bad_fit or is_reject:
        quality = dice.normal(0.14, 0.06)
    return min(0.97, max(0.02, quality))


def _mailbox(dice: Dice) -> MailboxStatus:
    draw = dice.unit()
    for status, share in _MAILBOXES:
        if draw < share:
            return status
        draw -= share
    return "ok"


def _share(value: float) -> float:
    return round(min(0.98, max(0.0, value)), 3)
