"""Batches as text for people: one batch, a list of batches, a canary's figures."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console

from socialanalyzer_dagster.commands.output import table, usd
from socialanalyzer_dagster.domain.approval import QuestionKind
from socialanalyzer_dagster.domain.estimate import PAID_STAGES
from socialanalyzer_dagster.domain.next_steps import release_step
from socialanalyzer_dagster.domain.outside_text import printable
from socialanalyzer_dagster.pipeline.batch_status import waits_for_release

_LOG_COLUMNS = ("at", "level", "stage", "step", "provider", "message")
_COLUMNS = ("in", "passed", "rejected", "failed", "skipped", "pending")


def print_batch(console: Console, view: Mapping[str, Any]) -> None:
    """Summary, funnel and money of one batch."""
    for line in str(view["summary"]).splitlines():
        console.print(printable(line), markup=False)
    rows = [
        (stage, *(counts[column] for column in _COLUMNS), _reasons(counts["reasons"]))
        for stage, counts in view["stages"].items()
    ]
    console.print("", table(("stage", *_COLUMNS, "main reasons"), rows))
    console.print("", table(("money", "USD"), _money(view)))
    if (policy := view["policy"]) is not None:
        told = f"{policy['author']}: {policy['note']}" if policy["note"] else policy["author"]
        console.print(f"\ndecided under policy version {policy['number']} ({told})", markup=False, soft_wrap=True)
    if view["rescored"]:
        live = ("the batch itself", _counted(view["tiers"]))
        others = [(f"version {each['policy']}", _counted(each["tiers"])) for each in view["rescored"]]
        console.print("", table(("scores of", "tiers"), [live, *others]))
    if view["held_by"] is not None:
        console.print(f"\nnot launched, because {view['held_by']}", markup=False)
    if (question := view["question"]) is not None:
        without_answer = str(question["without_answer"])
        told = f"This batch {question['sentence']}. {without_answer[0].upper()}{without_answer[1:]}."
        console.print(f"\n{told}", markup=False)
        if question["kind"] != QuestionKind.PLAN:
            console.print(
                "\n".join(["answer by one of:", *(f"  {each}" for each in question["answers"])]), markup=False
            )
    if (sync := view["sync"]) is not None:
        console.print("", table(("CRM write", ""), _sync(sync)))


def _sync(sync: Mapping[str, Any]) -> list[tuple[str, object]]:
    facts = {
        "plan": f"{sync['plan'][:12]}, {sync['state']}",
        "expires": sync["expires_at"] if sync["state"] == "open" else None,
        "goes on": sync["resume_at"],
        "next try": sync["next_try_at"],
        **{f"rows {state}": number for state, number in sync["rows"].items()},
        "workflow not told": sync["untold"] or None,
    }
    return [(name, value) for name, value in facts.items() if value is not None]


def _reasons(reasons: Mapping[str, int]) -> str:
    return _counted(dict(list(reasons.items())[:3]))


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _money(view: Mapping[str, Any]) -> list[tuple[str, str]]:
    amounts = {
        "spent": view["spend_micros"],
        "held": view["held_micros"],
        "unknown": view["unknown_micros"],
        "saved by reuse": view["reused_micros"],
        "estimate": view["estimate_micros"],
        "cap": view["caps"]["batch"],
    }
    return [(name, usd(amount)) for name, amount in amounts.items()]


def print_log(console: Console, log: Mapping[str, Any]) -> None:
    """Entries of a batch's log, newest first."""
    rows = [[_shown(each[column]) for column in _LOG_COLUMNS] for each in log["newest"]]
    if rows:
        console.print(table(_LOG_COLUMNS, rows))


def print_newest(console: Console, view: Mapping[str, Any]) -> None:
    """What a batch logged last, and how to see the rest; nothing when it logged nothing."""
    log = view["log"]
    if log["kept"]:
        counts = ", ".join(f"{number} {level}" for level, number in log["kept"].items())
        console.print(f"\nlogged: {counts}; all of it: socialanalyzer logs {view['key']}", markup=False)
        print_log(console, log)


def _shown(value: object) -> object:
    return value.isoformat(sep=" ", timespec="seconds") if isinstance(value, datetime) else value


def print_batches(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """One line per batch."""
    cells = [
        (
            each["key"],
            each["status"],
            *(each["passed"].get(stage, 0) for stage in ("discovered", "scored", "synced")),
            usd(each["spend_micros"]),
            usd(each["cap_micros"]),
            each["held_by"] or each["cause"],
        )
        for each in rows
    ]
    console.print(table(("batch", "status", "new", "scored", "synced", "spent", "cap", "why"), cells))


def print_canary(console: Console, view: Mapping[str, Any], by_stage: Mapping[str, int]) -> None:
    """Measured against estimated cost per lead of the leads that went ahead, and how to go on."""
    rows = [row for stage in PAID_STAGES if (row := _canary_row(view, stage.value, by_stage)) is not None]
    console.print("", table(("stage", "leads", "measured per lead", "estimated per lead"), rows))
    console.print(f"\n{view['canary']} leads went ahead for {usd(view['spend_micros'])}; the others wait.")
    if not waits_for_release(view["status"], view["cause"]):
        console.print(release_step(view["key"]), markup=False)


def _canary_row(view: Mapping[str, Any], stage: str, by_stage: Mapping[str, int]) -> tuple[object, ...] | None:
    counts = view["stages"][stage]
    worked = counts["passed"] + counts["rejected"] + counts["failed"]
    estimate = view["estimate"]["stages"].get(stage)
    if not worked or estimate is None:
        return None
    expected = usd(estimate["micros"] // estimate["leads"]) if estimate["leads"] else None
    return stage, worked, usd(by_stage.get(stage, 0) // worked), expected
