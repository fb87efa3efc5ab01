"""A model's answer is checked, asked for again at most once, and never guessed."""

from dataclasses import replace

import pytest

from socialanalyzer_dagster.domain.leads import AudienceKind, LeadRecord
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable
from socialanalyzer_dagster.domain.types import JsonObject, PlatformKey
from socialanalyzer_dagster.platforms.evidence_kinds import PATREON_PROFILE, TRIAGE
from socialanalyzer_dagster.platforms.registry import platform
from tests.platforms.leads import work_of
from tests.platforms.runs import Bench, run
from tests.platforms.scripted import TRIAGE as CONTINUE
from tests.platforms.scripted import ScriptedChannel, completion, scripted_model

WORK = work_of(
    LeadRecord(
        platform=PlatformKey("patreon"), platform_id="trailada", handle="trailada",
        profile_url="https://www.patreon.com/trailada", display_name="Ada Trail", bio="Weekly hiking letters.",
        audience_kind=AudienceKind.PATRONS,
    )
)  # fmt: skip
PROFILE = {
    "niche_description": "Hiking letters", "primary_category": "outdoor_adventure", "audience_type": "identity",
    "community_signals": [], "monetization_sophistication": "low",
    "event_evidence": {"evidence_found": False, "event_types": []}, "authenticity_score": 0.5,
    "overall_assessment": "A small page with a warm voice.", "quotes": ["weekly  HIKING letters", "never written"],
}  # fmt: skip


def scripted(bench: Bench, **script: list[JsonObject]) -> ScriptedChannel:
    model, channel = scripted_model(**script)
    bench.vendors = replace(bench.vendors, llm=model)
    return channel


async def screened(bench: Bench) -> object:
    chosen = platform("patreon")
    return (await run(chosen.screen, [WORK], bench.context(chosen)))[WORK.uid]


async def test_an_invalid_answer_is_asked_for_again_with_the_violation_named(bench: Bench) -> None:
    channel = scripted(bench, text_triage_v1=[completion({**CONTINUE, "confidence": 7}), completion(CONTINUE)])
    result = await screened(bench)
    assert result.outcome.result == "passed"
    assert result.outcome.detail["reasks"] == 1
    assert len(channel.asked) == 2
    assert "confidence" in channel.asked[1]["messages"][1]["content"].rpartition("data ends")[2]


async def test_a_second_invalid_answer_fails_the_lead_retryably(bench: Bench) -> None:
    channel = scripted(bench, text_triage_v1=[completion("no json at all")])
    result = await screened(bench)
    assert (result.outcome.result, result.outcome.code) == ("failed", "llm_invalid_output")
    assert result.outcome.retryable
    assert len(channel.asked) == 2


async def test_a_later_attempt_asks_afresh_where_the_stored_answers_are_unusable(bench: Bench) -> None:
    bad = completion("nothing")
    channel = scripted(bench, text_triage_v1=[bad, bad, completion(CONTINUE)])
    assert (await screened(bench)).outcome.code == "llm_invalid_output"
    chosen = platform("patreon")
    retried = replace(WORK, attempt=2)
    result = (await run(chosen.screen, [retried], bench.context(chosen)))[WORK.uid]
    assert result.outcome.result == "passed"
    assert len(channel.asked) == 3
    again = (await run(chosen.screen, [retried], bench.context(chosen)))[WORK.uid]
    assert again.outcome == result.outcome
    assert len(channel.asked) == 3


async def test_a_truncated_answer_is_asked_for_again_with_twice_the_room(bench: Bench) -> None:
    cut = completion('{"decision": "con', finish_reason="length")
    channel = scripted(bench, text_triage_v1=[cut, completion(CONTINUE)])
    assert (await screened(bench)).outcome.result == "passed"
    first, second = (body["max_completion_tokens"] for body in channel.asked)
    assert second == 2 * first


@pytest.mark.parametrize(
    "refused", [completion(None, refusal="I cannot help with that."), completion(None, finish_reason="content_filter")]
)
async def test_a_refusal_fails_the_lead_at_once(bench: Bench, refused: JsonObject) -> None:
    channel = scripted(bench, text_triage_v1=[refused])
    result = await screened(bench)
    assert (result.outcome.result, result.outcome.code) == ("failed", "llm_refused")
    assert not result.outcome.retryable
    assert len(channel.asked) == 1


async def test_a_doubtful_reject_passes_and_a_sure_one_rejects(bench: Bench) -> None:
    doubt = {**CONTINUE, "decision": "reject", "reject_code": "topic_golf", "confidence": 0.79}
    scripted(bench, text_triage_v1=[completion(doubt)])
    result = await screened(bench)
    assert result.outcome.result == "passed"
    assert result.outcome.detail["triage_doubt"] == "topic_golf"
    assert next(one for one in result.evidence if one.kind == TRIAGE).body["doubt"] is True
    bench.gate._answers.clear()
    scripted(bench, text_triage_v1=[completion({**doubt, "confidence": 0.8})])
    assert (await screened(bench)).outcome.code == "topic_golf"


async def test_only_quotes_that_occur_in_the_input_are_kept(bench: Bench) -> None:
    scripted(bench, patreon_profile_v1=[completion(PROFILE)])
    chosen = platform("patreon")
    result = (await run(chosen.analyze, [WORK], bench.context(chosen)))[WORK.uid]
    body = next(one for one in result.evidence if one.kind == PATREON_PROFILE).body
    assert body["quotes"] == ["weekly  HIKING letters"]
    assert body["dropped_quotes"] == 1


async def test_evidence_names_the_model_that_answered_and_the_prompt_version(bench: Bench) -> None:
    scripted(bench, text_triage_v1=[completion(CONTINUE)])
    evidence = (await screened(bench)).evidence[0]
    assert evidence.model == "gpt-4o-2024-08-06"
    assert evidence.prompt_version == "text_triage_v1.1"


async def test_without_a_model_the_lead_stays_pending(bench: Bench) -> None:
    bench.vendors = replace(bench.vendors, llm=None)
    with pytest.raises(ProviderUnavailable):
        await screened(bench)
