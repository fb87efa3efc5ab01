"""Stored screenings under another policy: what is proven is said, everything else is not known (spec 4, 7.1)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from socialanalyzer_dagster.domain.activity_again import activity_again
from socialanalyzer_dagster.domain.content_items import ContentItem, MediaKind
from socialanalyzer_dagster.domain.lead_judgements import Triage
from socialanalyzer_dagster.domain.leads import AudienceKind, LeadRecord
from socialanalyzer_dagster.domain.policy import Policy, parse_policy, shipped_policy
from socialanalyzer_dagster.domain.rescreening import NOT_KNOWN, PASSES, StoredScreening, rejects, triage_again
from socialanalyzer_dagster.domain.types import PlatformKey
from socialanalyzer_dagster.platforms.facebook import FACEBOOK
from socialanalyzer_dagster.platforms.facebook_filters import FacebookFilters

POLICY = shipped_policy()
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def screening(**changes: Any) -> Policy:
    document = POLICY.document()
    document["screening"] |= changes
    return parse_policy(document)


def doubt(confidence: float, code: str | None = "topic_golf") -> Triage:
    decision = "continue" if code is None else "reject"
    return Triage.model_validate(
        {"decision": decision, "reject_code": code, "confidence": confidence, "reasoning": "seen on the page"}
    )


def stored(code: str | None = None, **detail: str) -> StoredScreening:
    record = LeadRecord(
        platform=PlatformKey("testbook"), platform_id="1", handle="one", profile_url="",
        audience_kind=AudienceKind.FOLLOWERS,
    )  # fmt: skip
    return StoredScreening(
        record=record, filters=None, evidence={}, judged_at=NOW, decided_under=POLICY, code=code, detail=detail
    )  # fmt: skip


def feed(*days_ago: float) -> list[ContentItem]:
    return [
        ContentItem(
            item_id=str(number), published_at=NOW - timedelta(days=days), is_pinned=False, is_story=False,
            kind=MediaKind.IMAGE,
        )
        for number, days in enumerate(days_ago)
    ]  # fmt: skip


def test_the_threshold_decides_whether_a_stored_rejection_counts():
    assert triage_again(doubt(0.85), POLICY) == rejects("topic_golf")
    assert triage_again(doubt(0.85), screening(reject_confidence="0.9")) == PASSES
    assert triage_again(doubt(0.1, None), POLICY) == PASSES


def test_what_the_model_was_never_asked_is_not_known():
    assert triage_again(None, POLICY) == NOT_KNOWN
    offered = {name: text for name, text in POLICY.screening.reject_topics.items() if name != "golf"}
    assert triage_again(doubt(0.9), screening(reject_topics=offered)) == NOT_KNOWN


def test_a_feed_that_was_kept_whole_is_judged_as_on_the_day_it_was_seen():
    items = feed(1, 30)
    assert activity_again(stored(), items, POLICY, is_complete=True) == PASSES
    assert activity_again(stored(), items, screening(max_gap_days=20), is_complete=True) == rejects("posting_gap")


@pytest.mark.parametrize(
    ("changes", "items", "said"),
    [
        ({"max_gap_days": 50}, feed(1, 30), PASSES),
        ({"max_gap_days": 20}, feed(1, 30), rejects("posting_gap")),
        ({"max_gap_days": 35}, feed(1, 30), NOT_KNOWN),
        ({"max_gap_days": 20}, feed(30, 1), NOT_KNOWN),
        ({"max_inactive_days": 5}, feed(8, 30), rejects("inactive")),
        ({"max_inactive_days": 9}, feed(8, 30), PASSES),
    ],
    ids=["looser", "a gap among them", "no gap among them", "not in order", "too old", "new enough"],
)
def test_of_a_feed_that_was_kept_in_part_only_what_is_proven_is_said(changes, items, said):
    assert activity_again(stored(), items, screening(**changes), is_complete=False) == said


def test_a_rejection_by_date_stands_until_its_own_dates_pass():
    gap = stored("posting_gap", after="2026-08-01T00:00:00+00:00", before="2026-10-01T00:00:00+00:00")
    assert activity_again(gap, (), screening(max_gap_days=60), is_complete=False) == rejects("posting_gap")
    assert activity_again(gap, (), screening(max_gap_days=61), is_complete=False) == NOT_KNOWN
    old = stored("inactive", newest="2026-10-01T00:00:00+00:00")
    assert activity_again(old, (), POLICY, is_complete=True) == rejects("inactive")
    assert activity_again(old, (), screening(max_inactive_days=60), is_complete=True) == NOT_KNOWN


def test_a_private_account_stays_rejected_whatever_the_policy_says():
    private = stored("private_account")
    assert activity_again(private, (), screening(max_gap_days=900), is_complete=True) == rejects("private_account")


def test_a_group_with_unknown_members_breaks_no_rule_and_its_triage_is_asked():
    filters = FacebookFilters.model_construct(
        min_members=900, max_members=None, visibility="all", min_posts_per_month=None
    )
    case = stored()
    group = StoredScreening(
        record=case.record, filters=filters, evidence={}, judged_at=NOW, decided_under=POLICY, code=None, detail={}
    )
    assert FACEBOOK.rescreen(group, POLICY) == NOT_KNOWN
    assert FACEBOOK.rescreen(group, screening(text_triage=False)) == PASSES
