"""What a materialization shows in the Dagster UI: figures, reasons, money and a few example leads."""

from collections.abc import Mapping, Sequence

import dagster as dg

from socialanalyzer_dagster.domain.batch_facts import failed_by_reason, rejected_by_reason, skipped_by_reason
from socialanalyzer_dagster.domain.markdown import cell, plain
from socialanalyzer_dagster.domain.money import usd_text
from socialanalyzer_dagster.domain.reason_texts import outcome_text, reason_text
from socialanalyzer_dagster.pipeline.code_version import code_version
from socialanalyzer_dagster.pipeline.lead_examples import LeadExample
from socialanalyzer_dagster.pipeline.rescore import Rescored
from socialanalyzer_dagster.pipeline.runner_end import StageReport

Metadata = Mapping[str, dg.MetadataValue]
_MICROS = 1_000_000


def stage_metadata(report: StageReport, examples: Sequence[LeadExample], version: str) -> Metadata:
    """The figures of one stage of one batch; a figure nobody measured is left out."""
    counters = report.counters
    shown: dict[str, dg.MetadataValue] = {
        "leads_in": dg.MetadataValue.int(counters.entered),
        "passed": dg.MetadataValue.int(counters.passed),
        "rejected": dg.MetadataValue.int(counters.rejected),
        "failed": dg.MetadataValue.int(counters.failed),
        "skipped": dg.MetadataValue.int(counters.skipped),
        "pending": dg.MetadataValue.int(counters.pending),
        "worked_in_this_run": dg.MetadataValue.int(report.worked),
        "reasons": dg.MetadataValue.md(reasons_table(_by_result(report))),
        "spend_usd": dg.MetadataValue.float(report.spend_micros / _MICROS),
        "reuse_savings_usd": dg.MetadataValue.float(report.reused_micros / _MICROS),
        "batch_status": dg.MetadataValue.text(report.status),
        "policy_version": dg.MetadataValue.text(version),
        "code_version": dg.MetadataValue.text(code_version()),
        "examples": dg.MetadataValue.md(examples_table(examples)),
        "summary": dg.MetadataValue.asset(dg.AssetKey("batch_summary")),
    }
    measured = {"yield": report.yield_rate, "seconds_per_lead_p50": report.seconds_p50}
    measured["seconds_per_lead_p95"] = report.seconds_p95
    if report.micros_per_lead is not None:
        measured["usd_per_lead"] = report.micros_per_lead / _MICROS
    shown |= {name: dg.MetadataValue.float(value) for name, value in measured.items() if value is not None}
    notes = {"waiting_because": report.halt, "capped": report.capped}
    shown |= {name: dg.MetadataValue.text(text) for name, text in notes.items() if text is not None}
    if report.rules:
        shown["rules"] = dg.MetadataValue.md("\n".join(f"- {plain(sentence)}" for sentence in report.rules))
    shown |= {f"items_{result.value}": dg.MetadataValue.int(number) for result, number in report.items.items()}
    return shown


def stage_sentence(report: StageReport) -> str:
    """One line for the run's log."""
    counters = report.counters
    money = f"{usd_text(report.spend_micros)} spent, {usd_text(report.reused_micros)} saved by reuse"
    figures = (
        f"{counters.passed} passed, {counters.rejected} rejected, {counters.failed} failed, {counters.skipped} skipped"
    )
    sentence = f"{report.stage}: {counters.entered} leads in, {figures}, {counters.pending} pending; {money}."
    said = [*(each for each in report.rules if report.halt is None or each not in report.halt), report.halt]
    return " ".join([sentence, *(each for each in said if each)])


def _by_result(report: StageReport) -> dict[str, Mapping[str, int]]:
    return {
        "rejected": rejected_by_reason(report.stage, report.counters),
        "failed": failed_by_reason(report.stage, report.counters),
        "skipped": skipped_by_reason(report.stage, report.counters),
    }


def reasons_table(by_result: Mapping[str, Mapping[str, int]]) -> str:
    """How many leads ended with which result for which reason, in words, as Markdown."""
    rows = [
        f"| {result} | {cell(reason_text(code))} | {number} |"
        for result, codes in by_result.items()
        for code, number in codes.items()
    ]
    return "\n".join(["| result | reason | leads |", "|---|---|---:|", *rows]) if rows else "none"


def examples_table(examples: Sequence[LeadExample]) -> str:
    """A few leads as Markdown, without names or contact data: the uid leads to everything else."""
    if not examples:
        return "none"
    rows = [
        f"| `{each.lead_uid}` | {each.audience_size if each.audience_size is not None else 'unknown'} "
        f"| {each.result} | {cell(outcome_text(each.code))} | {each.lead_score or ''} | {cell(each.tier)} |"
        for each in examples
    ]
    return "\n".join(["| lead | audience | result | reason | score | tier |", "|---|---:|---|---|---:|---|", *rows])


def rescored_metadata(result: Rescored) -> Metadata:
    """What another policy makes of one batch: how many scores and tiers it changes, and from which tier to which."""
    flow = [
        dg.TableRecord({"from": old, "to": new, "leads": leads}) for (old, new), leads in sorted(result.flow.items())
    ]
    columns = [dg.TableColumn("from"), dg.TableColumn("to"), dg.TableColumn("leads", "int")]
    return {
        "scores": dg.MetadataValue.int(result.scores),
        "changed_scores": dg.MetadataValue.int(result.changed),
        "changed_tiers": dg.MetadataValue.int(len(result.moved)),
        "tier_flow": dg.MetadataValue.table(flow, dg.TableSchema(columns)),
        "policy_hash": dg.MetadataValue.text(result.policy_hash),
    }
