"""The scored stage of every platform: answers of the model, stability repeats, arithmetic in code, salutation (10)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from socialanalyzer_dagster.domain.answer_schemas import lead_score_schema
from socialanalyzer_dagster.domain.category_examples import shipped_examples
from socialanalyzer_dagster.domain.evidence_blocks import ScoringMaterial, foreign_evidence
from socialanalyzer_dagster.domain.lead_judgements import LeadScore
from socialanalyzer_dagster.domain.leads import Evidence
from socialanalyzer_dagster.domain.outcomes import Outcome, failed, passed, rejected
from socialanalyzer_dagster.domain.ports import LeadResult, LeadWork
from socialanalyzer_dagster.domain.prompts import PromptText
from socialanalyzer_dagster.domain.score_prompts import score_prompt
from socialanalyzer_dagster.domain.scores import DIMENSIONS, ScoreInputs, ScoreRecord
from socialanalyzer_dagster.domain.scoring import BELOW_MIN_SCORE, compute_score, needs_repeats, with_kept_tier
from socialanalyzer_dagster.domain.types import JsonValue, Stage
from socialanalyzer_dagster.platforms.base import Process, StageContext
from socialanalyzer_dagster.platforms.evidence_kinds import (
    SCORE_ANSWERS,
    SCORING_KINDS,
    TRAVEL_FLAG,
    TravelFlagEvidence,
)
from socialanalyzer_dagster.platforms.lead_stream import each_lead, outcome_of, settled
from socialanalyzer_dagster.platforms.model_calls import (
    PROVIDER,
    Judged,
    JudgementFailedError,
    Question,
    judge,
    prompt_version,
    writer_of,
)
from socialanalyzer_dagster.platforms.salutations import greeted

MaterialOf = Callable[[LeadWork], ScoringMaterial | None]
"""What a platform's evidence says for scoring; None when the analysis is missing."""
_STAGE = Stage.SCORED
_OUT_OF_RANGE = frozenset({"greater_than_equal", "less_than_equal", "finite_number"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One lead with its material and the question about it."""

    work: LeadWork
    material: ScoringMaterial
    prompt: PromptText
    context: StageContext

    def question(self, ordinal: int) -> Question[LeadScore]:
        schema = lead_score_schema(self.work.record, self.context.policy)
        return Question(
            lead=self.work.uid, attempt=self.work.attempt, prompt=self.prompt, schema=schema, ordinal=ordinal
        )


def scored_by(material_of: MaterialOf) -> Process:
    """The stage function of a platform, given how its evidence becomes scoring material."""

    return each_lead(partial(_score, material_of), _STAGE)


async def _score(material_of: MaterialOf, work: LeadWork, context: StageContext) -> LeadResult:
    if foreign := foreign_evidence(work.uid, work.evidence.values()):
        ids: list[JsonValue] = list(foreign)
        return LeadResult(uid=work.uid, outcome=failed(_STAGE, "evidence_mismatch", evidence=ids))
    material = material_of(work)
    if material is None:
        return LeadResult(uid=work.uid, outcome=failed(_STAGE, "internal_error", reason="analysis_missing"))
    examples = shipped_examples(context.policy.categories.labels)
    prompt = score_prompt(writer_of(context), material, examples)
    case = _Case(work=work, material=material, prompt=prompt, context=context)
    try:
        answers = await _answers(case)
    except JudgementFailedError as failure:
        return LeadResult(uid=work.uid, outcome=_failed_score(failure))
    record = _record(case, answers)
    seen = _answers_evidence(case, answers)
    detail: Mapping[str, JsonValue] = {"answers": len(answers), "reasks": sum(judged.reasks for judged in answers)}
    if record.tier is None:
        outcome = rejected(_STAGE, BELOW_MIN_SCORE, **detail)
        return LeadResult(uid=work.uid, outcome=outcome, evidence=(seen,), score=record)
    greeting = await greeted(work, material, context)
    return LeadResult(
        uid=work.uid,
        outcome=passed(_STAGE, tier=record.tier, **detail),
        evidence=(seen, greeting.evidence),
        candidates=(greeting.candidate,),
        values={greeting.candidate.field: greeting.candidate},
        score=record,
    )


async def _answers(case: _Case) -> list[Judged[LeadScore]]:
    """The first answer, and near a tier threshold the repeats of the stability rule (spec 10.4)."""
    first = await judge(case.question(0), case.context)
    wanted = needs_repeats(_inputs(case, [first]), case.context.policy)
    more = await settled(*(judge(case.question(ordinal), case.context) for ordinal in range(1, wanted + 1)))
    return [first, *more]


def _inputs(case: _Case, answers: Sequence[Judged[LeadScore]]) -> ScoreInputs:
    work, metrics = case.work, case.material.blocks.engagement_metrics
    seen = work.evidence.get(TRAVEL_FLAG)
    return ScoreInputs(
        platform=work.record.platform,
        answers=tuple(judged.value.sections for judged in answers),
        category=case.material.category,
        audience_size=work.record.audience_size,
        posts_above=metrics.posts_above_threshold if metrics else None,
        posts_below=metrics.posts_below_threshold if metrics else None,
        posts_hidden=metrics.posts_hidden if metrics else None,
        travel_flag=seen is not None and TravelFlagEvidence.model_validate(seen.body).flag,
        evidence_ids=tuple(sorted(one.evidence_id for kind, one in work.evidence.items() if kind in SCORING_KINDS)),
        prompt_version=prompt_version(case.prompt),
    )


def _record(case: _Case, answers: Sequence[Judged[LeadScore]]) -> ScoreRecord:
    """The score, with the tier of an earlier batch where the stability rule keeps it."""
    policy = case.context.policy
    inputs = with_kept_tier(_inputs(case, answers), case.work.previous_score, policy)
    return compute_score(inputs, answers[0].value.score_reasoning, policy)


def _answers_evidence(case: _Case, answers: Sequence[Judged[LeadScore]]) -> Evidence:
    said: list[JsonValue] = [judged.value.model_dump(mode="json") for judged in answers]
    return Evidence(
        lead=case.work.uid,
        kind=SCORE_ANSWERS,
        body={"answers": said},
        provider=PROVIDER,
        model=answers[0].model,
        prompt_version=prompt_version(case.prompt),
    )


def _failed_score(failure: JudgementFailedError) -> Outcome:
    """A section score that is missing or outside 0..1 has its own code; never a score of 0 (I-5)."""
    kinds = {kind for name in DIMENSIONS for where, kind in map(_split, failure.problems) if where == name}
    if "missing" in kinds:
        return failed(_STAGE, "score_missing")
    return failed(_STAGE, "score_out_of_range") if kinds & _OUT_OF_RANGE else outcome_of(failure, _STAGE)


def _split(problem: str) -> tuple[str, str]:
    where, _, kind = problem.rpartition(":")
    return where, kind
