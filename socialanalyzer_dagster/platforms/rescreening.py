"""Stored screenings judged again under another policy, without a call: what each kind of platform can tell (4)."""

from collections.abc import Callable

from socialanalyzer_dagster.domain.activity_again import activity_again
from socialanalyzer_dagster.domain.content_items import ContentItem
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.rescreening import (
    NOT_KNOWN,
    PASSES,
    Rejudged,
    Ruling,
    StoredScreening,
    rejects,
    triage_again,
)
from socialanalyzer_dagster.platforms.evidence_kinds import (
    CONTENT_ITEMS,
    TRIAGE,
    ContentItems,
    StoredItem,
    TriageEvidence,
)
from socialanalyzer_dagster.platforms.evidence_reading import body_of
from socialanalyzer_dagster.platforms.text_triage import RuleProblem


def rescreened_by_text(problem_of: RuleProblem) -> Callable[[StoredScreening, Policy], Rejudged]:
    """For platforms without pictures: the rule on known facts, then the stored answer of the triage."""

    def again(stored: StoredScreening, policy: Policy) -> Rejudged:
        if (code := problem_of(stored.record, stored.filters)) is not None:
            return rejects(code)
        return _triaged(stored, policy) if policy.screening.text_triage else PASSES

    return again


def rescreened_by_content(stored: StoredScreening, policy: Policy) -> Rejudged:
    """For platforms with a feed: the activity rules on the kept items, then the stored answer of the triage.

    Where the dates leave it open, a rejection by the model is one all the same.
    """
    content = body_of(stored.evidence, CONTENT_ITEMS, ContentItems)
    if content is None:
        return NOT_KNOWN
    items = [_item(each) for each in content.items]
    is_complete = content.received == len(items)
    active = activity_again(stored, items, policy, is_complete=is_complete)
    if active.ruling is Ruling.REJECTED:
        return active
    triaged = _triaged(stored, policy)
    return triaged if active.ruling is Ruling.PASSED or triaged.ruling is Ruling.REJECTED else NOT_KNOWN


def _triaged(stored: StoredScreening, policy: Policy) -> Rejudged:
    return triage_again(body_of(stored.evidence, TRIAGE, TriageEvidence), policy)


def _item(stored: StoredItem) -> ContentItem:
    return ContentItem(
        item_id=stored.item_id,
        published_at=stored.published_at,
        is_pinned=stored.is_pinned,
        is_story=False,
        kind=stored.kind,
    )
