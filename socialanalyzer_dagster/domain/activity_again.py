"""The activity rules once more, on the items that were kept of a feed: they may be fewer than the vendor showed (4)."""

import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from socialanalyzer_dagster.domain.activity import activity_problem, readable_dates
from socialanalyzer_dagster.domain.content_items import ContentItem
from socialanalyzer_dagster.domain.outcomes import Result
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.rescreening import NOT_KNOWN, PASSES, Rejudged, StoredScreening, rejects

_WHATEVER_THE_POLICY = frozenset({"private_account", "no_content", "no_unpinned_content"})
_GAP, _INACTIVE = "posting_gap", "inactive"


def activity_again(
    stored: StoredScreening, items: Sequence[ContentItem], policy: Policy, *, is_complete: bool
) -> Rejudged:
    """What the rules on dates would say under a policy, as of the day the lead was screened.

    Of a feed that was kept in part, only what the kept items and the stored reason prove is said.
    """
    if stored.code in _WHATEVER_THE_POLICY:
        return rejects(str(stored.code))
    if stored.code in (_GAP, _INACTIVE):
        return _still_rejected(stored, policy)
    if is_complete:
        problem = activity_problem(items, is_private=None, now=stored.judged_at, screening=policy.screening)
        if problem is None:
            return PASSES
        return rejects(str(problem.code)) if problem.result is Result.REJECTED else NOT_KNOWN
    return _from_a_part(stored, items, policy)


def _still_rejected(stored: StoredScreening, policy: Policy) -> Rejudged:
    """A rejection by date: its reason holds the dates; where it falls, nobody asked what comes after it."""
    screening, detail = policy.screening, stored.detail
    newest, earlier, later = (_instant(detail, name) for name in ("newest", "after", "before"))
    if newest is not None and stored.judged_at - newest > timedelta(days=screening.max_inactive_days):
        return rejects(_INACTIVE)
    if later is not None and earlier is not None and later - earlier > timedelta(days=screening.max_gap_days):
        return rejects(_GAP)
    return NOT_KNOWN


def _from_a_part(stored: StoredScreening, items: Sequence[ContentItem], policy: Policy) -> Rejudged:
    """An account that was found active: older items than the kept ones may hold a gap, newer ones are among them."""
    before, screening = stored.decided_under.screening, policy.screening
    loosened = screening.max_gap_days >= before.max_gap_days
    if loosened and screening.max_inactive_days >= before.max_inactive_days:
        return PASSES
    unpinned = [item.published_at for item in items if not item.is_pinned and item.published_at is not None]
    dates = readable_dates([item for item in items if not item.is_pinned])
    if not dates or unpinned != dates:
        return NOT_KNOWN  # not newest first: what was not kept may lie between
    if stored.judged_at - dates[0] > timedelta(days=screening.max_inactive_days):
        return rejects(_INACTIVE)
    if any(later - earlier > timedelta(days=screening.max_gap_days) for later, earlier in itertools.pairwise(dates)):
        return rejects(_GAP)
    return PASSES if loosened else NOT_KNOWN


def _instant(detail: Mapping[str, Any], name: str) -> datetime | None:
    text = detail.get(name)
    return datetime.fromisoformat(text) if isinstance(text, str) else None
