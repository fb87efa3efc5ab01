"""A whole batch whose analysis is bought as lines: the same leads as live, at the vendor's own lower bill."""

import shutil
from typing import Any

from sqlalchemy import select

from socialanalyzer_dagster.domain.policy import INSTANT_POLICY, parse_policy, shipped_policy
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.batch_requests import BatchRequest
from socialanalyzer_dagster.pipeline.batches import create_batch
from socialanalyzer_dagster.pipeline.policies import Authorship, activate
from socialanalyzer_dagster.storage import batch_figures
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow, LeadRow
from socialanalyzer_dagster.vendors.connect import connect_vendors
from tests.invariants.conftest import FILTERS, LEAD_STAGES, Town, settings_of

PLATFORM = "instagram"


async def test_i_29_analysis_bought_as_lines_ends_alike_and_the_books_equal_the_bill(
    town: Town, server, sqlite_template, tmp_path
):
    shutil.copyfile(sqlite_template, tmp_path / "lines.db")
    other = Town(Database(f"sqlite:///{tmp_path / 'lines.db'}"), tmp_path, town.clock, settings_of(server, tmp_path))
    document = shipped_policy(INSTANT_POLICY).document()
    document["analysis"]["mode"] = "batch"
    activate(other.database, parse_policy(document), Authorship(author="test", note="", at=other.clock.now()))
    vendors = connect_vendors(other.settings)
    key = create_batch(other.workplace, BatchRequest(platform=PLATFORM, filters=FILTERS[PLATFORM])).key
    before = server.state.bill.summary()["total_micros"]
    await other.stages(key, vendors, Stage.DISCOVERED, *LEAD_STAGES)
    billed = server.state.bill.summary()["total_micros"] - before
    await vendors.close()
    with other.database.read() as connection:
        batch_id = connection.execute(select(LeadBatchRow.batch_id)).scalar_one()
        money = batch_figures.money(connection, [batch_id])[batch_id]
    assert (money.spend_micros, money.held_micros, money.unknown_micros) == (billed, 0, 0)
    assert judged(other) == judged(town) != []
    other.database.dispose()


def judged(town: Town) -> list[Any]:
    """Who passed scoring, with score and tier."""
    rows = town.rows(LeadRow.platform, LeadRow.platform_id, LeadRow.lead_uid)
    names = {row.lead_uid: row.platform_id for row in rows if row.platform == PLATFORM}
    return sorted(
        (names[row.lead_uid], row.tier, row.record["lead_score"]) for row in town.scores() if row.lead_uid in names
    )
