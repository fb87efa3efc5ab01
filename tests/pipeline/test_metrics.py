"""Metrics say what the database says, of no person, and nothing of what nobody measured (I-40)."""

import pytest
from batch_world import World, book_policy

from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.batch_view import batch_view
from socialanalyzer_dagster.pipeline.metrics import Family, read_metrics


@pytest.fixture
def books(sqlite_database, policy, clock, tmp_path) -> World:
    return World(sqlite_database, book_policy(policy), clock, tmp_path)


@pytest.fixture
def books_on_each(database, policy, clock, tmp_path) -> World:
    """The same over each engine, for what sums and days decide."""
    return World(database, book_policy(policy), clock, tmp_path)


def metrics(books: World) -> dict[str, Family]:
    return {each.name: each for each in read_metrics(books.workplace)}


def figures(books: World, name: str) -> dict[tuple[str, ...], float]:
    return dict(metrics(books)[name].samples)


async def test_batches_leads_and_money_of_today_are_those_of_the_database(books_on_each: World) -> None:
    batch = books_on_each.create()
    await books_on_each.run(batch.key)
    waiting = books_on_each.create(filters={"keyword": "other"})
    spent = batch_view(books_on_each.workplace, batch.key)["spend_micros"]
    assert (
        figures(books_on_each, "batches")["testbook", "queued"] == figures(books_on_each, "queued_batches")[()] == 1
    ), waiting
    assert figures(books_on_each, "leads_today")["testbook", "scored", "passed"] == len(books_on_each.vendor.names)
    assert (
        figures(books_on_each, "day_spend_micro_usd")
        == figures(books_on_each, "month_spend_micro_usd")
        == {("insightiq",): spent}
    )
    used, caps = figures(books_on_each, "cap_used_micro_usd"), figures(books_on_each, "cap_micro_usd")
    assert used["day", ""] == used["month", ""] == used["platform-day", "testbook"] == spent
    assert caps["month", ""] == 2_000_000_000
    books_on_each.workplace.clock.advance(days=1)
    assert not figures(books_on_each, "leads_today")
    assert not figures(books_on_each, "day_spend_micro_usd")
    assert figures(books_on_each, "month_spend_micro_usd") == {("insightiq",): spent}
    assert figures(books_on_each, "cap_used_micro_usd")["day", ""] == 0


async def test_a_silent_batch_shows_by_its_heartbeat_and_rest_is_not_silence(books: World) -> None:
    batch = books.create()
    assert not metrics(books)["oldest_heartbeat_seconds"].samples
    async with books.opened(batch.key) as opened:
        opened.begin(Stage.DISCOVERED)
        books.workplace.clock.advance(minutes=7)
        assert figures(books, "oldest_heartbeat_seconds") == {(): 420}


async def test_a_vendor_nobody_called_has_a_breaker_and_no_figures(books: World) -> None:
    assert not metrics(books)["vendor_calls_24h"].samples
    breakers = figures(books, "breaker")
    assert (breakers["openai", "closed"], breakers["openai", "open"]) == (1, 0)
    await books.run(books.create().key)
    assert figures(books, "vendor_calls_15m").keys() == {("insightiq",)}
    assert figures(books, "vendor_latency_seconds_24h").keys() == {("insightiq", "0.5"), ("insightiq", "0.95")}
    assert not metrics(books)["vendor_failures_24h"].samples
