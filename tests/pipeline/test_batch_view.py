"""What people see of batches: the object of `batch show`, lists by cursor, and the summary (spec 14.1, I-54)."""

from datetime import timedelta

import pytest
from batch_world import World, book_policy

from socialanalyzer_dagster.pipeline.batch_actions import NoSuchBatch, find_batch
from socialanalyzer_dagster.pipeline.batch_view import batch_rows, batch_view, next_page
from socialanalyzer_dagster.pipeline.summaries import refresh_summary
from socialanalyzer_dagster.storage.batches import BatchPage

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
