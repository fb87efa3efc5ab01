"""S-6: engagement counted in code (spec 9.3)."""

from dataclasses import dataclass

import pytest

from socialanalyzer_dagster.domain.engagement import Reception, engagement_metrics, reception
from socialanalyzer_dagster.domain.policy import Policy


@dataclass(frozen=True)
class Post:
    likes: int | None = 150
    comments: int | None = 15
    is_pinned: bool = False
    likes_hidden: bool = False


@pytest.mark.parametrize(
    ("post", "expected"),
    [
        (Post(150, 15), Reception.ABOVE),
        (Post(149, 14), Reception.BELOW),
        (Post(150, 14), Reception.MIXED),
        (Post(149, 15), Reception.MIXED),
        (Post(0, 0), Reception.BELOW),
        (Post(None, 15), Reception.UNKNOWN),
        (Post(150, None), Reception.UNKNOWN),
        (Post(900, 90, likes_hidden=True), Reception.HIDDEN),
        (Post(None, None, likes_hidden=True), Reception.HIDDEN),
    ],
)
def test_a_post_is_above_only_with_both_counts_and_below_only_with_both(
    policy: Policy, post: Post, expected: Reception
) -> None:
    assert reception(post, policy.analysis) is expected


def test_pinned_posts_do_not_count_and_the_first_twelve_items_are_read(policy: Policy) -> None:
    items = [Post(is_pinned=True)] * 2 + [Post()] * 9 + [Post(0, 0)] * 9
    metrics = engagement_metrics(items, policy.analysis)
    assert metrics.model_dump() == {
        "posts_above_threshold": 9,
        "posts_below_threshold": 1,
        "posts_mixed": 0,
        "posts_hidden": 0,
        "posts_unknown": 0,
        "posts_analyzed": 10,
    }


def test_no_posts_are_no_posts(policy: Policy) -> None:
    assert engagement_metrics([], policy.analysis).posts_analyzed == 0
