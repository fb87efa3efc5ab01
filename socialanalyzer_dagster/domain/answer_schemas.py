"""The named answers that models give, each bound to the policy's lists; single platforms add theirs in `platforms`."""

import json
from collections.abc import Mapping
from typing import TypeVar

from socialanalyzer_dagster.domain.content_judgements import (
    BioEvidence,
    CaptionEvidence,
    ContentItemJudgement,
    CreatorProfile,
    GridEvidence,
)
from socialanalyzer_dagster.domain.judgement_fields import Judgement, answer_rules
from socialanalyzer_dagster.domain.judgements import AnswerSchema, InvalidAnswer, check_answer
from socialanalyzer_dagster.domain.lead_judgements import ContentTriage, LeadScore, Salutation, Triage
from socialanalyzer_dagster.domain.leads import LeadRecord
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.sensitive import sensitive_words
from socialanalyzer_dagster.domain.types import JsonObject

J = TypeVar("J", bound=Judgement)


def answer_about(record: LeadRecord, name: str, model: type[J], *, policy: Policy, shown: int = 0) -> AnswerSchema[J]:
    """The schema of one answer about one creator, scanned for sensitive attributes (spec 19.6)."""
    return AnswerSchema(
        name=name,
        model=model,
        rules=answer_rules(policy),
        shown=shown,
        scan=sensitive_words(policy.privacy),
        names=tuple(name for name in (record.handle, record.display_name) if name),
    )


def triage_schema(record: LeadRecord, policy: Policy, *, thumbnails_shown: int) -> AnswerSchema[ContentTriage]:
    """S-1 with the choice of content."""
    return answer_about(record, "triage_v1", ContentTriage, policy=policy, shown=thumbnails_shown)


def text_triage_schema(record: LeadRecord, policy: Policy) -> AnswerSchema[Triage]:
    """S-1 from text alone."""
    return answer_about(record, "text_triage_v1", Triage, policy=policy)


def content_item_schema(record: LeadRecord, policy: Policy) -> AnswerSchema[ContentItemJudgement]:
    """S-2."""
    return answer_about(record, "content_item_v1", ContentItemJudgement, policy=policy)


def bio_evidence_schema(record: LeadRecord, policy: Policy) -> AnswerSchema[BioEvidence]:
    """S-3."""
    return answer_about(record, "bio_evidence_v1", BioEvidence, policy=policy)


def caption_evidence_schema(
    record: LeadRecord, policy: Policy, *, captions_shown: int
) -> AnswerSchema[CaptionEvidence]:
    """S-4; counts stay within the captions shown."""
    return answer_about(record, "caption_evidence_v1", CaptionEvidence, policy=policy, shown=captions_shown)


def grid_evidence_schema(record: LeadRecord, policy: Policy, *, thumbnails_shown: int) -> AnswerSchema[GridEvidence]:
    """S-5; counts stay within the thumbnails shown."""
    return answer_about(record, "grid_evidence_v1", GridEvidence, policy=policy, shown=thumbnails_shown)


def creator_profile_schema(record: LeadRecord, policy: Policy) -> AnswerSchema[CreatorProfile]:
    """S-7."""
    return answer_about(record, "creator_profile_v1", CreatorProfile, policy=policy)


def lead_score_schema(record: LeadRecord, policy: Policy) -> AnswerSchema[LeadScore]:
    """S-10."""
    return answer_about(record, "lead_score_v1", LeadScore, policy=policy)


def salutation_schema(policy: Policy) -> AnswerSchema[Salutation]:
    """S-11; not scanned, because a name may be spelled like an attribute."""
    return AnswerSchema(name="salutation_v1", model=Salutation, rules=answer_rules(policy), shown=0, scan=None)


def triage_with_first_shown(
    schema: AnswerSchema[ContentTriage], answer: str | JsonObject
) -> ContentTriage | InvalidAnswer:
    """The judgement with the first thumbnails in place of an unusable choice; the caller marks `selection_fallback`.

    For the second answer only (spec 7.3); everything else in it must still be valid.
    """
    parsed = _parsed(answer)
    if not isinstance(parsed, Mapping):
        return check_answer(schema, answer)
    first = list(range(min(schema.rules.thumbnails_selected, schema.shown)))
    return check_answer(schema, {**parsed, "selected_content_indices": first})


def _parsed(answer: str | JsonObject) -> object:
    if not isinstance(answer, str):
        return answer
    try:
        return json.loads(answer)
    except ValueError:
        return None
