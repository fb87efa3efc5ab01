"""What people see of batches: the object of `batch show`, lists by cursor, and the summary (spec 14.1, I-54)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from batch_world import BookVendor, World, book_policy
from sqlalchemy import update

from socialanalyzer_dagster.domain.calls import JobState, JobStatus
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.batch_actions import Deed, NoSuchBatch, find_batch, set_cap
from socialanalyzer_dagster.pipeline.batch_drafts import BatchRefused
from socialanalyzer_dagster.pipeline.batch_view import batch_rows, batch_view, next_page
from socialanalyzer_dagster.pipeline.policies import Authorship, activate
from socialanalyzer_dagster.pipeline.summaries import refresh_summary
from socialanalyzer_dagster.storage import searches
from socialanalyzer_dagster.storage.batches import BatchPage
from socialanalyzer_dagster.storage.models_control import LedgerEntryRow
from socialanalyzer_dagster.storage.models_results import StageOutcomeRow

PROMISED = {
    "key", "platform", "status", "stages", "tiers", "spend_micros", "held_micros", "unknown_micros", "reused_micros",
    "capped", "estimate_micros", "caps", "started_at", "finished_at", "summary",
}  # fmt: skip
STAGE_KEYS = {"in", "passed", "rejected", "failed", "skipped", "pending", "not_reached", "reasons"}


@pytest.fixture
def world(sqlite_database, policy, clock, tmp_path):
    return World(sqlite_database, book_policy(policy), clock, tmp_path)


async def test_the_view_has_everything_that_was_promised(world):
    key = world.create().key
    await world.run(key)
    view = batch_view(world.workplace, key)
    assert set(view) >= PROMISED
    assert list(view["stages"]) == ["discovered", "screened", "enriched", "analyzed", "scored", "synced"]
    for counters in view["stages"].values():
        assert set(counters) == STAGE_KEYS
        done = sum(counters[name] for name in ("passed", "rejected", "failed", "skipped", "pending"))
        assert counters["in"] == done
    assert view["stages"]["synced"]["pending"] == 6
    with pytest.raises(NoSuchBatch):
        batch_view(world.workplace, "2026-11-20.testbook.none")


def test_a_batch_that_never_ran_can_be_shown(world):
    view = batch_view(world.workplace, world.create().key)
    assert (view["status"], view["started_at"], view["spend_micros"]) == ("queued", None, 0)


def test_the_caps_shown_and_checked_are_those_that_hold_now(world, policy):
    key = world.create().key
    budgets = {"batch_absolute_usd": 20, "day_usd": 7, "provider_month_usd": {"insightiq": 5, "openai": 3}}
    changed = book_policy(policy, budgets=budgets)
    activate(world.database, changed, Authorship(author="Ada", note="tight", at=world.clock.now()))
    platform = world.vendor.platform
    adapters = {stage: replace(adapter, providers=("insightiq",)) for stage, adapter in platform.adapters.items()}
    workplace = replace(world.workplace, platforms={platform.key: replace(platform, adapters=adapters)})
    caps = batch_view(workplace, key)["caps"]
    assert (caps["batch"], caps["batch_absolute"], caps["day"]) == (20_000_000, 20_000_000, 7_000_000)
    assert {name: cap for name, cap in caps.items() if "provider" in name} == {"provider_month.insightiq": 5_000_000}
    with pytest.raises(BatchRefused, match=r"at most \$20\.00"):
        set_cap(workplace, key, Deed(by="Ada"), cap_micros=21_000_000)


async def test_lists_page_by_cursor_from_newest_to_oldest(world, clock):
    keys = []
    for _ in range(5):
        keys.append(world.create().key)
        clock.at += timedelta(minutes=1)
    page, seen = BatchPage(limit=2, platform="testbook", status="queued"), []
    while page is not None:
        rows = batch_rows(world.workplace, page)
        seen += [row["key"] for row in rows]
        page = next_page(rows, page)
    assert seen == keys[::-1]
    assert batch_rows(world.workplace, BatchPage(status="completed")) == []


async def test_the_summary_tells_what_happened_in_plain_words(world):
    world.vendor.names = ["p1", "p2", "r1", "?"]
    key = world.create().key
    await world.run(key)
    text = refresh_summary(world.workplace, find_batch(world.workplace, key)).text()
    assert "The search found 3 profiles, 3 of them new" in text
    assert "2 of 3 leads passed screening" in text
    assert find_batch(world.workplace, key).summary == text


class CutShort(BookVendor):
    """Its search job times out after it found what it found."""

    def job(self, most):
        async def poll(job_id):
            return JobStatus(job_id=job_id, state=JobState.FAILED, dataset_id="d", reason="timed_out")

        return replace(super().job(most), poll=poll)


async def test_a_search_that_the_vendor_cut_short_is_told_and_does_not_decide_about_novelty(world):
    world.vendor = CutShort()
    key = world.create().key
    await world.run(key, Stage.DISCOVERED)
    assert world.codes(Stage.DISCOVERED) == {"passed": 6}
    assert "The search ended early at the provider (timed out)" in batch_view(world.workplace, key)["summary"]
    with world.database.read() as connection:
        assert searches.run_of_batch(connection, find_batch(world.workplace, key).batch_id).partial


async def test_answers_that_a_model_had_to_give_again_are_counted(world):
    key = world.create().key
    await world.run(key, Stage.DISCOVERED, Stage.SCREENED)
    assert "asked again" not in batch_view(world.workplace, key)["summary"]
    with world.database.write() as connection:
        connection.execute(
            update(StageOutcomeRow).where(StageOutcomeRow.stage == Stage.SCREENED).values(detail={"reasks": 1})
        )
        connection.execute(update(LedgerEntryRow).values(operation="openai.chat"))
    answers = 1 + 6  # the search stands for an answer here
    told = f"The model had to be asked again for {round(100 * 6 / answers)} % of its answers."
    assert told in batch_view(world.workplace, key)["summary"]
