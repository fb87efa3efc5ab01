"""A batch's story in a model's words: what is asked, and which answer may stand in place of ours (spec 14.1)."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, StringConstraints, ValidationInfo

from socialanalyzer_dagster.domain.judgement_fields import CLEANED, Judgement, answer_rules, context_of
from socialanalyzer_dagster.domain.judgements import AnswerSchema
from socialanalyzer_dagster.domain.named_numbers import counts, named_numbers
from socialanalyzer_dagster.domain.outside_text import one_line, printable
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.prompts import Numbered, PromptData, PromptText, PromptWriter
from socialanalyzer_dagster.domain.types import PlatformKey

PROMPT = "batch_story_v1"


def _tells_the_facts(story: str, info: ValidationInfo) -> str:
    context = context_of(info)
    if context is None:
        return story
    told, known = named_numbers(story), named_numbers("\n".join(context.facts))
    if told - known:
        raise ValueError("names a number, or a unit of one, that the sentences do not hold; numbers are digits there")
    if counts(known) - told:
        raise ValueError("leaves out a number that the sentences hold")
    return printable(one_line(story))


class BatchStory(Judgement):
    """One paragraph; when it is fresh, with the numbers of the facts it was made from and no other."""

    story: Annotated[
        str, StringConstraints(strict=True, min_length=20, max_length=3000), CLEANED, AfterValidator(_tells_the_facts)
    ]


def batch_story_schema(story: Sequence[str], policy: Policy) -> AnswerSchema[BatchStory]:
    """The answer about these sentences; not scanned for sensitive attributes, because it speaks of no person."""
    return AnswerSchema(
        name=PROMPT, model=BatchStory, rules=answer_rules(policy), shown=0, scan=None, facts=tuple(story)
    )


def batch_story_prompt(writer: PromptWriter, platform: PlatformKey, story: Sequence[str]) -> PromptText:
    """The question: our sentences in their order."""
    sentences = Numbered("sentence", tuple(story))
    return writer.write(PROMPT, PromptData(platform=platform, handle=None, parts=(sentences,)))
