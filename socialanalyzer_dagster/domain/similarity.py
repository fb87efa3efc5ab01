"""How much a search resembles earlier ones, told from its filters alone (spec 5.8)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from socialanalyzer_dagster.domain.outside_text import one_line
from socialanalyzer_dagster.domain.policy_search import SimilarityPolicy

OPEN_END = 10_000_000
_WORD_FIELDS = ("hashtags", "search_keywords", "keywords")
_NAME_FIELDS = ("creator_interests", "audience_interests")
_RANGES = {"patrons": ("min_patrons", "max_patrons"), "members": ("min_members", "max_members")}
_WORDS = re.compile(r"\w+")
Range = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PastSearch:
    """One completed batch of the platform with the filters it ran with."""

    batch_id: str
    filters: Mapping[str, Any]
    found: int
    synced: int
    finished_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarBatch:
    """A past batch that resembles the search: `similarity` 0..1 with 3 decimals."""

    batch_id: str
    similarity: Decimal
    found: int
    synced: int
    days_ago: int


def similar_batches(
    filters: Mapping[str, Any], past: Iterable[PastSearch], *, now: datetime, policy: SimilarityPolicy
) -> list[SimilarBatch]:
    """The batches at or above `report_at` among the newest `newest_batches`, most similar first."""
    newest = sorted(past, key=lambda search: (search.finished_at, search.batch_id), reverse=True)
    scored = [(similarity(filters, search.filters, policy), search) for search in newest[: policy.newest_batches]]
    similar = [(score, search) for score, search in scored if score >= Fraction(policy.report_at)]
    return [
        SimilarBatch(
            batch_id=search.batch_id,
            similarity=_three_decimals(score),
            found=search.found,
            synced=search.synced,
            days_ago=(now - search.finished_at).days,
        )
        for score, search in sorted(similar, key=lambda pair: pair[0], reverse=True)
    ]


def similarity(left: Mapping[str, Any], right: Mapping[str, Any], policy: SimilarityPolicy) -> Fraction:
    """0..1, exact and symmetric: weighted token Jaccard and mean range overlap.

    If only one of the two parts exists on both sides it counts fully; if neither does the result is 0.
    """
    tokens = _token_overlap(filter_tokens(left), filter_tokens(right))
    ranges = _range_overlap(filter_ranges(left), filter_ranges(right))
    if tokens is None or ranges is None:
        return tokens if tokens is not None else ranges if ranges is not None else Fraction(0)
    return Fraction(policy.token_weight) * tokens + Fraction(policy.range_weight) * ranges


def filter_tokens(filters: Mapping[str, Any]) -> frozenset[str]:
    """Words of hashtags, phrases and keywords, whole interest names, the lookalike and the location."""
    phrases = [
        filters.get("bio_phrase"),
        *(clause.get("bio_phrase") for clause in filters.get("bio_phrase_advanced") or ()),
    ]
    texts = [text for name in _WORD_FIELDS for text in filters.get(name) or ()] + [text for text in phrases if text]
    tokens = {word for text in texts for word in _WORDS.findall(one_line(text).lower())}
    tokens |= {one_line(name).lower() for field in _NAME_FIELDS for name in filters.get(field) or ()}
    if handle := filters.get("lookalike_username"):
        tokens.add(f"lookalike:{filters.get('lookalike_type')}:{handle.lower()}")
    if location := filters.get("location"):
        tokens.add(f"location:{one_line(location).lower()}")
    return frozenset(tokens)


def filter_ranges(filters: Mapping[str, Any]) -> dict[str, Range]:
    """The given ranges of followers, patrons and members; an open end is 0 or 10 million."""
    followers = filters.get("follower_count") or {}
    ends = {"followers": (followers.get("min"), followers.get("max"))}
    ends |= {name: (filters.get(low), filters.get(high)) for name, (low, high) in _RANGES.items()}
    return {
        name: (low if low is not None else 0, high if high is not None else OPEN_END)
        for name, (low, high) in ends.items()
        if low is not None or high is not None
    }


def _token_overlap(left: frozenset[str], right: frozenset[str]) -> Fraction | None:
    return Fraction(len(left & right), len(left | right)) if left and right else None


def _range_overlap(left: Mapping[str, Range], right: Mapping[str, Range]) -> Fraction | None:
    if not left or not right:
        return None
    overlaps = [
        _overlap(left[name], right[name]) if name in left and name in right else Fraction(0)
        for name in left.keys() | right.keys()
    ]
    return sum(overlaps, Fraction(0)) / len(overlaps)


def _overlap(left: Range, right: Range) -> Fraction:
    shared = max(0, min(left[1], right[1]) - max(left[0], right[0]))
    span = max(left[1], right[1]) - min(left[0], right[0])
    if span == 0:
        return Fraction(1)
    return Fraction(shared, span)


def _three_decimals(value: Fraction) -> Decimal:
    return Decimal(round(value * 1000)) / 1000
