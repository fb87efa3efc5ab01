"""The score as a pure function of stored answers and policy: formula, tiers and stability (spec 10.2 to 10.5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.policy_judgement import EngagementPolicy, ScoringPolicy, TierRow
from socialanalyzer_dagster.domain.scores import DIMENSIONS, ScoreInputs, ScoreRecord
from socialanalyzer_dagster.domain.types import PlatformKey

BELOW_MIN_SCORE = "below_min_score"
"""Stands for 'no tier' where a kept tier is named; also the reason code of such a lead."""
_FOUR_PLACES = Decimal("0.0001")
_ZERO, _ONE = Decimal(0), Decimal(1)


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one score, 0..1 with 4 decimals; penalty and adjustment may be negative."""

    sections: Mapping[str, Decimal]
    base: Decimal
    penalty: Decimal
    boost: Decimal
    adjustment: Decimal
    floor_applied: bool
    lead_score: Decimal


def compute_score(inputs: ScoreInputs, reasoning: str, policy: Policy) -> ScoreRecord:
    """The score of spec 10.2 with its tier; the tier is decided last, after adjustments and floor (I-17).

    Raises ValueError when there is no answer: a missing judgement is never 0 (I-5).
    """
    figures = figures_of(inputs, policy)
    rows = policy.tiers.rows
    index = _kept_index(inputs.kept_tier, figures, policy)
    if index is None:
        index = tier_index(figures.base, figures.lead_score, rows)
    row = rows[index] if index < len(rows) else None
    # the values are ours and in range: validating them again would cost more than computing them
    return ScoreRecord.model_construct(
        inputs=inputs,
        sections=figures.sections,
        base=figures.base,
        penalty=figures.penalty,
        boost=figures.boost,
        adjustment=figures.adjustment,
        floor_applied=figures.floor_applied,
        lead_score=figures.lead_score,
        tier=None if row is None else row.tier,
        rule_row=index + 1,
        expected_precision=None if row is None else _rounded(row.expected_precision),
        reasoning=reasoning,
    )


def recompute(record: ScoreRecord, policy: Policy) -> ScoreRecord:
    """The score of the same judgement under a policy; equal to the byte under the same one, at no cost (I-31)."""
    return compute_score(record.inputs, record.reasoning, policy)


def figures_of(inputs: ScoreInputs, policy: Policy) -> Figures:
    """Base, boost, adjustment, floor and lead score (spec 10.2)."""
    scoring = policy.scoring
    platform = PlatformKey(inputs.platform)
    weights = scoring.weights_by_platform.get(platform, scoring.weights)
    sections = median_sections(inputs.answers)
    penalty = _rounded(scoring.penalties.get(inputs.category, _ZERO))
    base = _rounded(_share(sum((weights[name] * sections[name] for name in DIMENSIONS), _ZERO) + penalty))
    boost = _rounded(_boost(inputs.audience_size, scoring))
    adjustment = _rounded(engagement_adjustment(inputs, scoring.engagement))
    lead = _rounded(_share(base + boost + adjustment))
    floor = scoring.travel_floor.get(platform) if inputs.travel_flag else None
    floor_applied = floor is not None and lead < floor
    return Figures(
        sections=sections,
        base=base,
        penalty=penalty,
        boost=boost,
        adjustment=adjustment,
        floor_applied=floor_applied,
        lead_score=_rounded(floor) if floor is not None and floor_applied else lead,
    )


def median_sections(answers: tuple[Mapping[str, Decimal], ...]) -> Mapping[str, Decimal]:
    """Per dimension the median over all answers (spec 10.4); of an even number the mean of the middle two."""
    if not answers:
        raise ValueError("a score needs at least one answer of the model")
    if len(answers) == 1:
        return {name: _rounded(answers[0][name]) for name in DIMENSIONS}
    return {name: _rounded(_median([answer[name] for answer in answers])) for name in DIMENSIONS}


def engagement_adjustment(inputs: ScoreInputs, rule: EngagementPolicy) -> Decimal:
    """Rule 3 of spec 10.2; 0 where the platform shows no engagement."""
    if inputs.posts_above is None or inputs.posts_below is None or inputs.posts_hidden is None:
        return _ZERO
    below = max(rule.below_limit, rule.per_post_below * inputs.posts_below)
    hidden = max(rule.hidden_limit, rule.per_post_hidden * inputs.posts_hidden)
    total = rule.per_post_above * inputs.posts_above + below + hidden
    return max(-rule.total_limit, min(rule.total_limit, total))


def tier_index(base: Decimal, lead: Decimal, rows: tuple[TierRow, ...]) -> int:
    """Index of the first row whose condition holds; the number of rows when none does (spec 10.3)."""
    for index, row in enumerate(rows):
        if _measured(row, base, lead) >= row.at_least:
            return index
    return len(rows)


def needs_repeats(inputs: ScoreInputs, policy: Policy) -> int:
    """How many further answers the stability rule asks for: 0 unless base or lead lies near a threshold (spec 10.4).

    The first answer alone decides, so that a repeat after a crash asks for the same number in all.
    """
    first = figures_of(inputs.model_copy(update={"answers": inputs.answers[:1]}), policy)
    distances = (abs(_measured(row, first.base, first.lead_score) - row.at_least) for row in policy.tiers.rows)
    if all(distance > policy.scoring.repeat_within for distance in distances):
        return 0
    return max(0, policy.scoring.repeat_answers - len(inputs.answers))


def with_kept_tier(inputs: ScoreInputs, previous: ScoreRecord | None, policy: Policy) -> ScoreInputs:
    """The inputs with the earlier tier, where the stability rule keeps it (spec 10.4).

    It is kept when the evidence is the same as before, the new figures say another tier, and they do not pass the
    threshold between the two by `scoring.keep_tier_within`.
    """
    fresh = inputs.model_copy(update={"kept_tier": None})
    if previous is None or not inputs.evidence_ids or previous.inputs.evidence_ids != inputs.evidence_ids:
        return fresh
    earlier = previous.tier or BELOW_MIN_SCORE
    if _kept_index(earlier, figures_of(fresh, policy), policy) is None:
        return fresh
    return inputs.model_copy(update={"kept_tier": earlier})


def _kept_index(kept: str | None, figures: Figures, policy: Policy) -> int | None:
    """Row of the kept tier while the figures lie within the margin of it; None when the fresh tier counts."""
    if kept is None:
        return None
    rows = policy.tiers.rows
    fresh = tier_index(figures.base, figures.lead_score, rows)
    if kept == _tier_name(rows, fresh):
        return None
    ranks = {name: rank for rank, name in enumerate(dict.fromkeys([*(row.tier for row in rows), BELOW_MIN_SCORE]))}
    if kept not in ranks:
        return None
    margin = policy.scoring.keep_tier_within
    is_rise = ranks[_tier_name(rows, fresh)] < ranks[kept]
    # a value passes a threshold by the margin when it would still be on the new side after moving back by it; downwards
    # the threshold itself belongs to the upper tier, so the last step of four decimals is left out
    shift = -margin if is_rise else max(_ZERO, margin - _FOUR_PLACES)
    moved = tier_index(figures.base + shift, figures.lead_score + shift, rows)
    rank = ranks[_tier_name(rows, moved)]
    if rank < ranks[kept] if is_rise else rank > ranks[kept]:
        return None
    if rank == ranks[kept]:
        return moved
    return next((index for index, row in enumerate(rows) if row.tier == kept), len(rows))


def _measured(row: TierRow, base: Decimal, lead: Decimal) -> Decimal:
    return base if row.measure == "base" else lead


def _tier_name(rows: tuple[TierRow, ...], index: int) -> str:
    return rows[index].tier if index < len(rows) else BELOW_MIN_SCORE


def _boost(audience_size: int | None, scoring: ScoringPolicy) -> Decimal:
    if audience_size is None:
        return _ZERO
    return next((step.add for step in scoring.boosts if audience_size >= step.at_least), _ZERO)


def _median(values: list[Decimal]) -> Decimal:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _share(value: Decimal) -> Decimal:
    return max(_ZERO, min(_ONE, value))


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(_FOUR_PLACES, rounding=ROUND_HALF_EVEN)
