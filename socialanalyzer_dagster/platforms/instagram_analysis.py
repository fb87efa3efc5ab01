"""Analysis of Instagram creators: content branch, evidence branch, then one profile of the creator (spec 9.2)."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from socialanalyzer_dagster.domain.answer_schemas import (
    bio_evidence_schema,
    caption_evidence_schema,
    creator_profile_schema,
    grid_evidence_schema,
)
from socialanalyzer_dagster.domain.content_judgements import BioEvidence, CaptionEvidence, GridEvidence
from socialanalyzer_dagster.domain.engagement import engagement_metrics
from socialanalyzer_dagster.domain.judgement_fields import Judgement
from socialanalyzer_dagster.domain.lead_prompts import (
    bio_evidence_prompt,
    bio_is_observable,
    caption_evidence_prompt,
    creator_profile_prompt,
    grid_evidence_prompt,
)
from socialanalyzer_dagster.domain.leads import Evidence
from socialanalyzer_dagster.domain.outcomes import Outcome, failed, passed
from socialanalyzer_dagster.domain.ports import LeadResult, LeadWork
from socialanalyzer_dagster.domain.types import JsonValue, LeadUid, Stage
from socialanalyzer_dagster.platforms.base import StageContext
from socialanalyzer_dagster.platforms.evidence_kinds import (
    BIO_EVIDENCE,
    CAPTION_EVIDENCE,
    CONTENT_ITEMS,
    CREATOR_PROFILE,
    ENGAGEMENT,
    GRID_EVIDENCE,
    ITEM_JUDGEMENTS,
    TRIAGE,
    ItemJudgements,
    StoredItem,
    TriageEvidence,
)
from socialanalyzer_dagster.platforms.instagram_content import ContentNotKnownError, bytes_of, stored_items
from socialanalyzer_dagster.platforms.instagram_items import MEDIA_UNAVAILABLE, ItemResult, judged_items
from socialanalyzer_dagster.platforms.lead_stream import both, outcome_of
from socialanalyzer_dagster.platforms.model_calls import Judged, JudgementFailedError, Question, judge, writer_of
from socialanalyzer_dagster.vendors.images import Picture, composed, evidence_grid

J = TypeVar("J", bound=Judgement)
_STAGE = Stage.ANALYZED


@dataclass(frozen=True, slots=True, kw_only=True)
class _Branch:
    """The evidence branch: three judgements, each None when it was not observed."""

    bio: Judged[BioEvidence] | None
    captions: Judged[CaptionEvidence] | None
    grid: Judged[GridEvidence] | None
    missing: tuple[str, ...]

    def evidence(self) -> list[Evidence]:
        pairs = ((self.bio, BIO_EVIDENCE), (self.captions, CAPTION_EVIDENCE), (self.grid, GRID_EVIDENCE))
        return [judged.evidence(kind) for judged, kind in pairs if judged is not None]

    @property
    def reasks(self) -> int:
        return sum(judged.reasks for judged in (self.bio, self.captions, self.grid) if judged is not None)

    @property
    def dropped_quotes(self) -> int:
        return sum(judged.dropped_quotes for judged in (self.bio, self.captions) if judged is not None)


async def analyze_lead(work: LeadWork, context: StageContext) -> LeadResult:
    """One lead; both of its branches run side by side."""
    items = stored_items(work.evidence.get(CONTENT_ITEMS))
    selected = selected_items(items, work.evidence.get(TRIAGE), context)
    content, branch = await both(_content_branch(work, selected, context), _evidence_branch(work, items, context))
    metrics = engagement_metrics(items, context.policy.analysis)
    evidence = [
        *branch.evidence(),
        Evidence(lead=work.uid, kind=ENGAGEMENT, body=metrics.model_dump(mode="json")),
        *_content_evidence(work.uid, content),
    ]
    problem = _content_problem(content) or _branch_problem(branch)
    if problem is not None:
        return LeadResult(uid=work.uid, outcome=problem, evidence=tuple(evidence))
    return await _with_profile(work, items, _Seen(content, branch, tuple(evidence)), context)


@dataclass(frozen=True, slots=True)
class _Seen:
    content: Sequence[ItemResult]
    branch: _Branch
    evidence: tuple[Evidence, ...]


async def _with_profile(work: LeadWork, items: Sequence[StoredItem], seen: _Seen, context: StageContext) -> LeadResult:
    """S-7 on the item summaries and captions."""
    summaries = [one.analyzed.judgement.summary for one in seen.content if one.analyzed]
    question = Question(
        lead=work.uid,
        attempt=work.attempt,
        prompt=creator_profile_prompt(
            writer_of(context), work.record, summaries=summaries, captions=[item.caption for item in items]
        ),
        schema=creator_profile_schema(work.record, context.policy),
    )
    try:
        judged = await judge(question, context)
    except JudgementFailedError as failure:
        return LeadResult(uid=work.uid, outcome=outcome_of(failure, _STAGE), evidence=seen.evidence)
    reasks = judged.reasks + seen.branch.reasks + sum(one.judged.reasks for one in seen.content if one.judged)
    missing: list[JsonValue] = list(seen.branch.missing)
    outcome = passed(
        _STAGE,
        reasks=reasks,
        missing=missing,
        blocks_missing=len(missing),
        dropped_quotes=seen.branch.dropped_quotes,
        items_analyzed=len(summaries),
        items_failed=sum(one.problem is not None for one in seen.content),
        transcript_missing=sum(bool(one.analyzed and one.analyzed.transcript_missing) for one in seen.content),
    )
    return LeadResult(uid=work.uid, outcome=outcome, evidence=(*seen.evidence, judged.evidence(CREATOR_PROFILE)))


def selected_items(items: Sequence[StoredItem], triage: Evidence | None, context: StageContext) -> list[StoredItem]:
    """The items that triage picked, in its order; the first ones when nothing was picked."""
    by_id = {item.item_id: item for item in items}
    picked = TriageEvidence.model_validate(triage.body).selected if triage else ()
    chosen = [by_id[item_id] for item_id in picked if item_id in by_id]
    return chosen or list(items[: context.policy.screening.thumbnails_selected])


async def _content_branch(work: LeadWork, selected: Sequence[StoredItem], context: StageContext) -> list[ItemResult]:
    try:
        return await judged_items(work, selected, context)
    except ContentNotKnownError:
        return [ItemResult(item_id=item.item_id, problem=MEDIA_UNAVAILABLE) for item in selected]


def _content_evidence(lead: LeadUid, content: Sequence[ItemResult]) -> list[Evidence]:
    judged = [one for one in content if one.analyzed is not None and one.judged is not None]
    if not judged:
        return []
    body = ItemJudgements(
        items=tuple(one.analyzed for one in judged if one.analyzed is not None),
        failed={one.item_id: one.problem for one in content if one.problem is not None},
    )
    first = judged[0].judged
    shown = first.evidence(ITEM_JUDGEMENTS) if first else None
    return [
        Evidence(
            lead=lead,
            kind=ITEM_JUDGEMENTS,
            body=body.model_dump(mode="json"),
            provider=shown.provider if shown else None,
            model=shown.model if shown else None,
            prompt_version=shown.prompt_version if shown else None,
        )
    ]


def _content_problem(content: Sequence[ItemResult]) -> Outcome | None:
    """Why no selected item could be judged; None when at least one was."""
    problems = {one.problem for one in content}
    if any(one.analyzed is not None for one in content):
        return None
    if problems == {MEDIA_UNAVAILABLE}:
        return failed(_STAGE, MEDIA_UNAVAILABLE, items=len(content))
    if problems == {"llm_refused"}:
        return failed(_STAGE, "llm_refused", items=len(content))
    reasons: list[JsonValue] = [*sorted(problem for problem in problems if problem)]
    return failed(_STAGE, "all_items_failed", reasons=reasons)


def _branch_problem(branch: _Branch) -> Outcome | None:
    """At most one of captions and grid may be missing (spec 9.2)."""
    if branch.captions is None and branch.grid is None:
        missing: list[JsonValue] = list(branch.missing)
        return failed(_STAGE, "evidence_incomplete", missing=missing)
    return None


async def _evidence_branch(work: LeadWork, items: Sequence[StoredItem], context: StageContext) -> _Branch:
    words = both(_bio(work, context), _or_none(_captions(work, items, context)))
    (bio, captions), grid = await both(words, _or_none(_grid(work, items, context)))
    named = ((BIO_EVIDENCE, bio), (CAPTION_EVIDENCE, captions), (GRID_EVIDENCE, grid))
    missing = tuple(name for name, judged in named if judged is None)
    return _Branch(bio=bio, captions=captions, grid=grid, missing=missing)


async def _or_none(question: Awaitable[Judged[J] | None]) -> Judged[J] | None:
    """A failed judgement is an evidence block that was not observed."""
    try:
        return await question
    except JudgementFailedError:
        return None


async def _bio(work: LeadWork, context: StageContext) -> Judged[BioEvidence] | None:
    """S-3; not asked for a bio that is too short to judge."""
    writer = writer_of(context)
    if not bio_is_observable(writer, work.record):
        return None
    question = Question(
        lead=work.uid,
        attempt=work.attempt,
        prompt=bio_evidence_prompt(writer, work.record),
        schema=bio_evidence_schema(work.record, context.policy),
        quotable=(work.record.bio,),
    )
    return await judge(question, context)


async def _captions(
    work: LeadWork, items: Sequence[StoredItem], context: StageContext
) -> Judged[CaptionEvidence] | None:
    """S-4; None when no item has a caption."""
    captions = [item.caption for item in items[: context.policy.analysis.evidence_items]]
    if not any(captions):
        return None
    question = Question(
        lead=work.uid,
        attempt=work.attempt,
        prompt=caption_evidence_prompt(writer_of(context), work.record, captions),
        schema=caption_evidence_schema(work.record, context.policy, captions_shown=len(captions)),
        quotable=tuple(captions),
    )
    return await judge(question, context)


async def _grid(work: LeadWork, items: Sequence[StoredItem], context: StageContext) -> Judged[GridEvidence] | None:
    """S-5 on the grid of stored thumbnails; None when none is left."""
    shown = items[: context.policy.analysis.evidence_items]
    thumbnails = await asyncio.gather(*(bytes_of(item.thumbnail_key, context) for item in shown))
    if not any(thumbnails):
        return None
    picture = await composed(evidence_grid, thumbnails)
    await _keep_grid(work.uid, picture, context)
    question = Question(
        lead=work.uid,
        attempt=work.attempt,
        prompt=grid_evidence_prompt(writer_of(context), work.record, thumbnails_shown=len(shown)),
        schema=grid_evidence_schema(work.record, context.policy, thumbnails_shown=len(shown)),
        images=(picture,),
    )
    return await judge(question, context)


async def _keep_grid(lead: LeadUid, picture: Picture, context: StageContext) -> None:
    """The grid under its content's name, so that two leads never share one (spec 8.7, I-2)."""
    await context.vendors.media_store.put(f"grids/{lead}/{picture.sha256}.jpg", picture.data, picture.content_type)
