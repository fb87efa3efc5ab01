"""Warnings and errors of a batch are kept with their fields, in bounded number, and never harm the run (spec 13.3)."""

import asyncio
import logging

import pytest
from batch_world import World, book_policy
from sqlalchemy.exc import IntegrityError

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.domain.log_fields import log_fields, logged_as
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.batch_log_view import batch_log
from socialanalyzer_dagster.pipeline.logs import message_of
from socialanalyzer_dagster.storage.log_entries import AddLogEntries

LOGGER = logging.getLogger("socialanalyzer_dagster.pipeline.somewhere")


@pytest.fixture
def books(database, policy, clock, tmp_path) -> World:
    return World(database, book_policy(policy), clock, tmp_path)


async def test_what_goes_wrong_in_a_batch_is_kept_with_the_place_it_went_wrong_at(books: World) -> None:
    refused = VendorError("insightiq", ErrorClass.PERMANENT_ITEM, "not_found", status=404)
    busy = VendorError("insightiq", ErrorClass.TRANSIENT, "busy", status=503, sent=False)
    books.vendor.errors |= {f"{Stage.SCREENED}:p1": refused, f"{Stage.ANALYZED}:p2": busy}
    batch = books.create()
    await books.run(batch.key)
    found = batch_log(books.workplace, batch.key, limit=100)
    assert found["kept"].keys() == {"ERROR", "WARNING"}
    failed, retried = (
        next(each for each in found["newest"] if (each["level"], each["stage"]) == wanted)
        for wanted in (("ERROR", "screened"), ("WARNING", "analyzed"))
    )
    assert failed["message"] == "a lead failed at screened after insightiq: not_found (HTTP 404)"
    assert (failed["platform"], len(failed["lead_uid"]), failed["attempt"]) == ("testbook", 36, 1)
    assert failed["run_id"] == retried["run_id"] is not None
    assert (retried["provider"], retried["step"], len(retried["lead_uid"])) == ("insightiq", "fetch", 36)
    assert len(retried["attempt_key"]) == 64
    errors = batch_log(books.workplace, batch.key, level="ERROR", limit=100)["newest"]
    assert {each["level"] for each in errors} == {"ERROR"}
    assert batch_log(books.workplace, batch.key, text="NOT_FOUND", limit=100)["newest"] == [failed]
    assert not batch_log(books.workplace, batch.key, text="%", limit=100)["newest"]


async def test_only_what_is_said_in_the_batch_and_from_warnings_on_is_kept(books: World) -> None:
    batch = books.create()
    LOGGER.error("before")
    async with books.opened(batch.key) as opened:
        LOGGER.info("a whisper")
        await asyncio.to_thread(LOGGER.warning, "from a thread:\n%s", "\x1b[31m")
        with logged_as(batch_id="another"):
            LOGGER.error("of another batch")
        try:
            int("private")
        except ValueError:
            LOGGER.exception("it broke")
        place = {"run_id": opened.run_id, "batch": batch.key, "batch_id": opened.row.batch_id, "attempt": 1}
        assert log_fields() == {**place, "platform": "testbook"}
    assert not log_fields()
    told = [(each["message"], each["exception"]) for each in batch_log(books.workplace, batch.key)["newest"]]
    assert told == [("it broke", "ValueError"), ("from a thread:  [31m", None)]


async def test_a_run_that_ends_with_an_exception_is_an_error_without_its_text(books: World) -> None:
    batch = books.create()
    with pytest.raises(RuntimeError):
        async with books.opened(batch.key):
            raise RuntimeError("ada@example.org")
    (entry,) = batch_log(books.workplace, batch.key)["newest"]
    assert (entry["level"], entry["message"]) == ("ERROR", "the run ended with RuntimeError")


async def test_the_newest_of_a_batch_are_kept(books: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socialanalyzer_dagster.storage.log_entries.KEPT_ENTRIES", 3)
    one, other = books.create(), books.create()
    for batch in (one, other):
        async with books.opened(batch.key):
            LOGGER.warning("first of %s", batch.key)
    async with books.opened(one.key):
        for number in range(5):
            LOGGER.warning("%d", number)
    assert [each["message"] for each in batch_log(books.workplace, one.key)["newest"]] == ["4", "3", "2"]
    assert batch_log(books.workplace, other.key)["kept"] == {"WARNING": 1}


async def test_a_log_that_cannot_be_written_harms_no_run(books: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise IntegrityError("INSERT", {}, Exception())

    monkeypatch.setattr(AddLogEntries, "apply", broken)
    batch = books.create()
    async with books.opened(batch.key):
        LOGGER.warning("lost")
    assert batch_log(books.workplace, batch.key) == {"kept": {}, "newest": []}


def test_a_line_of_a_dagster_run_says_its_own_words_alone() -> None:
    record = LOGGER.makeRecord(LOGGER.name, logging.WARNING, __file__, 1, "job - run - step - %s", ("it\nbroke",), None)
    assert message_of(record) == "job - run - step - it broke"
    record.dagster_meta = {"orig_message": "it\nbroke"}
    assert message_of(record) == "it broke"
