"""Keyword ideas through the gate: paid once, asked again at most once, and never made up (spec 5.10, 9.1)."""

from dataclasses import replace

import pytest
from batch_world import PLATFORM, World, book_policy
from gate_world import ledger, scopes

from socialanalyzer_dagster.domain.filters import FilterProblems
from socialanalyzer_dagster.pipeline.keyword_ideas import (
    KeywordRequest,
    NoSuggestions,
    check_keyword_request,
    suggest_keywords,
)
from socialanalyzer_dagster.pipeline.policies import Authorship, activate
from socialanalyzer_dagster.pipeline.presets import NoSuchPreset, PresetForm, save_preset
from tests.platforms.scripted import completion, scripted_model

IDEAS = completion({"suggestions": ["slow travel", "#HIKING", "huts"]})
BAD = completion({"suggestions": []})
GIVEN = KeywordRequest(platform=PLATFORM, keywords=["hiking"])


@pytest.fixture
def world(sqlite_database, policy, clock, tmp_path) -> World:
    return World(sqlite_database, book_policy(policy), clock, tmp_path)


class Asker:
    """Asks in a run of its own each time, of one model."""

    def __init__(self, world, *answers):
        self.world = world
        self.model, self.channel = scripted_model(keyword_ideas_v1=list(answers))

    async def ask(self, request=GIVEN):
        parts = self.world.parts
        parts = replace(parts, vendors=replace(parts.vendors, llm=self.model))
        return await suggest_keywords(parts, check_keyword_request(self.world.workplace, request))


async def test_new_ideas_are_given_with_their_cost_and_cost_nothing_the_second_time(world):
    asker = Asker(world, IDEAS)
    first = await asker.ask()
    assert (first.ideas, first.dropped, first.from_store) == (("slow travel", "huts"), 1, False)
    again = await asker.ask(replace(GIVEN, keywords=["#Hiking"]))
    assert (again.ideas, again.cost_micros, again.from_store) == (first.ideas, 0, True)
    assert len(asker.channel.asked) == 1
    assert first.cost_micros == scopes(world.database)["day"][0] > 0
    assert ledger(world.database)["settled"] == [(None, first.cost_micros, 0)]


async def test_an_invalid_answer_is_asked_for_once_more_and_both_are_paid(world):
    asker = Asker(world, BAD, IDEAS)
    found = await asker.ask()
    assert found.ideas == ("slow travel", "huts")
    assert "suggestions" in asker.channel.asked[1]["messages"][1]["content"].rpartition("data ends")[2]
    assert found.cost_micros == sum(amount for _, amount, _ in ledger(world.database)["settled"])
    assert len(ledger(world.database)["settled"]) == 2


async def test_unusable_answers_are_no_ideas_and_not_given_for_ever(world):
    asker = Asker(world, BAD)
    for times in (1, 2, 3):
        with pytest.raises(NoSuggestions, match="llm_invalid_output") as failure:
            await asker.ask()
        assert failure.value.cost_micros > 0
        assert len(asker.channel.asked) == 2 * times
    asker.channel.script["keyword_ideas_v1"] = [IDEAS]
    assert (await asker.ask()).ideas == ("slow travel", "huts")


async def test_a_refusal_ends_it_at_once(world):
    asker = Asker(world, completion(None, refusal="no"))
    for _ in range(2):
        with pytest.raises(NoSuggestions, match="refused"):
            await asker.ask()
    assert len(asker.channel.asked) == 1


async def test_a_full_day_says_which_cap_to_raise_and_asks_nothing(world):
    tight = book_policy(world.policy, budgets={"day_usd": "0.000001"})
    activate(world.database, tight, Authorship(author="test", note="less", at=world.clock.now()))
    asker = Asker(world, IDEAS)
    with pytest.raises(NoSuggestions, match=r"the day cap of .* raise budgets\.day_usd in the policy") as failure:
        await asker.ask()
    assert (failure.value.cost_micros, asker.channel.asked) == (0, [])


async def test_without_a_model_nothing_is_asked(world):
    with pytest.raises(NoSuggestions, match="openai cannot be used now: not_configured"):
        await suggest_keywords(world.parts, check_keyword_request(world.workplace, GIVEN))


def test_keywords_come_from_a_preset_or_from_filters(world):
    form = PresetForm(platform=PLATFORM, name="Books", filters={"keyword": "old books"}, by="Ada")
    save_preset(world.workplace, form)
    for request in (
        KeywordRequest(platform=PLATFORM, preset="books"),
        KeywordRequest(platform=PLATFORM, filters={"keyword": "old books"}),
    ):
        assert check_keyword_request(world.workplace, request).keywords == ("old books",)
    with pytest.raises(NoSuchPreset):
        check_keyword_request(world.workplace, KeywordRequest(platform=PLATFORM, preset="other"))


@pytest.mark.parametrize(
    ("request_of", "fields"),
    [
        ({"platform": "none", "keywords": [str(number) for number in range(51)]}, ["platform", "keywords"]),
        ({"platform": "none"}, ["platform", "keywords"]),
        ({"platform": PLATFORM}, ["keywords"]),
        ({"platform": PLATFORM, "keywords": []}, ["keywords"]),
        ({"platform": PLATFORM, "keywords": ["a"], "preset": "b"}, ["keywords"]),
        ({"platform": PLATFORM, "filters": {"keyword": ""}}, ["keyword"]),
        ({"platform": PLATFORM, "filters": {"keyword": 7, "other": 1}}, ["keyword", "other"]),
    ],
)
def test_a_request_that_cannot_be_carried_out_names_every_field(world, request_of, fields):
    with pytest.raises(FilterProblems) as refused:
        check_keyword_request(world.workplace, KeywordRequest(**request_of))
    assert [problem.field for problem in refused.value.problems] == fields
