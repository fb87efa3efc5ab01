"""The demonstration: every platform from search to CRM, and sensible when it is run a second time."""

import pytest

from socialanalyzer_dagster.commands import demo
from socialanalyzer_dagster.sandbox.demo_searches import DEMO_SEARCHES

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("commands-demo")]


def test_the_demonstration_reaches_the_crm_and_meets_known_leads_the_second_time(shared, monkeypatch):
    smaller = {platform: {**filters, "max_results": 8} for platform, filters in DEMO_SEARCHES.items()}
    monkeypatch.setattr(demo, "DEMO_SEARCHES", smaller)
    first = shared.json("demo")
    assert len(first["batches"]) == 3
    for view in first["batches"]:
        assert view["status"] == "completed"
        assert view["stages"]["synced"]["passed"] > 0
    assert first["ledger_micros"] == first["sandbox_bill_micros"] == first["spend_micros"]
    assert len(first["best_leads"]) == 5
    assert all(lead["score_reasoning"] and lead["tier"] for lead in first["best_leads"])

    second = shared.run("demo")
    assert second.code == 0
    assert "nobody new" in second.out
    assert "agree to the micro-dollar" in second.out
    assert first["best_leads"][0]["display_name"] in second.out
    assert len(shared.json("batch", "list")["batches"]) == 6
