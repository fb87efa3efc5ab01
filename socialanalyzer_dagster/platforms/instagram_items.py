"""The content branch: each selected item is judged from its words and its picture or spoken text (spec 9.2, S-2)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from socialanalyzer_dagster.domain.answer_schemas import content_item_schema
from socialanalyzer_dagster.domain.calls import ErrorClass
from socialanalyzer_dagster.domain.content_items import ContentItem, MediaKind
from socialanalyzer_dagster.domain.content_judgements import ContentItemJudgement
from socialanalyzer_dagster.domain.evidence_blocks import AnalyzedItem
from socialanalyzer_dagster.domain.lead_prompts import ItemText, content_item_prompt
from socialanalyzer_dagster.domain.ports import CallFailed, LeadWork
from socialanalyzer_dagster.platforms.base import StageContext
from socialanalyzer_dagster.platforms.evidence_kinds import StoredItem
from socialanalyzer_dagster.platforms.instagram_content import Published, bytes_of, published, stored_media
from socialanalyzer_dagster.platforms.lead_stream import settled
from socialanalyzer_dagster.platforms.model_calls import Judged, JudgementFailedError, Question, judge, writer_of
from socialanalyzer_dagster.vendors.images import ImageRefusedError, Picture, read_picture
from socialanalyzer_dagster.vendors.media_types import media_seconds, sniff

MEDIA_UNAVAILABLE = "media_unavailable"
_MEDIA_SECONDS = 15.0
_MEDIA_TRIES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemResult:
    """One selected item: judged, or the code of why not."""

    item_id: str
    analyzed: AnalyzedItem | None = None
    judged: Judged[ContentItemJudgement] | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """What one item's judgement needs; `fresh` has the media addresses, None when it is no longer in the feed."""

    work: LeadWork
    item: StoredItem
    fresh: ContentItem | None
    context: StageContext


async def judged_items(work: LeadWork, items: Sequence[StoredItem], context: StageContext) -> list[ItemResult]:
    """All selected items, side by side, in their order; addresses come from the stored content answer."""
    content: Published = await published(work, context)
    fresh = {item.item_id: item for item in content.feed}
    scenes = [_Scene(work=work, item=item, fresh=fresh.get(item.item_id), context=context) for item in items]
    return await settled(*(_judged_item(scene) for scene in scenes))


async def _judged_item(scene: _Scene) -> ItemResult:
    try:
        if scene.item.kind is MediaKind.VIDEO:
            return await _judged_video(scene)
        return await _judged_picture(scene, transcript_missing=False)
    except JudgementFailedError as failure:
        return ItemResult(item_id=scene.item.item_id, problem=failure.code)


async def _judged_video(scene: _Scene) -> ItemResult:
    """Spoken words and caption by the text model; without usable audio the thumbnail by the vision model."""
    transcript = await _transcript(scene)
    if transcript is None:
        return await _judged_picture(scene, transcript_missing=True)
    text = ItemText(caption=scene.item.caption, transcript=transcript, is_video=True)
    return await _ask(scene, text, (), transcript_missing=False)


async def _judged_picture(scene: _Scene, *, transcript_missing: bool) -> ItemResult:
    picture = await _picture(scene)
    if picture is None:
        return ItemResult(item_id=scene.item.item_id, problem=MEDIA_UNAVAILABLE)
    return await _ask(scene, ItemText(caption=scene.item.caption), (picture,), transcript_missing=transcript_missing)


async def _ask(scene: _Scene, text: ItemText, images: tuple[Picture, ...], *, transcript_missing: bool) -> ItemResult:
    item, record = scene.item, scene.work.record
    question = Question(
        lead=scene.work.uid,
        attempt=scene.work.attempt,
        prompt=content_item_prompt(writer_of(scene.context), record, text),
        schema=content_item_schema(record, scene.context.policy),
        images=images,
    )
    judged = await judge(question, scene.context)
    analyzed = AnalyzedItem(
        judgement=judged.value,
        type="VIDEO" if item.kind is MediaKind.VIDEO else "IMAGE",
        url=item.url,
        description=item.caption,
        is_pinned=item.is_pinned,
        likes_and_views_disabled=item.likes_hidden,
        likes=item.likes,
        comments=item.comments,
        transcript_missing=transcript_missing,
    )
    return ItemResult(item_id=item.item_id, analyzed=analyzed, judged=judged)


async def _picture(scene: _Scene) -> Picture | None:
    """The item's picture, the first child of a collection, else the thumbnail that screening stored."""
    fresh = scene.fresh
    address = None
    if fresh is not None and fresh.kind is not MediaKind.VIDEO:
        address = fresh.children[0] if fresh.children else fresh.media_url
    key = await _media(scene, address)
    for known in (key, scene.item.thumbnail_key):
        data = await bytes_of(known, scene.context)
        if data is not None and (picture := await asyncio.to_thread(_readable, data)) is not None:
            return picture
    return None


def _readable(data: bytes) -> Picture | None:
    try:
        return read_picture(data)
    except ImageRefusedError:
        return None


async def _media(scene: _Scene, address: str | None) -> str | None:
    return await stored_media(scene.work.uid, address, scene.context, seconds=_MEDIA_SECONDS, tries=_MEDIA_TRIES)


async def _transcript(scene: _Scene) -> str | None:
    """The spoken words; None when there is no video, no known length, no answer, or nothing was said (spec 12.3)."""
    llm = scene.context.vendors.llm
    key = await _media(scene, scene.fresh.media_url if scene.fresh else None)
    data = await bytes_of(key, scene.context)
    kind = sniff(data) if data else None
    seconds = scene.item.duration_seconds or (media_seconds(data) if data else None)
    if llm is None or data is None or key is None or kind is None or seconds is None:
        return None
    try:
        call = llm.transcribe(
            data,
            content_type=kind,
            seconds=seconds,
            model=scene.context.policy.models.transcription,
            sha256=key.rsplit("/", 1)[-1].partition(".")[0],
        )
    except ValueError:
        return None
    analysis = scene.context.policy.analysis
    for attempt in range(1, analysis.transcription_tries + 1):
        try:
            answer = await scene.context.gate.call(call, leads=[scene.work.uid], step="transcription")
        except CallFailed as failure:
            is_passing = failure.error.error_class is ErrorClass.TRANSIENT and not failure.outcome_unknown
            if attempt == analysis.transcription_tries or not is_passing:
                return None
        else:
            return answer.value.text.strip() or None
    return None
