"""Polling vendors' jobs from the sensor: within its minute, whatever the vendors do (spec 3.4)."""

import asyncio
from dataclasses import replace

import pytest
from batch_world import World, book_policy
from gate_world import VirtualTime

from socialanalyzer_dagster.domain.breaker import CallResult, Rules
from socialanalyzer_dagster.domain.calls import JobState, JobStatus, Reply, VendorCall
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline import vendor_job_polls
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.session import PipelineSession
from socialanalyzer_dagster.pipeline.vendor_job_polls import poll_batches
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.breakers import change_breaker


@pytest.fixture
def world(sqlite_database, policy, clock, tmp_path) -> World:
    return World(
        sqlite_database,
        book_policy(
            policy,
            discovery={"wait_seconds": 1, "poll_seconds": 0.01},
            breakers={
                "services": {
                    "insightiq": {
                        "failures_in_a_row": 3, "reset_seconds": 300, "wait_in": ["discovered"], "on_open": "skip",
                    }
                }
            },
        ),
        clock,
        tmp_path,
    )  # fmt: skip


async def waiting(world: World) -> Batch:
    world.vendor.job_runs = True
    key = world.create().key
    await world.run(key, Stage.DISCOVERED)
    return find_batch(world.workplace, key)


def answers_with(monkeypatch: pytest.MonkeyPatch, send) -> None:
    def call(_vendors, _job_id) -> VendorCall[JobStatus]:
        return VendorCall(
            operation="insightiq.status", request={}, max_units={}, send=send,
            decode=lambda body: JobStatus(job_id=body, state=JobState.RUNNING),
        )  # fmt: skip

    monkeypatch.setattr(vendor_job_polls, "STATUS_CALLS", {"insightiq": call})


async def test_a_poll_does_not_wait_for_a_vendor_that_is_away(world, monkeypatch):
    time, sent = VirtualTime(), []
    batch = await waiting(world)

    async def send() -> Reply:
        sent.append(1)
        return Reply(body="job")

    answers_with(monkeypatch, send)
    with world.database.write() as connection:
        rules = Rules.of(world.policy.breakers, "insightiq")
        down = [CallResult(trip=0, code="http_503")] * 3
        change_breaker(connection, "insightiq", lambda state, now: state.after(down, rules, now), time.seconds)
    parts = replace(world.parts, gate=replace(world.parts.gate, **time.options))
    async with PipelineSession(parts) as session:
        (told,) = await poll_batches(session, [batch])
    assert "still working" in told
    assert (sent, time.slept) == ([], [])


async def test_vendors_that_do_not_answer_hold_no_tick_up(world, monkeypatch):
    batch, out = await waiting(world), []

    async def send() -> Reply:
        out.append(1)
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    answers_with(monkeypatch, send)
    monkeypatch.setattr(vendor_job_polls, "_PATIENCE_SECONDS", 0.5)
    async with PipelineSession(world.parts) as session:
        told = await asyncio.wait_for(poll_batches(session, [batch] * 7), 20)
    assert all("asked again" in each for each in told)
    assert 1 <= len(out) <= vendor_job_polls._AT_ONCE
