"""What the plan and the sync show in the Dagster UI: figures and hashes, never a contact's data (I-68)."""

from collections.abc import Mapping, Sequence

import dagster as dg

from socialanalyzer_dagster.assets.report_metadata import Metadata, reasons_table, stage_metadata
from socialanalyzer_dagster.domain.markdown import cell
from socialanalyzer_dagster.domain.outcomes import HELD
from socialanalyzer_dagster.pipeline.crm_apply import SyncReport
from socialanalyzer_dagster.pipeline.crm_plan import PlanReport
from socialanalyzer_dagster.pipeline.lead_examples import LeadExample
from socialanalyzer_dagster.pipeline.plan_view import plan_markdown, plan_view
from socialanalyzer_dagster.pipeline.workplace import Workplace


def plan_metadata(report: PlanReport, workplace: Workplace) -> Metadata:
    """Rows by action, reason, tier and BDR, their fields without people's data, and the hash that is approved."""
    shown: dict[str, dg.MetadataValue] = {
        "contacts_to_write": dg.MetadataValue.int(report.contacts),
        "actions": dg.MetadataValue.md(counts_table("action", report.actions)),
        "reasons": dg.MetadataValue.md(reasons_table(_by_action(report.reasons))),
        "tiers": dg.MetadataValue.md(counts_table("tier", report.tiers)),
        "leads_per_bdr": dg.MetadataValue.md(counts_table("BDR", report.bdrs)),
        "batch_status": dg.MetadataValue.text(report.status),
    }
    if report.plan_hash is not None:
        rows = plan_markdown(plan_view(workplace, report.key, hide=True))
        shown["plan_hash"] = dg.MetadataValue.text(report.plan_hash)
        if report.expires_at is not None:
            shown["expires_at"] = dg.MetadataValue.timestamp(report.expires_at)
        shown["rows"] = dg.MetadataValue.md(rows)
        shown["see_the_fields"] = dg.MetadataValue.text(f"socialanalyzer batch plan {report.key}")
    if report.halt is not None:
        shown["waiting_because"] = dg.MetadataValue.text(report.halt)
    return shown


def _by_action(reasons: Mapping[str, int]) -> dict[str, Mapping[str, int]]:
    ordered = sorted(reasons.items(), key=lambda each: (-each[1], each[0]))
    held = {code: number for code, number in ordered if code in HELD}
    return {"held": held, "rejected": {code: number for code, number in ordered if code not in HELD}}


def counts_table(heading: str, counts: Mapping[str, int]) -> str:
    """Counts as Markdown, the largest first."""
    if not counts:
        return "none"
    rows = [
        f"| {cell(name)} | {number} |" for name, number in sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    ]
    return "\n".join([f"| {heading} | contacts |", "|---|---:|", *rows])


def sync_metadata(report: SyncReport, examples: Sequence[LeadExample], version: str) -> Metadata:
    """The stage's figures, and the plan's rows by how their write ended."""
    rows = dg.MetadataValue.md(counts_table("row", report.rows))
    shown = {**stage_metadata(report.stage, examples, version), "plan_rows": rows}
    if report.untold:
        shown["workflow_not_told"] = dg.MetadataValue.int(report.untold)
    return shown if report.plan_hash is None else {**shown, "plan_hash": dg.MetadataValue.text(report.plan_hash)}
