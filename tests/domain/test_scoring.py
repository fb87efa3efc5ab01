"""The score formula, tiers and stability of spec 10.2 to 10.5."""

import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socialanalyzer_dagster.domain.policy import Policy, parse_policy
from socialanalyzer_dagster.domain.scores import DIMENSIONS, ScoreInputs, ScoreRecord
from socialanalyzer_dagster.domain.scoring import (
    BELOW_MIN_SCORE,
    compute_score,
    figures_of,
    needs_repeats,
    recompute,
    with_kept_tier,
)

ORACLE = ("0.80", "0.70", "0.60", "0.50", "0.40")


def answer(*values: str) -> dict[str, Decimal]:
    return dict(zip(DIMENSIONS, map(Decimal, values), strict=True))


def flat(value: str) -> dict[str, Decimal]:
    return answer(*[value] * 5)


def inputs(*answers: dict[str, Decimal], **changes) -> ScoreInputs:
    known = {
        "platform": "instagram",
        "answers": answers or (answer(*ORACLE),),
        "category": "learning",
        "audience_size": None,
        "posts_above": None,
        "posts_below": None,
        "posts_hidden": None,
        "travel_flag": False,
    }
    return ScoreInputs.model_validate({**known, **changes})


def test_the_oracle_of_the_specification(policy: Policy) -> None:
    plain = compute_score(inputs(), "why", policy)
    assert plain.base == Decimal("0.665")
    known = inputs(category="entertainment", audience_size=80_000, posts_above=4, posts_below=2, posts_hidden=1)
    score = compute_score(known, "why", policy)
    assert score.base == Decimal("0.565")
    assert score.boost == Decimal("0.10")
    assert score.adjustment == Decimal("0.01")
    assert score.lead_score == Decimal("0.675")
    assert score.tier == "standard_review"
    assert (score.rule_row, score.expected_precision) == (3, Decimal("0.681"))


def test_figures_are_stored_with_four_decimals(policy: Policy) -> None:
    stored = compute_score(inputs(), "why", policy).model_dump(mode="json")
    assert (stored["base"], stored["lead_score"], stored["boost"]) == ("0.6650", "0.6650", "0.0000")
    assert stored["sections"]["engagement_and_connection"] == "0.4000"


@pytest.mark.parametrize(
    ("size", "boost"),
    [(None, "0"), (0, "0"), (49_999, "0"), (50_000, "0.05"), (75_000, "0.10"), (99_999, "0.10"), (100_000, "0.15")],
)
def test_the_boost_is_the_first_step_reached_and_unknown_size_adds_nothing(
    policy: Policy, size: int | None, boost: str
) -> None:
    assert figures_of(inputs(audience_size=size), policy).boost == Decimal(boost)


@pytest.mark.parametrize(
    ("above", "below", "hidden", "adjustment"),
    [
        (0, 0, 0, "0"),
        (12, 0, 0, "0.20"),
        (0, 12, 0, "-0.15"),
        (0, 0, 12, "-0.15"),
        (0, 6, 6, "-0.20"),
        (1, 12, 0, "-0.12"),
    ],
)
def test_engagement_counts_within_its_limits(
    policy: Policy, above: int, below: int, hidden: int, adjustment: str
) -> None:
    counted = inputs(posts_above=above, posts_below=below, posts_hidden=hidden)
    assert figures_of(counted, policy).adjustment == Decimal(adjustment)


def test_unknown_engagement_costs_nothing(policy: Policy) -> None:
    assert figures_of(inputs(), policy).adjustment == 0


def test_a_score_never_leaves_zero_to_one(policy: Policy) -> None:
    worst = figures_of(
        inputs(flat("0"), category="entertainment", posts_above=0, posts_below=9, posts_hidden=9), policy
    )
    best = figures_of(inputs(flat("1"), audience_size=10**9, posts_above=12, posts_below=0, posts_hidden=0), policy)
    assert (worst.base, worst.lead_score, best.base, best.lead_score) == (0, 0, 1, 1)


def test_the_travel_floor_lifts_instagram_leads_before_the_tier_is_set(policy: Policy) -> None:
    lifted = compute_score(inputs(flat("0.10"), travel_flag=True), "why", policy)
    assert (lifted.lead_score, lifted.floor_applied, lifted.tier) == (Decimal("0.5"), True, "standard_review")
    other = compute_score(inputs(flat("0.10"), travel_flag=True, platform="patreon"), "why", policy)
    assert (other.lead_score, other.floor_applied, other.tier) == (Decimal("0.1"), False, None)
    above = compute_score(inputs(flat("0.60"), travel_flag=True), "why", policy)
    assert (above.lead_score, above.floor_applied) == (Decimal("0.6"), False)


@pytest.mark.parametrize(
    ("value", "size", "tier", "row"),
    [
        ("0.65", None, "auto_enroll", 1),
        ("0.64", None, "standard_review", 3),
        ("0.64", 100_000, "standard_review", 3),
        ("0.25", None, "standard_review", 3),
        ("0.24", None, None, 4),
    ],
)
def test_the_first_matching_tier_row_decides(
    policy: Policy, value: str, size: int | None, tier: str | None, row: int
) -> None:
    score = compute_score(inputs(flat(value), audience_size=size), "why", policy)
    assert (score.tier, score.rule_row) == (tier, row)


def test_a_high_lead_score_enrolls_without_a_high_base(policy: Policy) -> None:
    raised = inputs(flat("0.64"), audience_size=100_000, posts_above=3, posts_below=0, posts_hidden=0)
    score = compute_score(raised, "why", policy)
    assert (score.lead_score, score.rule_row, score.expected_precision) == (Decimal("0.88"), 2, Decimal("0.705"))


def test_a_minimum_of_zero_syncs_all(policy: Policy) -> None:
    document = policy.document()
    document["tiers"]["rows"][2]["at_least"] = 0
    assert compute_score(inputs(flat("0")), "why", parse_policy(document)).tier == "standard_review"


def test_weights_of_one_platform_replace_the_common_ones(policy: Policy) -> None:
    document = policy.document()
    only_first = dict.fromkeys(DIMENSIONS, 0) | {DIMENSIONS[0]: 1}
    document["scoring"]["weights_by_platform"] = {"patreon": only_first}
    changed = parse_policy(document)
    assert figures_of(inputs(platform="patreon"), changed).base == Decimal("0.8")
    assert figures_of(inputs(), changed).base == Decimal("0.665")


def test_a_missing_answer_is_never_a_score(policy: Policy) -> None:
    with pytest.raises(ValueError, match="at least one answer"):
        compute_score(inputs().model_copy(update={"answers": ()}), "why", policy)


@pytest.mark.parametrize(
    ("value", "repeats"),
    [
        ("0.62", 2),
        ("0.65", 2),
        ("0.68", 2),
        ("0.61", 0),
        ("0.69", 0),
        ("0.28", 2),
        ("0.22", 2),
        ("0.21", 0),
        ("0.50", 0),
    ],
)
def test_a_score_near_a_threshold_is_asked_for_three_answers(policy: Policy, value: str, repeats: int) -> None:
    assert needs_repeats(inputs(flat(value)), policy) == repeats


def test_repeats_end_with_three_answers_whatever_the_median_says(policy: Policy) -> None:
    two = inputs(flat("0.65"), flat("0.10"))
    assert needs_repeats(two, policy) == 1
    assert needs_repeats(inputs(flat("0.65"), flat("0.10"), flat("0.64")), policy) == 0


def test_the_median_counts_per_dimension(policy: Policy) -> None:
    three = inputs(flat("0.10"), flat("0.90"), answer("0.50", "0.20", "0.95", "0.10", "0.60"))
    sections = compute_score(three, "why", policy).sections
    assert list(sections.values()) == list(map(Decimal, ["0.5", "0.2", "0.9", "0.1", "0.6"]))


def judged_again(policy: Policy, first: str, second: str, *, same_evidence: bool = True) -> ScoreRecord:
    earlier = compute_score(inputs(flat(first), evidence_ids=("a",)), "why", policy)
    fresh = inputs(flat(second), evidence_ids=("a",) if same_evidence else ("b",))
    return compute_score(with_kept_tier(fresh, earlier, policy), "why", policy)


@pytest.mark.parametrize(
    ("first", "second", "tier"),
    [
        ("0.70", "0.65", "auto_enroll"),
        ("0.64", "0.65", "standard_review"),
        ("0.64", "0.66", "auto_enroll"),
        ("0.24", "0.25", None),
        ("0.24", "0.26", "standard_review"),
        ("0.26", "0.24", None),
        ("0.90", "0.20", None),
        ("0.20", "0.90", "auto_enroll"),
    ],
)
def test_a_tier_is_kept_unless_the_threshold_is_passed_by_the_margin(
    policy: Policy, first: str, second: str, tier: str | None
) -> None:
    assert judged_again(policy, first, second).tier == tier


def test_a_fall_by_less_than_the_margin_keeps_the_tier(policy: Policy) -> None:
    earlier = compute_score(inputs(flat("0.70"), evidence_ids=("a",)), "why", policy)
    slightly_below = inputs(answer("0.65", "0.65", "0.65", "0.65", "0.50"), evidence_ids=("a",))
    kept = with_kept_tier(slightly_below, earlier, policy)
    score = compute_score(kept, "why", policy)
    assert (score.base, score.tier, score.rule_row) == (Decimal("0.6425"), "auto_enroll", 1)
    assert score.inputs.kept_tier == "auto_enroll"
    assert recompute(score, policy) == score


def test_a_rejected_lead_stays_rejected_inside_the_margin(policy: Policy) -> None:
    score = judged_again(policy, "0.24", "0.25")
    assert (score.inputs.kept_tier, score.rule_row, score.expected_precision) == (BELOW_MIN_SCORE, 4, None)
    assert recompute(score, policy) == score


def test_new_evidence_gives_the_fresh_tier(policy: Policy) -> None:
    assert judged_again(policy, "0.64", "0.65", same_evidence=False).tier == "auto_enroll"


hundredths = st.integers(0, 100).map(lambda value: Decimal(value) / 100)
answers = st.lists(st.fixed_dictionaries(dict.fromkeys(DIMENSIONS, hundredths)), min_size=1, max_size=3)
any_inputs = st.builds(
    lambda given_answers, **changes: inputs(*given_answers, **changes),
    answers,
    category=st.sampled_from(["entertainment", "learning", "unknown"]),
    audience_size=st.none() | st.integers(0, 10**7),
    posts_above=st.none() | st.integers(0, 12),
    posts_below=st.none() | st.integers(0, 12),
    posts_hidden=st.none() | st.integers(0, 12),
    travel_flag=st.booleans(),
    kept_tier=st.none() | st.sampled_from(["auto_enroll", "standard_review", BELOW_MIN_SCORE, "a tier of yesterday"]),
)


@given(any_inputs)
def test_a_stored_score_is_recomputed_to_the_byte(policy: Policy, known: ScoreInputs) -> None:
    stored = compute_score(known, "why", policy).model_dump_json()
    read_again = ScoreRecord.model_validate_json(stored)
    assert recompute(read_again, policy).model_dump_json() == stored
    assert 0 <= read_again.base <= 1
    assert 0 <= read_again.lead_score <= 1


def test_rescoring_a_hundred_thousand_leads_takes_a_few_seconds(policy: Policy) -> None:
    record = compute_score(inputs(flat("0.5"), flat("0.6"), flat("0.7")), "why", policy)
    started = time.perf_counter()
    for _ in range(5_000):
        recompute(record, policy)
    assert (time.perf_counter() - started) * 20 < 10
