"""CRM plans as text for people: what would be written, contact by contact and field by field."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from socialanalyzer_dagster.commands.output import table
from socialanalyzer_dagster.domain.reason_texts import REASONS

_SHOWN = ("email", "lead_score", "priority_tier", "email_verification_status")
"""Fields of a new contact that people look at first; `--fields` shows all."""


def print_plan(console: Console, view: Mapping[str, Any], *, all_fields: bool) -> None:
    """The plan with its hash, its decision and its rows."""
    plan = view["plan"]
    if plan is None:
        console.print(f"batch {view['key']} is {view['status']} and has no plan yet", markup=False)
        return
    counts = ", ".join(f"{number} {action}" for action, number in plan["actions"].items()) or "nothing to write"
    console.print(f"plan {plan['hash'][:12]} of batch {view['key']}: {counts}; it is {plan['state']}", markup=False)
    if (gate := plan["gate"]) is not None:
        by = f" by {gate['decided_by']}" if gate["decided_by"] else ""
        console.print(f"decision: {gate['state']}{by}", markup=False)
    rows = [
        (each["handle"], each["action"], _why(each), each["tier"], each["bdr"], each["state"]) for each in view["rows"]
    ]
    console.print("", table(("lead", "action", "why", "tier", "BDR", "state"), rows))
    changes = [change for each in view["rows"] for change in _changes(each, all_fields=all_fields)]
    if changes:
        console.print("", table(("lead", "field", "in the CRM", "then"), changes))


def _why(row: Mapping[str, Any]) -> str | None:
    reason = row["reason"]
    texts = [REASONS.get(reason, reason)] if reason else []
    return "; ".join([*texts, *row["notes"]]) or None


def _changes(row: Mapping[str, Any], *, all_fields: bool) -> list[tuple[str, str, str | None, str | None]]:
    is_new = row["action"] == "create"
    return [
        (row["handle"], name, change["old"], change["new"])
        for name, change in row["changes"].items()
        if all_fields or not is_new or name in _SHOWN
    ]
