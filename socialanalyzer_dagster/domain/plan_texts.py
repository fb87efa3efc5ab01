"""A day's plan as a table for people (issue 4, section 1)."""

import math
from collections.abc import Mapping
from typing import Any

from socialanalyzer_dagster.domain.markdown import cell
from socialanalyzer_dagster.domain.money import MICROS_PER_USD, usd_text
from socialanalyzer_dagster.domain.search_planning import Candidate, SearchPlan

_HEAD = (
    "| search | results | expected | cost | why | new last time | scored per 100 | cost per scored lead |\n"
    "|---|---:|---:|---:|---|---:|---:|---:|"
)


def plan_markdown(plan: SearchPlan, batches: Mapping[str, str]) -> str:
    """Every saved search with its figures: first those that run, then the others with the reason."""
    rows = [
        f"| {cell(choice.candidate.name)} | {choice.max_results} | {choice.scored:.0f} | {usd_text(choice.micros)} "
        f"| {cell(choice.reason)}{_batch(batches.get(choice.candidate.name))} "
        f"| {_known(choice.candidate, choice.scored)} |"
        for choice in plan.choices
    ]
    rows += [
        f"| {cell(candidate.name)} |  |  |  | {cell(why)}{cell(candidate.advice and f'. {candidate.advice}')} "
        f"| {_known(candidate, plan.facts.missing)} |"
        for candidate, why in plan.passed_over
    ]
    return "\n".join([plan.why, "", _HEAD, *rows]) if rows else plan.why


def _known(candidate: Candidate, wanted: float) -> str:
    novelty = "never ran" if candidate.novelty is None else f"{candidate.novelty:.0%}"
    per_usd = candidate.scored_per_usd(wanted)
    cost = "unknown" if per_usd == 0 else usd_text(0 if math.isinf(per_usd) else round(MICROS_PER_USD / per_usd))
    return f"{novelty} | {100 * candidate.rates.scored_per_result:.1f} | {cost}"


def _batch(key: str | None) -> str:
    return "" if key is None else f" (batch {key})"


def plan_json(plan: SearchPlan) -> dict[str, Any]:
    """The plan for programs: where the day stands, what runs and what does not, with every reason."""
    facts = plan.facts
    return {
        "day": facts.day.isoformat(),
        "platform": facts.platform,
        "target": facts.target,
        "scored": facts.scored,
        "expected_of_open_batches": round(facts.expected, 1),
        "why": plan.why,
        "run": [
            {
                "search": choice.candidate.name,
                "max_results": choice.max_results,
                "expected_scored": round(choice.scored, 1),
                "expected_micros": choice.micros,
                "reason": choice.reason,
            }
            for choice in plan.choices
        ],
        "passed_over": [{"search": candidate.name, "reason": why} for candidate, why in plan.passed_over],
    }
