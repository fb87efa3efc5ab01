"""Screening of Instagram creators: content fetch, activity rules, travel flag, then triage of one picture (spec 7)."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from socialanalyzer_dagster.domain.activity import activity_problem
from socialanalyzer_dagster.domain.answer_schemas import triage_schema, triage_with_first_shown
from socialanalyzer_dagster.domain.content_items import ContentItem
from socialanalyzer_dagster.domain.lead_judgements import ContentTriage
from socialanalyzer_dagster.domain.lead_prompts import triage_prompt
from socialanalyzer_dagster.domain.leads import Evidence, LeadRecord
from socialanalyzer_dagster.domain.outcomes import Outcome, failed
from socialanalyzer_dagster.domain.ports import LeadResult, LeadWork
from socialanalyzer_dagster.domain.travel_flag import text_units, travel_flag
from socialanalyzer_dagster.domain.types import JsonValue, LeadUid, Stage
from socialanalyzer_dagster.platforms.base import StageContext
from socialanalyzer_dagster.platforms.evidence_kinds import TRAVEL_FLAG, TRIAGE
from socialanalyzer_dagster.platforms.instagram_content import (
    ContentNotKnownError,
    Published,
    bytes_of,
    content_evidence,
    published,
    stored_thumbnails,
    with_profile_facts,
)
from socialanalyzer_dagster.platforms.lead_stream import outcome_of
from socialanalyzer_dagster.platforms.model_calls import Judged, JudgementFailedError, Question, judge, writer_of
from socialanalyzer_dagster.platforms.text_triage import is_doubt, triage_outcome
from socialanalyzer_dagster.vendors.images import Picture, composed, triage_picture

_STAGE = Stage.SCREENED


async def screen_lead(work: LeadWork, context: StageContext) -> LeadResult:
    """One lead; cheapest test first: fetched facts and dates, then the model (spec 7)."""
    try:
        content = await published(work, context)
    except ContentNotKnownError as unknown:
        return LeadResult(uid=work.uid, outcome=failed(_STAGE, unknown.code, reason=unknown.reason))
    record = with_profile_facts(work.record, content.profile)
    problem = activity_problem(
        content.feed, is_private=content.is_private, now=context.clock.now(), screening=context.policy.screening
    )
    if problem is not None:
        seen = content_evidence(work.uid, content, [None] * _kept(context))
        return LeadResult(uid=work.uid, outcome=problem, evidence=(seen,), record=record)
    keys = await stored_thumbnails(work.uid, content.feed[: _kept(context)], context)
    evidence = (content_evidence(work.uid, content, keys), travel_evidence(record, content.feed, context))
    outcome, triage = await _triaged(_Sheet(work.uid, record, content, keys, work.attempt), context)
    return LeadResult(uid=work.uid, outcome=outcome, evidence=(*evidence, *triage), record=record)


def _kept(context: StageContext) -> int:
    """How many items analysis may want to see."""
    return max(context.policy.screening.thumbnails_shown, context.policy.analysis.evidence_items)


@dataclass(frozen=True, slots=True)
class _Sheet:
    """What the triage picture shows of a lead."""

    uid: LeadUid
    record: LeadRecord
    content: Published
    keys: Sequence[str | None]
    attempt: int

    def shown(self, context: StageContext) -> Sequence[ContentItem]:
        return self.content.feed[: context.policy.screening.thumbnails_shown]


async def _triaged(sheet: _Sheet, context: StageContext) -> tuple[Outcome, tuple[Evidence, ...]]:
    """The triage outcome; a failed judgement is the lead's outcome, beside the evidence already seen."""
    shown = sheet.shown(context)
    picture = await _picture(sheet, len(shown), context)
    question = Question(
        lead=sheet.uid,
        attempt=sheet.attempt,
        prompt=triage_prompt(writer_of(context), sheet.record, thumbnails_shown=len(shown)),
        schema=triage_schema(sheet.record, context.policy, thumbnails_shown=len(shown)),
        images=(picture,),
        last_resort=triage_with_first_shown,
    )
    try:
        judged = await judge(question, context)
    except JudgementFailedError as failure:
        return outcome_of(failure, _STAGE), ()
    seen = _triage_evidence(judged, shown, picture, doubt=is_doubt(judged.value, context.policy))
    fallback = {"selection_fallback": True} if judged.used_last_resort else {}
    return triage_outcome(judged, context.policy, **fallback), (seen,)


async def _picture(sheet: _Sheet, shown: int, context: StageContext) -> Picture:
    thumbnails = await asyncio.gather(*(bytes_of(key, context) for key in sheet.keys[:shown]))
    return await composed(
        triage_picture,
        handle=sheet.record.handle,
        followers=sheet.record.audience_size,
        bio=sheet.record.bio,
        thumbnails=thumbnails,
    )


def _triage_evidence(
    judged: Judged[ContentTriage], shown: Sequence[ContentItem], picture: Picture, *, doubt: bool
) -> Evidence:
    selected: list[JsonValue] = [shown[index].item_id for index in judged.value.selected_content_indices]
    return judged.evidence(
        TRIAGE,
        doubt=doubt,
        selected=selected,
        selection_fallback=judged.used_last_resort,
        sheet_sha256=picture.sha256,
    )


def travel_evidence(record: LeadRecord, feed: Sequence[ContentItem], context: StageContext) -> Evidence:
    """Whether one text unit holds a travel word and a booking word, with the words (spec 7.4)."""
    screening = context.policy.screening
    match = travel_flag(text_units(record.bio, feed, screening), screening)
    body: Mapping[str, JsonValue] = {"flag": match is not None, "match": match.evidence() if match else None}
    return Evidence(lead=record.uid, kind=TRAVEL_FLAG, body=body)
