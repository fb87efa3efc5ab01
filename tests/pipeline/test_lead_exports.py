"""The export: documented columns, unknown is empty, nothing a spreadsheet would run, sorted (issue 2, section 7)."""

import csv
from io import StringIO

import pytest
from batch_world import World, book_policy

from socialanalyzer_dagster.pipeline.lead_exports import COLUMNS, as_csv, exported_leads, formula_safe


@pytest.fixture
def world(sqlite_database, policy, clock, tmp_path):
    return World(sqlite_database, book_policy(policy), clock, tmp_path)


def rows_of(world, batch_id=None):
    with world.database.read() as connection:
        return list(exported_leads(connection, batch_id=batch_id))


async def test_leads_are_sorted_and_have_exactly_the_columns(world):
    world.vendor.names = ["zoe", "abe", "r1"]
    created = world.create()
    await world.run(created.key)
    rows = rows_of(world, created.batch_id)
    assert [row["platform_id"] for row in rows] == ["abe", "r1", "zoe"]
    assert all(tuple(row) == COLUMNS for row in rows)
    assert rows[0] | {"stage": "scored", "result": "passed", "lead_score": "0.8", "tier": "auto_enroll"} == rows[0]
    assert (rows[0]["email"], rows[0]["email_status"]) == ("abe@example.org", "valid")


async def test_a_rejected_lead_is_exported_with_its_reason_and_unknowns_are_empty(world):
    world.vendor.names = ["r1"]
    await world.run(world.create().key)
    (row,) = rows_of(world)
    assert (row["stage"], row["result"], row["code"]) == ("screened", "rejected", "inactive")
    assert (row["audience_size"], row["lead_score"], row["tier"], row["bdr"]) == ("", "", "", "")


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@cmd", "\t=1", "\r=1", " =1"])
def test_a_cell_that_a_spreadsheet_would_run_becomes_text(cell):
    assert formula_safe(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "a=b", "Ada", "1.5", "https://x.example"])
def test_other_cells_stay_as_they_are(cell):
    assert formula_safe(cell) == cell


async def test_csv_quotes_what_needs_it_and_can_be_read_back(world):
    world.vendor.names = ['=HYPERLINK("x")', 'comma, quote" and\nline']
    await world.run(world.create().key)
    text = "".join(as_csv(iter(rows_of(world))))
    read = list(csv.DictReader(StringIO(text, newline="")))
    assert [row["handle"] for row in read] == ['\'=HYPERLINK("x")', 'comma, quote" and\nline']
    assert tuple(read[0]) == COLUMNS


async def test_of_several_batches_the_newest_counts(world, clock):
    world.vendor.names = ["p1"]
    first = world.create()
    await world.run(first.key)
    clock.advance(days=200)
    world.vendor.names = ["p1", "p2"]
    second = world.create()
    await world.run(second.key)
    assert [row["platform_id"] for row in rows_of(world)] == ["p1", "p2"]
    assert len(rows_of(world, first.batch_id)) == 1
