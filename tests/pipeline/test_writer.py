"""Group commit: many writes in few transactions, each with its own fate (architecture section 4, I-35)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pytest
from sqlalchemy import Connection, func, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from socialanalyzer_dagster.pipeline.writer import GroupWriter, WriterClosed
from socialanalyzer_dagster.storage.models_control import InstallSettingRow
from socialanalyzer_dagster.storage.writes import Results, Write


@dataclass(frozen=True)
class Setting(Write[str]):
    """Stores one setting; a refused name gets an exception of its own."""

    name: str
    groups: ClassVar[list[int]] = []

    @classmethod
    def apply(cls, connection: Connection, writes: Sequence["Setting"]) -> Results:
        cls.groups.append(len(writes))
        connection.execute(insert(InstallSettingRow), [{"name": write.name, "value": "v"} for write in writes])
        return [ValueError(write.name) if write.name == "refused" else write.name.upper() for write in writes]


@dataclass(frozen=True)
class FewAtOnce(Setting):
    """The same, at most two in one transaction."""

    most_per_transaction: ClassVar[int] = 2


@dataclass(frozen=True)
class BrokenDatabase(Write[None]):
    """Fails as a lost database does."""

    @classmethod
    def apply(cls, connection: Connection, writes: Sequence["BrokenDatabase"]) -> Results:
        connection.execute(text("SELECT 1"))
        raise OperationalError("SELECT", {}, Exception("disk full"))


def stored(database) -> set[str]:
    with database.read() as connection:
        return set(connection.execute(select(InstallSettingRow.name)).scalars())


@pytest.fixture(autouse=True)
def _no_groups() -> None:
    Setting.groups.clear()


async def test_what_has_gathered_is_stored_by_one_statement_and_everyone_gets_the_own_result(database):
    async with GroupWriter(database) as writer:
        results = await asyncio.gather(*(writer.submit(Setting(f"n{number}")) for number in range(50)))
    assert results == [f"N{number}" for number in range(50)]
    assert Setting.groups == [50]
    assert len(stored(database)) == 50


async def test_one_bad_row_fails_alone(database):
    async with GroupWriter(database) as writer:
        await writer.submit(Setting("taken"))
        results = await asyncio.gather(
            *(writer.submit(Setting(name)) for name in ("a", "taken", "b", "refused")), return_exceptions=True
        )
    assert results[0] == "A"
    assert isinstance(results[1], IntegrityError)
    assert results[2] == "B"
    assert isinstance(results[3], ValueError)
    assert stored(database) == {"taken", "a", "b", "refused"}


async def test_a_failure_of_the_database_reaches_everybody_and_stores_nothing(database):
    async with GroupWriter(database) as writer:
        futures = [writer.submit(Setting("a")), writer.submit(BrokenDatabase()), writer.submit(Setting("b"))]
        results = await asyncio.gather(*futures, return_exceptions=True)
        assert all(isinstance(result, OperationalError) for result in results)
        assert stored(database) == set()
        assert await writer.submit(Setting("c")) == "C"


async def test_a_write_is_stored_although_its_author_was_cancelled(database):
    async with GroupWriter(database) as writer:
        future = writer.submit(Setting("a"))
        future.cancel()
    assert stored(database) == {"a"}


async def test_closing_commits_everything_that_was_submitted(database):
    async with GroupWriter(database) as writer:
        futures = [writer.submit(Setting(f"n{number}")) for number in range(20)]
    assert all(future.done() for future in futures)
    assert len(stored(database)) == 20
    with pytest.raises(WriterClosed):
        writer.submit(Setting("late"))


async def test_a_kind_may_limit_what_one_transaction_holds(sqlite_database):
    async with GroupWriter(sqlite_database) as writer:
        await asyncio.gather(*(writer.submit(FewAtOnce(f"n{number}")) for number in range(5)))
    assert Setting.groups == [2, 2, 1]


async def test_two_writers_of_two_processes_wait_for_each_other(database):
    async with GroupWriter(database) as one, GroupWriter(database) as other:
        await asyncio.gather(*((one if number % 2 else other).submit(Setting(f"n{number}")) for number in range(60)))
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(InstallSettingRow)).scalar_one() == 60


async def test_writes_of_tasks_that_are_cancelled_all_at_once_are_still_committed(database):
    async def write_when_cancelled(writer, name):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return await writer.submit(Setting(name))

    async with GroupWriter(database) as writer:
        tasks = [asyncio.create_task(write_when_cancelled(writer, f"last-{n}")) for n in range(5)]
        first = writer.submit(Setting("first"))
        await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        async with asyncio.timeout(10):
            assert await first == "FIRST"
            assert await asyncio.gather(*tasks) == [f"LAST-{n}" for n in range(5)]
