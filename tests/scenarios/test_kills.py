"""A batch whose process is killed in every stage ends like one that nobody disturbed (I-19 to I-22, I-56)."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.storage.database import Database
from tests.scenarios.house import open_house, set_up_crm
from tests.scenarios.processes import ANSWERED, COMMITTED, COMMITTING, KILLED, CommandLine, Kill

pytestmark = pytest.mark.xdist_group("kills")  # both installations are made once, not in every test process
SEARCH = {"search_keywords": ["travel", "hiking"], "max_results": 8}
KILLS = (
    Kill(Stage.DISCOVERED, ANSWERED),  # the search is bought, its id is not stored
    Kill(Stage.SCREENED, ANSWERED, 3),
    Kill(Stage.ENRICHED, COMMITTED, 12),
    Kill(Stage.ANALYZED, COMMITTING, 4),
    Kill(Stage.SCORED, ANSWERED, 2),
)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT")


@dataclass
class Installation:
    """A home with its sandbox and one batch."""

    home: Path
    sandbox: str
    commands: CommandLine
    key: str = ""

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        database = Database(f"sqlite:///{self.home / 'socialanalyzer.db'}")
        with database.read() as connection:
            found = [tuple(row) for row in connection.execute(text(query))]
        database.dispose()
        return found

    def run(self, kill: Kill | None = None, *, after: Stage | None = None) -> int | None:
        """The whole batch; or only a stage in which it is killed, and the one before, which a kill left unfinished."""
        stretch = () if after is None or kill is None else ("--from", after, "--to", kill.stage)
        ended = self.commands.run("batch", "run", self.key, *stretch, kill=kill)
        assert ended.code in (0, KILLED), ended.told
        return ended.code

    def approve(self) -> None:
        assert self.commands.run("batch", "approve", self.key, "--by", "Mara").code == 0

    def bill(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self.sandbox}/_sandbox/ledger", trust_env=False).json()
        return found

    def money(self) -> tuple[int, int, int]:
        """Settled, held and unknown of the batch."""
        return self.rows("select settled_micros, held_micros, unknown_micros from budget_scopes where scope like 'b%'")[
            0
        ]  # type: ignore[return-value]

    def outcomes(self) -> list[tuple[Any, ...]]:
        return self.rows(
            "select platform_id, stage, result, code, retryable from stage_outcomes join leads using (lead_uid) "
            "where is_current order by platform_id, stage"
        )

    def scores(self) -> list[tuple[Any, ...]]:
        return self.rows("select lead_uid, kind, lead_score, base, tier from scores order by lead_uid, kind")

    def contacts(self) -> list[dict[str, str]]:
        """What the CRM has of ours, without moments."""
        stored = sqlite3.connect(self.home / "sandbox" / "sandbox.sqlite")
        bodies = stored.execute("select body from docs where kind = 'hubspot.contact'").fetchall()
        stored.close()
        people = [json.loads(body)["properties"] for (body,) in bodies]
        plain = [
            {name: value for name, value in each.items() if not _MOMENT.match(str(value)) and name != "hs_object_id"}
            for each in people
        ]
        return sorted((each for each in plain if each.get("creator_uid")), key=lambda each: each["creator_uid"])

    def export(self) -> str:
        return self.commands.run("leads", "export", "--csv").printed


def install(stack: ExitStack, home: Path, template: Path) -> Installation:
    house = stack.enter_context(open_house(home, stack.enter_context(pytest.MonkeyPatch.context()), template))
    set_up_crm(house)
    key = house.create("patreon", SEARCH).key
    return Installation(home, house.sandbox, CommandLine(home, house.sandbox), key)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Installation]:
    with ExitStack() as stack:
        made = install(stack, tmp_path_factory.mktemp("undisturbed"), sqlite_template)
        made.run()
        made.approve()
        made.run()
        yield made


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Installation]:
    with ExitStack() as stack:
        made = install(stack, tmp_path_factory.mktemp("killed"), sqlite_template)
        for before, kill in zip((KILLS[0], *KILLS), KILLS, strict=False):
            assert made.run(kill, after=before.stage) == KILLED, f"nothing was killed at {kill}"
        made.run()
        made.approve()
        # the fourth answer of the CRM says that the contacts are written; our rows do not say so yet
        assert made.run(Kill(Stage.SYNCED, ANSWERED, 4)) == KILLED
        assert len(made.contacts()) > 0, "the CRM was to be written before the kill"
        assert made.rows("select count(*) from stage_outcomes where stage = 'synced' and result = 'passed'") == [(0,)]
        made.run()
        yield made


def test_a_batch_killed_in_every_stage_ends_like_an_undisturbed_one(
    killed: Installation, undisturbed: Installation
) -> None:
    assert killed.outcomes() == undisturbed.outcomes()
    assert killed.scores() == undisturbed.scores()
    assert killed.contacts() == undisturbed.contacts()
    assert killed.export() == undisturbed.export()
    assert killed.rows("select status from lead_batches") == [("completed",)]


def test_only_calls_in_flight_at_a_kill_are_billed_again(killed: Installation, undisturbed: Installation) -> None:
    settled, held, unknown = killed.money()
    bill = killed.bill()["total_micros"]
    assert held == 0
    assert settled <= bill <= settled + unknown
    assert bill - undisturbed.bill()["total_micros"] <= unknown
    assert killed.bill()["vendors"]["apify"] == undisturbed.bill()["vendors"]["apify"], "jobs are found again"


def test_a_finished_batch_asks_no_vendor_again(undisturbed: Installation) -> None:
    asked, outcomes, scores = undisturbed.bill()["requests"], undisturbed.outcomes(), undisturbed.scores()
    contacts = undisturbed.contacts()
    ended = undisturbed.commands.run("batch", "run", undisturbed.key, "--from", "discovered", "--to", "synced")
    assert ended.code == 0, ended.told
    assert undisturbed.bill()["requests"] == asked
    assert (undisturbed.outcomes(), undisturbed.scores(), undisturbed.contacts()) == (outcomes, scores, contacts)
