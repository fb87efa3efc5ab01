"""A summary in a model's words: only where the policy wants it, paid once, and never with numbers of its own (14.1)."""

import logging
from dataclasses import replace
from typing import Any

import pytest
from batch_world import PLATFORM, World, book_policy
from gate_world import scopes
from sqlalchemy import update

from socialanalyzer_dagster.domain.summary import Summary
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.batch_log_view import batch_log
from socialanalyzer_dagster.pipeline.batch_view import batch_view
from socialanalyzer_dagster.pipeline.policies import Authorship, activate
from socialanalyzer_dagster.pipeline.polishing import told_summary
from socialanalyzer_dagster.pipeline.session import PipelineSession
from socialanalyzer_dagster.pipeline.summaries import summarize
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow
from socialanalyzer_dagster.storage.models_results import ScoreRow
from socialanalyzer_dagster.vendors.llm import LanguageModel
from tests.platforms.scripted import ScriptedChannel, completion, scripted_model

INVENTED = completion({"story": "It went well: 4711 creators are waiting for us."})


class Teller:
    """A batch that was discovered and screened, and a model that is asked to retell it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.key = ""
        self.model: LanguageModel | None = None
        self.channel = ScriptedChannel({})

    async def begin(self, *answers: dict[str, Any], polish: bool = True, **sections: dict[str, Any]) -> str:
        policy = book_policy(self.world.policy, llm={"polish_summaries": polish}, **sections)
        activate(self.world.database, policy, Authorship(author="test", note="", at=self.world.clock.now()))
        self.key = self.world.create().key
        await self.world.run_at_once(self.key)
        self.be("completed")
        if answers:
            self.model, self.channel = scripted_model(batch_story_v1=list(answers))
        return self.story

    def be(self, status: str) -> None:
        with self.world.database.write() as connection:
            connection.execute(update(LeadBatchRow).values(status=status))

    @property
    def story(self) -> str:
        return " ".join(summarize(self.world.workplace, find_batch(self.world.workplace, self.key)).plain.story)

    async def tell(self) -> Summary:
        parts = replace(self.world.parts, vendors=replace(self.world.parts.vendors, llm=self.model))
        async with PipelineSession(parts) as session:
            return await told_summary(session, self.key, run_id="run-1")

    @property
    def day_micros(self) -> int:
        return scopes(self.world.database)["day"][0]


@pytest.fixture
def teller(sqlite_database, policy, clock, tmp_path) -> Teller:
    return Teller(World(sqlite_database, book_policy(policy), clock, tmp_path))


def retold(story: str) -> dict[str, Any]:
    return completion({"story": f"A fine day. {story}"})


async def test_nobody_asks_a_model_unless_the_policy_wants_it(teller: Teller) -> None:
    await teller.begin(INVENTED, polish=False)
    assert (await teller.tell()).polished is None
    assert teller.channel.asked == []


async def test_nobody_buys_the_story_of_a_batch_that_goes_on(teller: Teller) -> None:
    await teller.begin(INVENTED)
    teller.be("paused")
    assert (await teller.tell()).polished is None
    assert teller.channel.asked == []


async def test_a_story_is_bought_once_and_shown_beside_ours_until_it_changes(teller: Teller) -> None:
    story = await teller.begin(INVENTED)
    teller.channel.script["batch_story_v1"] = [retold(story)]
    spent = teller.day_micros
    first = await teller.tell()
    assert first.polished is not None
    assert first.polished.startswith("A fine day. ")
    bought = teller.day_micros
    assert bought > spent
    assert await teller.tell() == first
    assert (len(teller.channel.asked), teller.day_micros) == (1, bought)
    view = batch_view(teller.world.workplace, teller.key)
    assert "A fine day." in view["summary"]
    assert "A fine day." not in view["plain_summary"]
    assert view["plain_summary"] == find_batch(teller.world.workplace, teller.key).summary
    assert view["spend_micros"] == spent, "what it costs to tell of a batch is no cost of the batch"
    with teller.world.database.write() as connection:
        connection.execute(update(ScoreRow).values(tier="standard_review"))
    changed = batch_view(teller.world.workplace, teller.key)
    assert changed["summary"] == changed["plain_summary"]


async def test_invented_numbers_are_refused_twice_and_ours_stays(teller: Teller) -> None:
    await teller.begin(INVENTED)
    with_ours = await teller.tell()
    assert with_ours.polished is None
    assert "4711" not in with_ours.text()
    assert len(teller.channel.asked) == 2
    assert "names a number" in str(teller.channel.asked[1]["messages"])
    (entry,) = batch_log(teller.world.workplace, teller.key)["newest"]
    assert entry["message"] == "the summary stays in our own words: batch_story_v1: llm_invalid_output"
    assert (entry["run_id"], entry["attempt"], entry["platform"]) == ("run-1", 1, PLATFORM)
    await teller.tell()
    assert len(teller.channel.asked) == 2, "what was bought in vain is not bought again"


async def test_the_second_try_may_succeed(teller: Teller) -> None:
    story = await teller.begin(INVENTED)
    teller.channel.script["batch_story_v1"] = [INVENTED, retold(story)]
    assert (await teller.tell()).polished is not None
    assert len(teller.channel.asked) == 2


@pytest.mark.parametrize(
    ("sections", "answer", "why"),
    [
        ({}, None, "openai cannot be used now: not_configured"),
        ({}, completion(None, refusal="no"), "llm_refused"),
        ({"budgets": {"month_usd": "0.36"}}, INVENTED, "the month:2026-11 cap of"),
    ],
)
async def test_without_model_answer_or_money_ours_stays_and_the_reason_is_logged(
    teller: Teller, caplog: pytest.LogCaptureFixture, sections: Any, answer: Any, why: str
) -> None:
    await teller.begin(*filter(None, [answer]), **sections)
    spent = teller.day_micros
    with caplog.at_level(logging.WARNING):
        assert (await teller.tell()).polished is None
    assert why in caplog.text
    assert (teller.day_micros == spent) is (why != "llm_refused")
