"""Whether an account is publicly active: rules on the dates of its feed, without a model (spec 7.1, 7.2)."""

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta

from socialanalyzer_dagster.domain.content_items import ContentItem
from socialanalyzer_dagster.domain.outcomes import Outcome, failed, rejected
from socialanalyzer_dagster.domain.policy_search import ScreeningPolicy
from socialanalyzer_dagster.domain.types import Stage


def feed_items(items: Sequence[ContentItem]) -> list[ContentItem]:
    """The items without stories, in the vendor's order."""
    return [item for item in items if not item.is_story]


def activity_problem(
    items: Sequence[ContentItem], *, is_private: bool | None, now: datetime, screening: ScreeningPolicy
) -> Outcome | None:
    """Why an account's content ends its way at screened, or None when it is active.

    `items` must be a full answer of the vendor: an empty one means that there is truly no content (what is not known
    never comes here). A newest unpinned item exactly `max_inactive_days` old, or a gap of exactly `max_gap_days`, still
    passes. Items without a readable date are left out; when no date is readable the result is failed(dates_unreadable).
    """
    if is_private:
        return rejected(Stage.SCREENED, "private_account")
    feed = feed_items(items)
    if not feed:
        return rejected(Stage.SCREENED, "no_content")
    unpinned = [item for item in feed if not item.is_pinned]
    if not unpinned:
        return rejected(Stage.SCREENED, "no_unpinned_content", items=len(feed))
    dates = readable_dates(unpinned)
    if not dates:
        return failed(Stage.SCREENED, "dates_unreadable", items=len(unpinned))
    return _dates_problem(dates, now=now, screening=screening)


def readable_dates(items: Sequence[ContentItem]) -> list[datetime]:
    """The aware publication times, newest first."""
    dates = (item.published_at for item in items)
    return sorted((date for date in dates if date is not None and date.tzinfo is not None), reverse=True)


def _dates_problem(dates: Sequence[datetime], *, now: datetime, screening: ScreeningPolicy) -> Outcome | None:
    newest = dates[0]
    if now - newest > timedelta(days=screening.max_inactive_days):
        return rejected(Stage.SCREENED, "inactive", newest=newest.isoformat(), days=(now - newest).days)
    gaps = [(later - earlier, later, earlier) for later, earlier in itertools.pairwise(dates)]
    longest = max(gaps, default=None)
    if longest is not None and longest[0] > timedelta(days=screening.max_gap_days):
        gap, later, earlier = longest
        return rejected(
            Stage.SCREENED, "posting_gap", days=gap.days, after=earlier.isoformat(), before=later.isoformat()
        )
    return None
