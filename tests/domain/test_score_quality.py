"""Precision, calibration and confusion of scores against a truth from anywhere."""

from decimal import Decimal

import pytest

from socialanalyzer_dagster.domain.score_quality import REJECTED, JudgedLead, Share, calibration, score_quality


def lead(score: str | None, tier: str | None, is_good: bool | None, platform: str = "testbook") -> JudgedLead:
    return JudgedLead(
        platform=platform, score=None if score is None else Decimal(score), tier=tier, is_good=is_good
    )  # fmt: skip


def test_precision_is_the_share_of_good_hosts_in_a_tier() -> None:
    found = score_quality([lead("0.9", "best", True), lead("0.8", "best", False), lead("0.3", "rest", False)])
    assert {tier: (share.good, share.of) for tier, share in found.precision.items()} == {"best": (1, 2), "rest": (0, 1)}


def test_a_lead_without_a_tier_counts_as_rejected_and_needs_no_score() -> None:
    found = score_quality([lead(None, None, True), lead("0.1", None, False)])
    assert (found.precision[REJECTED].good, found.precision[REJECTED].of) == (1, 2)
    assert len(found.curve) == 1


def test_a_lead_whose_truth_is_not_known_is_in_no_figure() -> None:
    found = score_quality([lead("0.9", "best", None)])
    assert (found.unknown, found.precision, found.confusion, found.curve) == (1, {}, {}, ())


def test_confusion_stands_per_platform() -> None:
    found = score_quality([lead("0.9", "best", True, "a"), lead("0.9", "best", False, "b")])
    assert {name: tiers["best"].good for name, tiers in found.confusion.items()} == {"a": 1, "b": 0}


def test_the_curve_has_ten_groups_of_equally_many_leads() -> None:
    curve = calibration([(Decimal(number) / 100, number >= 60) for number in range(100)])
    assert [band.share.of for band in curve] == [10] * 10
    assert [band.share.good for band in curve] == [0] * 6 + [10] * 4
    assert (curve[0].lowest, curve[-1].highest, curve[0].mean) == (Decimal(0), Decimal("0.99"), Decimal("0.045"))


def test_fewer_leads_than_groups_stand_alone() -> None:
    assert [band.share.of for band in calibration([(Decimal("0.5"), True), (Decimal("0.4"), False)])] == [1, 1]
    assert calibration([]) == ()


def test_a_share_of_few_leads_is_uncertain_and_of_nobody_is_none() -> None:
    low, high = Share(good=2, of=2).interval or (0, 0)
    assert (round(low, 2), high) == (0.34, 1.0)
    assert (Share().value, Share().interval, Share().text) == (None, None, "nobody")
    assert Share(good=41, of=49).text == "84 % (41 of 49; 95 % interval 71 to 91 %)"


@pytest.mark.parametrize("good", [0, 5])
def test_an_interval_never_leaves_zero_to_one(good: int) -> None:
    low, high = Share(good=good, of=5).interval or (-1, 2)
    assert 0 <= low <= high <= 1
