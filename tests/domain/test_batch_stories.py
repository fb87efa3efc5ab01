"""A batch's story in a model's words has the numbers of ours and no other (spec 14.1)."""

import pytest

from socialanalyzer_dagster.domain.batch_stories import BatchStory, batch_story_prompt, batch_story_schema
from socialanalyzer_dagster.domain.judgements import InvalidAnswer, check_answer
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.prompts import PromptWriter
from socialanalyzer_dagster.domain.types import PlatformKey
from tests.domain.creators import SECRET

FACTS = (
    "The search found 1,200 profiles, 340 of them new.",
    "100 of 340 leads passed (yield 29 %).",
    "CRM: 0 updated.",
)


def checked(policy: Policy, story: object) -> BatchStory | InvalidAnswer:
    return check_answer(batch_story_schema(FACTS, policy), {"story": story})


@pytest.mark.parametrize(
    "story",
    [
        "Of 1,200 profiles 340 were new, and 100 of them passed (29 %). None was updated.",
        "1200 found, 340 new; 100 passed, which is 29 percent; 0 updated.",
    ],
)
def test_a_story_with_our_numbers_is_taken(policy: Policy, story: str) -> None:
    assert checked(policy, story) == BatchStory(story=story)


@pytest.mark.parametrize(
    ("story", "problem"),
    [
        ("1,200 found, 340 new, 100 passed (29 %), 241 did not.", "names a number"),
        ("1,200 found, 340 new, 100 passed (29), a good day.", "names a number"),
        ("1,200 found, 340 new, 100 passed: nearly a third (29 %).", "names a number"),
        ("1,200 found for $340, 340 new, 100 passed (29 %).", "names a number"),
        ("1,200 found, 340 new, many passed (29 %).", "leaves out a number"),
        ("All in all it was a very good day.", "leaves out a number"),
    ],
)
def test_a_story_with_other_numbers_is_refused(policy: Policy, story: str, problem: str) -> None:
    answer = checked(policy, story)
    assert isinstance(answer, InvalidAnswer)
    assert problem in str(answer)
    assert story not in str(answer)


def test_a_story_is_one_line_of_text_that_steers_no_terminal(policy: Policy) -> None:
    story = checked(policy, "1,200 found,\n340 new;\t100 passed\x1bM (29 %).")
    assert story == BatchStory(story="1,200 found, 340 new; 100 passed M (29 %).")


@pytest.mark.parametrize("story", [7, None, "short", "x" * 3001])
def test_anything_but_a_text_of_20_to_3000_characters_is_refused(policy: Policy, story: object) -> None:
    assert isinstance(checked(policy, story), InvalidAnswer)


def test_the_question_holds_our_sentences_and_names_no_creator(policy: Policy) -> None:
    prompt = batch_story_prompt(PromptWriter(policy, SECRET), PlatformKey("patreon"), FACTS)
    assert prompt.user.splitlines()[2:5] == ["platform: patreon", "sentence: 3 shown", f'sentence 1: "{FACTS[0]}"']
    assert prompt.model == policy.models.small
    assert "none in words" in prompt.system
