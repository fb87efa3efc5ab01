"""What is usual, and from when on a batch differs: more than a quarter and more than chance (spec 14.3, 14.4)."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from socialanalyzer_dagster.domain.baseline_texts import comparison_text
from socialanalyzer_dagster.domain.baselines import Comparison, Figure, Good, Grade, Kind, Unit, baseline_of, compared
from socialanalyzer_dagster.domain.batch_metrics import BatchTotals, StageTotals, figures_of
from socialanalyzer_dagster.domain.policy import Policy, shipped_policy
from socialanalyzer_dagster.domain.types import Stage

POLICY = shipped_policy()
METRICS = POLICY.metrics
WINDOW = 22
"""Working days within the window of 30 days: one batch each."""


def share(value: float, leads: int) -> Figure:
    return Figure(name="screened_yield", kind=Kind.SHARE, unit=Unit.PERCENT, good=Good.UP, value=value, leads=leads)


def graded(figure: Figure, *earlier: float) -> Comparison:
    return compared(figure, earlier, "preset walkers", METRICS)


def test_two_batches_and_a_median_of_zero_give_no_baseline() -> None:
    assert baseline_of([0.5, 0.5], "x", METRICS) is None
    assert baseline_of([0.0, 0.0, 0.4], "x", METRICS) is None
    found = baseline_of([0.5, 0.4, 0.6], "x", METRICS)
    assert found is not None
    assert (found.middle, round(found.deviation, 3), found.is_young) == (0.5, 0.1, True)


@pytest.mark.parametrize(
    ("value", "leads", "grade"),
    [
        (0.48, 400, Grade.USUAL),
        (0.33, 400, Grade.NOTABLE),
        (0.20, 400, Grade.SIGNIFICANT),
        (0.90, 400, Grade.SIGNIFICANT),
        (0.20, 10, Grade.TOO_FEW),
        (0.0, 4, Grade.TOO_FEW),
    ],
)
def test_a_change_is_told_from_a_quarter_on_where_chance_is_ruled_out(value: float, leads: int, grade: Grade) -> None:
    usual = [0.5, 0.51, 0.49, 0.5, 0.5, 0.51, 0.49, 0.5, 0.5, 0.5]
    assert graded(share(value, leads), *usual).grade is grade


def test_three_batches_that_vary_say_too_little_to_rule_chance_out() -> None:
    assert graded(share(0.2, 400), 0.5, 0.35, 0.62).grade is Grade.TOO_FEW
    assert graded(share(0.2, 400), *[0.5, 0.35, 0.62] * 7).grade is Grade.TOO_FEW
    assert graded(share(0.2, 400), *[0.5, 0.49, 0.51] * 7).grade is Grade.SIGNIFICANT


def test_a_share_that_was_always_all_is_not_broken_by_one_lead_of_two() -> None:
    always = [1.0] * 12
    assert graded(share(0.5, 2), *always).grade is Grade.TOO_FEW
    assert graded(share(0.5, 40), *always).grade is Grade.SIGNIFICANT


def test_the_text_says_the_direction_and_separately_whether_it_is_bad() -> None:
    worse = graded(share(0.2, 400), *[0.5] * 12)
    assert comparison_text(worse) == (
        "Screened yield is 20%, 60% below the usual 50% of preset walkers (median of 12 batches): significant and bad."
    )
    better = graded(share(0.9, 400), *[0.5] * 5)
    assert comparison_text(better).endswith("(median of 5 batches, a young baseline): significant and not bad.")
    few = graded(share(0.2, 5), *[0.5] * 12)
    assert comparison_text(few).endswith(": too few leads to tell.")
    assert comparison_text(graded(share(0.2, 5))) == "Screened yield is 20%; there is no baseline yet."


def batch(dice: random.Random, *, fit: float = 0.6, price: float = 1.0) -> BatchTotals:
    """A batch as a healthy search brings it: shares by chance, a little different from day to day."""
    found = dice.randint(80, 220)
    new = drawn(dice, found, dice.gauss(0.75, 0.04))
    screened = drawn(dice, new, dice.gauss(fit, 0.02))
    enriched = drawn(dice, screened, dice.gauss(0.7, 0.03))
    scores = [min(max(dice.gauss(0.55, 0.12), 0.0), 1.0) for _ in range(enriched)]
    tiers = {"auto_enroll": sum(score > 0.65 for score in scores), "standard_review": enriched}
    mean = sum(scores) / max(enriched, 1)
    spread = (sum((score - mean) ** 2 for score in scores) / max(enriched, 1)) ** 0.5
    return BatchTotals(
        found=found,
        new=new,
        stages={
            Stage.SCREENED: StageTotals(judged=new, passed=screened, busy_seconds=new * dice.lognormvariate(0, 0.2)),
            Stage.ENRICHED: StageTotals(
                judged=screened, passed=enriched, failed=drawn(dice, screened - enriched, 0.05),
                busy_seconds=screened * dice.lognormvariate(1, 0.2),
            ),
            Stage.ANALYZED: StageTotals(judged=enriched, passed=enriched, busy_seconds=enriched * 3.0),
            Stage.SCORED: StageTotals(judged=enriched, passed=enriched, busy_seconds=enriched * 1.0),
        },
        mean_score=mean,
        score_spread=spread,
        tiers={**tiers, "standard_review": enriched - tiers["auto_enroll"]},
        cost_micros=round(price * sum(dice.gauss(90_000, 20_000) for _ in range(new))),
    )  # fmt: skip


def drawn(dice: random.Random, leads: int, rate: float) -> int:
    return sum(dice.random() < rate for _ in range(leads))


def each_day(batches: list[BatchTotals], policy: Policy = POLICY) -> Iterator[list[Comparison]]:
    """Every batch beside those of the window before it."""
    figures = [figures_of(each, policy) for each in batches]
    for at, own in enumerate(figures):
        window = figures[max(0, at - WINDOW) : at]
        yield [
            compared(figure, [each[name].value for each in window if name in each], "all", policy.metrics)
            for name, figure in own.items()
        ]


def alarms(found: list[Comparison]) -> list[str]:
    return [
        each.figure.name
        for each in found
        if (each.is_bad and each.grade in (Grade.NOTABLE, Grade.SIGNIFICANT)) or each.is_bad_drift
    ]


def test_a_year_of_healthy_batches_raises_less_than_two_false_alarms_in_a_hundred() -> None:
    dice = random.Random(20261120)
    days = list(each_day([batch(dice) for _ in range(260)]))
    assert sum(bool(alarms(found)) for found in days) < 0.02 * len(days)
    assert sum(each.baseline is not None for found in days for each in found) > 200 * 10


def test_a_planted_regression_is_flagged_at_once() -> None:
    dice = random.Random(7)
    *_, last = each_day([*(batch(dice) for _ in range(WINDOW)), batch(dice, fit=0.25)])
    found = {each.figure.name: each for each in last}
    assert found["screened_yield"].grade is Grade.SIGNIFICANT
    assert found["screened_yield"].is_bad


def test_a_price_that_doubles_is_flagged_at_once() -> None:
    dice = random.Random(8)
    *_, last = each_day([*(batch(dice) for _ in range(WINDOW)), batch(dice, price=2.0)])
    assert alarms(last) == ["cost_per_scored_lead"]


def test_a_slow_decline_is_flagged_within_its_window_although_no_batch_differs_from_the_one_before() -> None:
    dice = random.Random(9)
    declining = [batch(dice, fit=0.6 * (1 - 0.02 * day)) for day in range(WINDOW)]
    days = list(each_day([*(batch(dice) for _ in range(WINDOW)), *declining]))
    assert not any("screened_yield" in alarms(found) for found in days[: WINDOW + 2])
    flagged = [day for day, found in enumerate(days) if "screened_yield" in alarms(found)]
    assert flagged
    assert flagged[0] < 2 * WINDOW
    drift = next(each for each in days[-1] if each.figure.name == "screened_yield").drift
    assert drift is not None
    assert drift.change < -METRICS.notable
    told = comparison_text(next(each for each in days[-1] if each.figure.name == "screened_yield"))
    assert "It has fallen by" in told
    assert told.endswith("little by little: bad.")


def test_what_nothing_was_counted_for_gives_no_figure() -> None:
    assert figures_of(BatchTotals(), POLICY) == {}
    empty = replace(batch(random.Random(1)), stages={}, mean_score=None)
    assert set(figures_of(empty, POLICY)) == {"novelty"}
