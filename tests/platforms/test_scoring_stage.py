"""The scored stage: repeats near a threshold, codes of bad answers, tiers in code, salutation that never fails."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from socialanalyzer_dagster.domain.leads import Evidence
from socialanalyzer_dagster.domain.ports import LeadResult, LeadWork
from socialanalyzer_dagster.domain.scoring import recompute
from socialanalyzer_dagster.domain.types import JsonObject, LeadUid
from socialanalyzer_dagster.platforms.evidence_kinds import PATREON_PROFILE, SALUTATION, SCORE_ANSWERS
from socialanalyzer_dagster.platforms.registry import platform
from tests.platforms.runs import Bench, run
from tests.platforms.scripted import SCORE, completion, scripted_model
from tests.platforms.test_model_calls import PROFILE, WORK

GREETING = completion({"kind": "one", "first_name": "Ada"})
JUDGED = Evidence(lead=WORK.uid, kind=PATREON_PROFILE, body={**PROFILE, "quotes": None})
READY = replace(WORK, evidence={PATREON_PROFILE: JUDGED})


def levels(value: float, **other: object) -> JsonObject:
    return {**SCORE, **{name: value for name in SCORE if name != "score_reasoning"}, **other}


async def scored(bench: Bench, work: LeadWork, *answers: JsonObject, greeting: JsonObject = GREETING) -> LeadResult:
    model, channel = scripted_model(lead_score_v1=[completion(one) for one in answers], salutation_v1=[greeting])
    bench.vendors = replace(bench.vendors, llm=model)
    chosen = platform("patreon")
    results: Mapping[LeadUid, LeadResult] = await run(chosen.score, [work], bench.context(chosen))
    bench.asked = [body for body in channel.asked if "lead_score" in str(body["response_format"])]  # type: ignore[attr-defined]
    return results[work.uid]


async def test_the_oracle_of_the_formula_comes_out_of_the_stage(bench: Bench) -> None:
    result = await scored(bench, READY, SCORE)
    assert result.outcome.result == "passed"
    assert str(result.score.base) == "0.6650"
    assert result.score.tier == "auto_enroll"
    assert recompute(result.score, bench.policy) == result.score


async def test_a_score_near_a_threshold_is_asked_for_three_answers_with_ordinals(bench: Bench) -> None:
    result = await scored(bench, READY, levels(0.64), levels(0.70), levels(0.60))
    assert [body.get("seed") for body in bench.asked] == [None, 1, 2]
    assert len(result.score.inputs.answers) == 3
    assert str(result.score.base) == "0.6400"
    stored = next(one for one in result.evidence if one.kind == SCORE_ANSWERS)
    assert len(stored.body["answers"]) == 3


async def test_a_score_far_from_thresholds_is_asked_once(bench: Bench) -> None:
    await scored(bench, READY, levels(0.45))
    assert len(bench.asked) == 1


async def test_a_lead_under_the_minimum_is_rejected_with_its_score(bench: Bench) -> None:
    result = await scored(bench, READY, levels(0.1))
    assert (result.outcome.result, result.outcome.code) == ("rejected", "below_min_score")
    assert result.score is not None
    assert result.score.tier is None
    assert all(one.kind != SALUTATION for one in result.evidence)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({name: value for name, value in SCORE.items() if name != "community_infrastructure"}, "score_missing"),
        (levels(0.5, community_infrastructure=1.2), "score_out_of_range"),
        (levels(0.5, community_infrastructure=True), "llm_invalid_output"),
        (levels(0.5, extra="field"), "llm_invalid_output"),
    ],
)
async def test_a_bad_answer_is_a_failed_lead_and_never_a_score(bench: Bench, answer: JsonObject, code: str) -> None:
    result = await scored(bench, READY, answer)
    assert (result.outcome.result, result.outcome.code) == ("failed", code)
    assert result.score is None


async def test_evidence_of_another_lead_stops_before_the_prompt(bench: Bench) -> None:
    foreign = replace(JUDGED, lead=LeadUid("5f0c2f3e-6b1d-5c9e-9a60-2d0b6a1f7c11"))
    result = await scored(bench, replace(READY, evidence={PATREON_PROFILE: foreign}), SCORE)
    assert (result.outcome.result, result.outcome.code) == ("failed", "evidence_mismatch")
    assert bench.asked == []


async def test_a_lead_without_analysis_fails_and_is_not_scored(bench: Bench) -> None:
    result = await scored(bench, WORK, SCORE)
    assert (result.outcome.result, result.outcome.code) == ("failed", "internal_error")
    assert bench.asked == []


async def test_a_salutation_that_cannot_be_had_falls_back_to_the_display_name(bench: Bench) -> None:
    result = await scored(bench, READY, SCORE, greeting=completion(None, refusal="no"))
    assert result.outcome.result == "passed"
    assert result.values["first_name"].value == "Ada"
    assert next(one for one in result.evidence if one.kind == SALUTATION).body["source"] == "fallback"


async def test_an_unchanged_lead_keeps_its_tier_near_the_threshold(bench: Bench) -> None:
    first = await scored(bench, READY, levels(0.65))
    assert first.score.tier == "auto_enroll"
    bench.gate._answers.clear()
    again = await scored(
        bench, replace(READY, previous_score=first.score), levels(0.65, engagement_and_connection=0.55)
    )
    assert str(again.score.base) == "0.6450"
    assert again.score.inputs.kept_tier == "auto_enroll"
    assert again.score.tier == "auto_enroll"


async def test_the_prompt_never_shows_the_size_of_the_audience(bench: Bench) -> None:
    record = READY.record.model_copy(update={"audience_size": 987_654, "bio": "Join our 987,654 followers"})
    await scored(bench, replace(READY, record=record), SCORE)
    sent = bench.asked[0]["messages"][1]["content"]
    assert "987" not in sent
