"""Model calls bought as lines of a batch: booked to their leads, resumed after a crash, never bought twice (12.4)."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from gate_world import (
    KEY,
    VirtualTime,
    attempts,
    gate_over,
    handle,
    jobs,
    ledger,
    money_of,
    new_batch,
    policy_with,
    uid,
)
from sqlalchemy import select

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.refusals import BudgetExceeded, JobStillRunning, PersonSuppressed
from socialanalyzer_dagster.domain.suppression import identifier_hash
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.storage.models_control import LedgerEntryRow
from socialanalyzer_dagster.storage.suppressions import Suppression, add_suppressions
from socialanalyzer_dagster.vendors.llm import ChannelReply, LanguageModel, ModelRequest
from socialanalyzer_dagster.vendors.llm_batches import ModelBatches
from socialanalyzer_dagster.vendors.openai_channel import classify

MODEL = "gpt-4o"
INPUT_TOKENS, OUTPUT_TOKENS = 1001, 10
LIVE_MICROS = 2603
"""1001 input tokens at 2.5 and 10 output tokens at 10 micro-USD each, rounded up."""
LINE_MICROS = 1302
LOST = VendorError("openai", ErrorClass.UNKNOWN, "timeout")


class House:
    """An invented vendor with a live call and batches; counts what it was asked."""

    def __init__(self, *, polls: int = 1, name: str = "batch") -> None:
        self.name = name
        self.polls_needed = polls
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.live = 0
        self.created = 0
        self.lose_created = False
        self.final = "completed"
        self.left_out: set[str] = set()
        self.refused: set[str] = set()
        self.damaged_reads = 0

    async def chat(self, body: Any) -> ChannelReply:
        self.live += 1
        return ChannelReply(answer_to(body), "req_live")

    async def upload_lines(self, data: bytes) -> str:
        name = f"file-{len(self.files)}"
        self.files[name] = data
        return name

    async def create_batch(self, file_id: str, metadata: Mapping[str, str]) -> Any:
        self.created += 1
        batch_id = f"{self.name}-{self.created}"
        self.batches[batch_id] = {
            "id": batch_id, "status": "in_progress", "input": file_id, "metadata": dict(metadata), "polls": 0,
        }  # fmt: skip
        if self.lose_created:
            self.lose_created = False
            raise LOST
        return self.batches[batch_id]

    async def batch(self, batch_id: str) -> Any:
        batch = self.batches[batch_id]
        batch["polls"] += 1
        if batch["polls"] >= self.polls_needed and batch["status"] == "in_progress":
            batch["status"] = self.final
            if self.final != "failed":
                batch["output_file_id"] = await self.upload_lines(self._answers(batch["input"]))
        return batch

    async def newest_batches(self) -> Sequence[Any]:
        return list(reversed(self.batches.values()))

    async def cancel_batch(self, batch_id: str) -> None:
        self.batches[batch_id]["status"] = "cancelled"

    async def file_content(self, file_id: str) -> bytes:
        if self.damaged_reads:
            self.damaged_reads -= 1
            return b'{"custom_id": "cut'
        return self.files[file_id]

    def lines(self, batch_id: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.files[self.batches[batch_id]["input"]].splitlines()]

    def _answers(self, file_id: str) -> bytes:
        lines = [json.loads(line) for line in self.files[file_id].splitlines()]
        return b"".join(json.dumps(self._answer(line)).encode() + b"\n" for line in reversed(lines))

    def _answer(self, line: dict[str, Any]) -> dict[str, Any]:
        asked = line["body"]["messages"][1]["content"]
        if asked in self.left_out:
            return {"custom_id": line["custom_id"], "response": None, "error": {"code": "batch_expired"}}
        if asked in self.refused:
            body = {"error": {"code": "context_length_exceeded", "message": "too long"}}
            return {"custom_id": line["custom_id"], "response": {"status_code": 400, "body": body}}
        return {"custom_id": line["custom_id"], "response": {"status_code": 200, "body": answer_to(line["body"])}}


def answer_to(body: Any) -> Any:
    message = {"role": "assistant", "content": json.dumps({"about": body["messages"][1]["content"]}), "refusal": None}
    usage = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS}
    return {"model": MODEL, "choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}


def question(text: str, *, model: str = MODEL) -> ModelRequest:
    return ModelRequest(
        model=model,
        system="s" * 2000,
        user=text,
        fingerprint_text=text,
        schema_name="x",
        schema={},
        max_output_tokens=50,
    )


@pytest.fixture
def batched(policy: Policy) -> Policy:
    return with_lines(policy)


def with_lines(policy: Policy, **changes: Any) -> Policy:
    analysis = policy.document()["analysis"]
    return policy_with(policy, analysis={"mode": "batch", "model_batch": analysis["model_batch"] | changes})


@pytest.fixture
def house() -> House:
    return House()


class Desk:
    """Calls of several leads through one gate after another, as runs of a batch make them."""

    def __init__(self, database, policy, clock, house: House, *, cap_micros: int = 100_000_000) -> None:
        self.database, self.policy, self.clock = database, policy, clock
        self.batch = new_batch(database, policy, cap_micros=cap_micros)
        self.llm = LanguageModel(house, ModelBatches(house, classify))
        self.time = VirtualTime()

    async def ask(self, *numbers: int, model: str = MODEL, stage: Stage = Stage.ANALYZED) -> list[Any]:
        """One run in which each lead asks its question; answers or errors in order."""
        async with gate_over(self.database, self.policy, self.clock, **self.time.options) as gate:
            await gate.recover(self.batch.batch_id)
            bound = gate.bind(self.batch, stage)
            for number in numbers:
                await bound.identify(uid(number), [handle(number)])
            calls = [
                bound.call(self.llm.answer(question(f"lead {n}", model=model)), leads=[uid(n)], step="bio")
                for n in numbers
            ]
            return await asyncio.gather(*calls, return_exceptions=True)

    def cost_of_leads(self) -> Counter[str | None]:
        with self.database.read() as connection:
            rows = connection.execute(select(LedgerEntryRow.lead_uid, LedgerEntryRow.amount_micros))
            costs: Counter[str | None] = Counter()
            for lead, amount in rows:
                costs[lead] += amount
        return costs


async def test_calls_of_many_leads_become_one_batch_booked_to_each_lead_at_half_the_price(
    database, batched, clock, house
):
    desk = Desk(database, batched, clock, house)
    answers = await desk.ask(1, 2, 3)
    assert [answer.value.content for answer in answers] == [{"about": f"lead {n}"} for n in (1, 2, 3)]
    assert [answer.cost_micros for answer in answers] == [LINE_MICROS] * 3
    assert (house.created, house.live, len(house.lines("batch-1"))) == (1, 0, 3)
    assert desk.cost_of_leads() == {uid(n): LINE_MICROS for n in (1, 2, 3)}
    assert money_of(database) == (3 * LINE_MICROS, 0, 0)
    assert jobs(database) == [("read", "batch-1")]


async def test_an_answered_line_is_an_answer_like_any_other_afterwards(database, batched, clock, house):
    desk = Desk(database, batched, clock, house)
    await desk.ask(1, 2)
    again = await desk.ask(1, 2)
    desk.policy = with_lines(batched, gather_seconds=1)
    live = await desk.ask(1)
    assert [answer.cost_micros for answer in (*again, *live)] == [0, 0, 0]
    assert (house.created, house.live) == (1, 0)
    assert money_of(database) == (2 * LINE_MICROS, 0, 0)


async def test_each_model_gets_a_batch_of_its_own(sqlite_database, batched, clock, house):
    desk = Desk(sqlite_database, batched, clock, house)
    async with gate_over(sqlite_database, batched, clock, **desk.time.options) as gate:
        bound = gate.bind(desk.batch, Stage.ANALYZED)
        asked = [(1, MODEL), (2, "gpt-4o-mini")]
        for number, _ in asked:
            await bound.identify(uid(number), [handle(number)])
        await asyncio.gather(
            *(bound.call(desk.llm.answer(question(m, model=m)), leads=[uid(n)], step="bio") for n, m in asked)
        )
    models = [{line["body"]["model"] for line in house.lines(batch_id)} for batch_id in house.batches]
    assert sorted(models, key=str) == [{MODEL}, {"gpt-4o-mini"}]


async def test_other_stages_and_the_live_mode_ask_at_once(sqlite_database, policy, batched, clock, house):
    desk = Desk(sqlite_database, batched, clock, house)
    await desk.ask(1, stage=Stage.SCORED)
    desk.policy = policy
    await desk.ask(2)
    assert (house.created, house.live) == (0, 2)
    assert money_of(sqlite_database) == (2 * LIVE_MICROS, 0, 0)


async def test_a_batch_that_outlives_its_run_is_read_by_the_next_one(database, batched, clock, house):
    house.polls_needed = 10**9
    desk = Desk(database, batched, clock, house)
    ended = await desk.ask(1, 2)
    assert [type(each) for each in ended] == [JobStillRunning] * 2
    settled, held, unknown = money_of(database)
    assert (settled, unknown) == (0, 0)
    assert held > 2 * LINE_MICROS
    house.polls_needed = 1
    answers = await desk.ask(2, 1)
    assert [answer.value.content for answer in answers] == [{"about": "lead 2"}, {"about": "lead 1"}]
    assert (house.created, house.live) == (1, 0)
    assert money_of(database) == (2 * LINE_MICROS, 0, 0)
    assert desk.cost_of_leads() == {uid(1): LINE_MICROS, uid(2): LINE_MICROS}


async def test_a_lost_start_is_found_again_and_not_bought_twice(database, batched, clock, house):
    house.lose_created = True
    desk = Desk(database, batched, clock, house)
    answers = await desk.ask(1, 2)
    assert [answer.cost_micros for answer in answers] == [LINE_MICROS] * 2
    assert house.created == 1
    assert money_of(database) == (2 * LINE_MICROS, 0, 0)
    assert sum(amount for rows in ledger(database).values() for _, amount, _ in rows) == 2 * LINE_MICROS


async def test_lines_that_the_vendor_did_not_get_to_are_asked_live(database, batched, clock, house):
    house.final, house.left_out = "expired", {"lead 2"}
    desk = Desk(database, batched, clock, house)
    answers = await desk.ask(1, 2)
    assert [answer.cost_micros for answer in answers] == [LINE_MICROS, LIVE_MICROS]
    assert (house.created, house.live) == (1, 1)
    assert money_of(database) == (LINE_MICROS + LIVE_MICROS, 0, 0)


async def test_the_policy_may_let_unfinished_lines_fail_their_leads(sqlite_database, policy, clock, house):
    house.left_out = {"lead 2"}
    desk = Desk(sqlite_database, with_lines(policy, unfinished="failed"), clock, house)
    first, second = await desk.ask(1, 2)
    assert first.cost_micros == LINE_MICROS
    assert isinstance(second, CallFailed)
    assert second.error.error_class is ErrorClass.TRANSIENT
    assert house.live == 0
    house.left_out = set()
    (later,) = await desk.ask(2)
    assert later.cost_micros == LINE_MICROS


async def test_a_batch_that_fails_as_a_whole_costs_nothing_and_its_lines_are_asked_live(
    sqlite_database, batched, clock, house
):
    house.final = "failed"
    desk = Desk(sqlite_database, batched, clock, house)
    answers = await desk.ask(1, 2)
    assert [answer.cost_micros for answer in answers] == [LIVE_MICROS] * 2
    assert money_of(sqlite_database) == (2 * LIVE_MICROS, 0, 0)
    assert jobs(sqlite_database) == [("failed", "batch-1")]


async def test_a_line_that_the_vendor_refuses_fails_its_lead_alone(sqlite_database, batched, clock, house):
    house.refused = {"lead 1"}
    desk = Desk(sqlite_database, batched, clock, house)
    first, second = await desk.ask(1, 2)
    assert isinstance(first, CallFailed)
    assert first.error.error_class is ErrorClass.PERMANENT_ITEM
    assert second.cost_micros == LINE_MICROS
    assert money_of(sqlite_database) == (LINE_MICROS, 0, 0)


async def test_a_damaged_results_file_is_read_again_never_taken_as_complete(sqlite_database, batched, clock, house):
    house.damaged_reads = 1
    desk = Desk(sqlite_database, batched, clock, house)
    answers = await desk.ask(1, 2)
    assert [answer.cost_micros for answer in answers] == [LINE_MICROS] * 2
    assert house.live == 0


async def test_a_cap_without_room_for_all_lines_buys_those_that_fit(sqlite_database, batched, clock, house):
    probe = Desk(sqlite_database, batched, clock, House(polls=10**9, name="other"))
    await probe.ask(1)
    worst = money_of(sqlite_database)[1]
    desk = Desk(sqlite_database, batched, clock, house, cap_micros=worst * 2)
    results = await desk.ask(11, 12, 13, 14)
    assert sorted(type(each).__name__ for each in results) == ["Answer", "Answer", "Answer", "BudgetExceeded"]
    assert isinstance(results[-1], BudgetExceeded)


async def test_a_person_suppressed_while_lines_were_gathered_leaves_the_batch(sqlite_database, batched, clock, house):
    desk = Desk(sqlite_database, batched, clock, house)
    sleep = desk.time.sleep

    async def suppress_then_sleep(seconds: float) -> None:
        with sqlite_database.write() as connection:
            hidden = identifier_hash(handle(2), KEY) or ""
            entry = Suppression(
                kind=handle(2).kind, keyed_hash=hidden, reason="asked", source="test", added_at=clock.now()
            )
            add_suppressions(connection, [entry])
        await sleep(seconds)

    desk.time.sleep = suppress_then_sleep  # type: ignore[method-assign]
    first, second, third = await desk.ask(1, 2, 3)
    assert isinstance(second, PersonSuppressed)
    assert (first.cost_micros, third.cost_micros) == (LINE_MICROS, LINE_MICROS)
    assert [line["body"]["messages"][1]["content"] for line in house.lines("batch-1")] == ["lead 1", "lead 3"]


async def test_a_cancelled_run_buys_no_batch_for_calls_nobody_waits_for(sqlite_database, batched, clock, house):
    desk = Desk(sqlite_database, batched, clock, house)
    gathering = asyncio.Event()

    async def never(_seconds: float) -> None:
        gathering.set()
        await asyncio.Event().wait()

    desk.time.sleep = never  # type: ignore[method-assign]
    asking = asyncio.create_task(desk.ask(1, 2))
    await gathering.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert house.created == 0
    assert attempts(sqlite_database) == []


async def test_a_batch_holds_no_more_lines_than_the_policy_says(sqlite_database, policy, clock, house):
    desk = Desk(sqlite_database, with_lines(policy, most_lines=2), clock, house)
    await desk.ask(1, 2, 3, 4, 5)
    assert sorted(len(house.lines(batch_id)) for batch_id in house.batches) == [1, 2, 2]
