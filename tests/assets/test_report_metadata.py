"""What a materialization shows: what became of the leads, by result, in words a reader of the leads knows."""

from socialanalyzer_dagster.assets.plan_metadata import plan_metadata
from socialanalyzer_dagster.assets.report_metadata import examples_table, stage_metadata
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.counters import StageCounters
from socialanalyzer_dagster.pipeline.crm_plan import PlanReport
from socialanalyzer_dagster.pipeline.lead_examples import LeadExample
from socialanalyzer_dagster.pipeline.runner_end import StageReport
from socialanalyzer_dagster.pipeline.workplace import SystemClock, Workplace


def rows_of(text: str) -> list[str]:
    return text.splitlines()[2:]


def test_reasons_stand_in_words_under_their_result():
    reasons = {"inactive": 3, "nsfw": 2, "budget_stopped": 2, "llm_refused": 1}
    counters = StageCounters(entered=9, rejected=5, failed=1, skipped=2, reasons=reasons)
    report = StageReport(
        stage=Stage.SCREENED, status="screening", counters=counters, worked=8, spend_micros=0, reused_micros=0,
        seconds_p50=None, seconds_p95=None,
    )  # fmt: skip
    assert rows_of(stage_metadata(report, [], "1")["reasons"].value) == [
        "| rejected | no recent post | 3 |",
        "| rejected | adult content | 2 |",
        "| failed | the model declined to judge | 1 |",
        "| skipped | the spending cap was reached | 2 |",
    ]


def test_a_plan_tells_held_from_rejected(sqlite_database, tmp_path):
    workplace = Workplace(
        database=sqlite_database,
        platforms={},
        clock=SystemClock(),
        home=tmp_path,
        mode="sandbox",
        suppression_key=b"k" * 32,
    )
    report = PlanReport(key="k", status="awaiting_approval", reasons={"suppressed": 1, "held_no_bdr": 2})
    assert rows_of(plan_metadata(report, workplace)["reasons"].value) == [
        "| held | no active sales representative | 2 |",
        "| rejected | asked not to be contacted | 1 |",
    ]


def test_example_leads_say_why_in_words() -> None:
    common = {"audience_size": None, "lead_score": None, "tier": None}
    leads = [
        LeadExample(lead_uid="one", result="rejected", code="posting_gap", **common),
        LeadExample(lead_uid="two", result="passed", code="created", **common),
        LeadExample(lead_uid="three", result="passed", code=None, **common),
    ]
    assert [row.split("|")[4].strip() for row in examples_table(leads).splitlines()[2:]] == [
        "long pauses between posts",
        "created",
        "",
    ]
