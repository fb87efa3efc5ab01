"""Leads whose every text is hostile: stored alike on both engines, shown harmlessly by every command (I-13, I-65)."""

import csv
import io
import json

from batch_world import World, book_policy
from sqlalchemy import select

from socialanalyzer_dagster import cli
from socialanalyzer_dagster.domain.outside_text import storable
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.storage.leads import load_records
from socialanalyzer_dagster.storage.models_leads import FoundItemRow, LeadRow
from tests.domain.injections import DISGUISED, INJECTIONS, MARKUP

NAMES = [name for text in INJECTIONS.values() if not (name := text[:200]).startswith(("r", "?"))]
STORED = {storable(name) for name in NAMES}


async def hostile_batch(database, policy, clock, home) -> tuple[World, str]:
    """A batch of leads that are all called like the corpus."""
    world = World(database, book_policy(policy), clock, home)
    world.vendor.names = NAMES
    key = world.create(filters={"keyword": "books", "max_results": len(NAMES)}, confirmed=True).key
    await world.run(key)
    return world, key


async def test_every_text_is_stored_and_given_back_by_one_rule_on_both_engines(database, policy, clock, tmp_path):
    world, _ = await hostile_batch(database, policy, clock, tmp_path)
    with database.read() as connection:
        raw = connection.execute(select(FoundItemRow.raw).order_by(FoundItemRow.item_no)).scalars().all()
        uids = [LeadUid(uid) for uid in connection.execute(select(LeadRow.lead_uid)).scalars()]
        handles = {record.handle for record in load_records(connection, uids).values()}
    assert [each["name"] for each in raw] == [storable(name) for name in NAMES]
    assert handles == STORED
    assert set(world.codes("scored")) == {"passed"}, "each of them went all the way"


async def test_every_command_shows_them_without_being_steered(
    sqlite_database, policy, clock, tmp_path, monkeypatch, capsys
):
    _, key = await hostile_batch(sqlite_database, policy, clock, tmp_path)
    monkeypatch.setenv("SOCIALANALYZER_HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", str(sqlite_database.url))
    out = tmp_path / "leads.csv"

    def printed(*arguments: str) -> str:
        capsys.readouterr()
        assert cli.run(arguments) == 0
        told = capsys.readouterr()
        assert all(char.isprintable() or char in "\n\t" for char in told.err)
        return told.out

    listed = json.loads(printed("leads", "list", "--json", "--limit", "1000"))
    assert {lead["handle"] for lead in listed["leads"]} == STORED
    shows = [("leads", "show", f"testbook:{storable(MARKUP[name])}") for name in ("rich markup", "html", "slack")]
    shows += [("leads", "show", f"testbook:{storable(DISGUISED[name])}") for name in ("ansi", "bidi", "log lines")]
    for arguments in (("leads", "list", "--limit", "1000"), ("batch", "show", key), ("batch", "list"), *shows):
        for form in ((), ("--json",)):
            text = printed(*arguments, *form)
            assert all(char.isprintable() or char == "\n" for char in text)
    assert cli.run(["leads", "export", "--csv", "--out", str(out)]) == 0
    rows = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8"), newline="")))
    assert len(rows) == len(NAMES)
    assert not any(row["handle"].startswith(("=", "+", "-", "@", "＝")) for row in rows)
