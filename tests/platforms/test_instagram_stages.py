"""Instagram's screening and analysis: every reason a lead can end for, and what goes on when something is missing."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.domain.ports import LeadResult, LeadWork
from socialanalyzer_dagster.platforms.evidence_kinds import (
    CAPTION_EVIDENCE,
    CONTENT_ITEMS,
    CREATOR_PROFILE,
    ENGAGEMENT,
    GRID_EVIDENCE,
    ITEM_JUDGEMENTS,
    TRAVEL_FLAG,
    TRIAGE,
)
from socialanalyzer_dagster.platforms.registry import platform
from socialanalyzer_dagster.sandbox.serve import SandboxServer
from socialanalyzer_dagster.sandbox.world.models import InstagramCreator
from tests.conftest import MovableClock
from tests.platforms.leads import record_of, work_of
from tests.platforms.runs import Bench, onward, run
from tests.platforms.scripted import TRIAGE as CONTINUE
from tests.platforms.scripted import completion, scripted_model

INSTAGRAM = platform("instagram")
Fits = Callable[[InstagramCreator], bool]


def fine(creator: InstagramCreator) -> bool:
    return (
        creator.truth.activity == "active" and not creator.is_private and creator.truth.reject_code is None
        and not creator.truth.is_injecting and creator.bio is not None
    )  # fmt: skip


def lead(world: SandboxServer, fits: Fits) -> LeadWork:
    makers = (world.state.world.instagram(index) for index in range(20_000, 26_000))
    return work_of(record_of(next(creator for creator in makers if fits(creator))))


async def screened(bench: Bench, work: LeadWork) -> LeadResult:
    return (await run(INSTAGRAM.screen, [work], bench.context(INSTAGRAM)))[work.uid]


async def analyzed(bench: Bench, work: LeadWork) -> LeadResult:
    return (await run(INSTAGRAM.analyze, [work], bench.context(INSTAGRAM)))[work.uid]


@pytest.mark.parametrize(
    ("code", "fits"),
    [
        ("private_account", lambda one: one.is_private and one.truth.activity == "active"),
        ("no_content", lambda one: one.truth.activity == "empty" and not one.is_private),
        ("no_unpinned_content", lambda one: one.truth.activity == "pinned_only" and not one.is_private),
        ("inactive", lambda one: one.truth.activity == "inactive" and not one.is_private),
        ("posting_gap", lambda one: one.truth.activity == "gap" and not one.is_private),
    ],
)
async def test_an_account_without_recent_content_is_rejected_before_the_model(
    code: str, fits: Fits, bench: Bench, world: SandboxServer
) -> None:
    result = await screened(bench, lead(world, fits))
    assert (result.outcome.result, result.outcome.code) == ("rejected", code)
    assert [sent.operation for sent in bench.gate.sent] == ["insightiq.contents_fetch"]


async def test_a_bad_fit_is_rejected_with_its_code(bench: Bench, world: SandboxServer) -> None:
    work = lead(world, lambda one: replace_code(one) == "profile_brand_no_person")
    result = await screened(bench, work)
    assert result.outcome.code == "profile_brand_no_person"


def replace_code(creator: InstagramCreator) -> str | None:
    active = creator.truth.activity == "active" and not creator.is_private
    return creator.truth.reject_code if active else None


async def test_a_lead_that_passes_has_content_flag_and_triage(bench: Bench, world: SandboxServer) -> None:
    result = await screened(bench, lead(world, fine))
    assert result.outcome.result == "passed"
    bodies = {one.kind: one.body for one in result.evidence}
    assert set(bodies) == {CONTENT_ITEMS, TRAVEL_FLAG, TRIAGE}
    assert len(bodies[TRIAGE]["selected"]) == 3
    assert all(item["thumbnail_key"].startswith(f"media/{result.uid}/") for item in bodies[CONTENT_ITEMS]["items"])
    assert "http://" not in str(bodies[CONTENT_ITEMS])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (VendorError("insightiq", ErrorClass.THROTTLED, "throttled", status=429), "content_not_known"),
        (VendorError("insightiq", ErrorClass.UNKNOWN, "error_in_answer", status=200), "content_not_known"),
        (VendorError("insightiq", ErrorClass.TRANSIENT, "server_error", status=503), "content_fetch_error"),
        (VendorError("insightiq", ErrorClass.PERMANENT_ITEM, "not_found", status=404), "content_fetch_error"),
    ],
)
async def test_content_nobody_can_tell_is_never_taken_for_none(
    error: VendorError, code: str, bench: Bench, world: SandboxServer
) -> None:
    bench.gate.failing["insightiq.contents_fetch"] = error
    result = await screened(bench, lead(world, fine))
    assert (result.outcome.result, result.outcome.code) == ("failed", code)
    assert result.outcome.retryable


async def test_missing_facts_are_filled_from_the_profile(bench: Bench, world: SandboxServer) -> None:
    work = lead(world, fine)
    bare = work.record.model_copy(update={"bio": None, "display_name": None, "audience_size": None})
    result = await screened(bench, replace(work, record=bare))
    assert result.record is not None
    assert result.record.audience_size
    assert result.record.bio == work.record.bio


async def test_an_unusable_choice_of_thumbnails_takes_the_first_ones(bench: Bench, world: SandboxServer) -> None:
    model, _ = scripted_model(triage_v1=[completion({**CONTINUE, "selected_content_indices": [0, 0, 99]})])
    bench.vendors = replace(bench.vendors, llm=model)
    result = await screened(bench, lead(world, fine))
    assert result.outcome.result == "passed"
    assert result.outcome.detail["selection_fallback"] is True
    triage = next(one.body for one in result.evidence if one.kind == TRIAGE)
    assert triage["selected_content_indices"] == [0, 1, 2]


async def test_thumbnails_that_cannot_be_loaded_leave_grey_tiles(bench: Bench, world: SandboxServer) -> None:
    bench.gate.failing["media.download"] = VendorError("media", ErrorClass.PERMANENT_ITEM, "http_403", status=403)
    result = await screened(bench, lead(world, fine))
    assert result.outcome.result == "passed"


async def test_a_lead_without_stored_items_fails_before_a_paid_step(bench: Bench, world: SandboxServer) -> None:
    work = lead(world, fine)
    result = (await run(INSTAGRAM.enrich, [work], bench.context(INSTAGRAM)))[work.uid]
    assert (result.outcome.result, result.outcome.code) == ("failed", "no_content_items")
    assert bench.gate.sent == []


async def test_analysis_leaves_evidence_of_every_block(bench: Bench, world: SandboxServer) -> None:
    work = lead(world, fine)
    result = await analyzed(bench, onward(work, await screened(bench, work)))
    assert result.outcome.result == "passed"
    kinds = {one.kind for one in result.evidence}
    assert {ITEM_JUDGEMENTS, CAPTION_EVIDENCE, GRID_EVIDENCE, ENGAGEMENT, CREATOR_PROFILE} <= kinds
    grid = next(one.body for one in result.evidence if one.kind == GRID_EVIDENCE)
    assert grid["creator_visibility"]["frequency"] in ("most", "some", "rare", "none")


async def test_a_bio_that_is_too_short_is_not_asked_about(bench: Bench, world: SandboxServer) -> None:
    work = lead(world, fine)
    ready = onward(work, await screened(bench, work))
    short = replace(ready, record=ready.record.model_copy(update={"bio": "hi"}))
    result = await analyzed(bench, short)
    assert result.outcome.detail["missing"] == ["bio_evidence"]
    assert "bio_evidence_v1" not in {step for _, step, _, _ in bench.gate.asked}


async def test_without_captions_and_thumbnails_the_evidence_is_incomplete(bench: Bench, world: SandboxServer) -> None:
    work = lead(world, fine)
    ready = onward(work, await screened(bench, work))
    body = ready.evidence[CONTENT_ITEMS].body
    bare = [{**item, "caption": None, "thumbnail_key": None} for item in body["items"]]
    changed = replace(ready.evidence[CONTENT_ITEMS], body={**body, "items": bare})
    result = await analyzed(bench, replace(ready, evidence={**ready.evidence, CONTENT_ITEMS: changed}))
    assert (result.outcome.result, result.outcome.code) == ("failed", "evidence_incomplete")


async def test_selected_items_without_any_media_are_media_unavailable(bench: Bench, world: SandboxServer) -> None:
    work = lead(world, fine)
    ready = onward(work, await screened(bench, work))
    body = ready.evidence[CONTENT_ITEMS].body
    bare = [{**item, "thumbnail_key": None} for item in body["items"]]
    changed = replace(ready.evidence[CONTENT_ITEMS], body={**body, "items": bare})
    bench.gate._answers.clear()
    bench.gate.failing["media.download"] = VendorError("media", ErrorClass.PERMANENT_ITEM, "http_403", status=403)
    result = await analyzed(bench, replace(ready, evidence={**ready.evidence, CONTENT_ITEMS: changed}))
    assert (result.outcome.result, result.outcome.code) == ("failed", "media_unavailable")
    assert result.outcome.retryable


async def test_items_that_no_model_can_judge_fail_the_lead(bench: Bench, world: SandboxServer) -> None:
    work = lead(world, fine)
    ready = onward(work, await screened(bench, work))
    nonsense = completion("nothing")
    model, _ = scripted_model(
        **{
            name: [nonsense]
            for name in ("content_item_v1", "caption_evidence_v1", "grid_evidence_v1", "creator_profile_v1")
        },
        bio_evidence_v1=[nonsense],
    )
    bench.vendors = replace(bench.vendors, llm=model)
    result = await analyzed(bench, ready)
    assert result.outcome.result == "failed"
    assert result.outcome.code == "llm_invalid_output"
    no_bio = replace(ready, record=ready.record.model_copy(update={"bio": None}))
    assert (await analyzed(bench, no_bio)).outcome.code == "all_items_failed"


async def test_a_video_without_usable_audio_is_judged_by_its_thumbnail(bench: Bench, world: SandboxServer) -> None:
    work = lead(world, fine)
    ready = onward(work, await screened(bench, work))
    body = ready.evidence[CONTENT_ITEMS].body
    videos = [item["item_id"] for item in body["items"] if item["kind"] == "video"][:3]
    triage = replace(ready.evidence[TRIAGE], body={**ready.evidence[TRIAGE].body, "selected": videos})
    bench.gate.failing["openai.transcription"] = VendorError("openai", ErrorClass.TRANSIENT, "http_503", status=503)
    result = await analyzed(bench, replace(ready, evidence={**ready.evidence, TRIAGE: triage}))
    assert result.outcome.result == "passed"
    assert result.outcome.detail["transcript_missing"] == len(videos) > 0
    tries = [step for _, step, _, _ in bench.gate.asked if step == "transcription"]
    assert len(tries) == 3 * len(videos)


async def test_running_a_stage_again_asks_no_vendor(bench: Bench, world: SandboxServer) -> None:
    work = lead(world, fine)
    first = await screened(bench, work)
    sent = len(bench.gate.sent)
    second = await screened(bench, work)
    assert len(bench.gate.sent) == sent
    assert [one.evidence_id for one in first.evidence] == [one.evidence_id for one in second.evidence]


async def test_time_decides_activity(bench: Bench, world: SandboxServer, clock: MovableClock) -> None:
    work = lead(world, fine)
    clock.advance(days=120)
    assert (await screened(bench, work)).outcome.code == "inactive"
