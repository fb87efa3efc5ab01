"""CRM plans as text for people: what would be written, contact by contact and field by field."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from socialanalyzer_dagster.commands.output import table
from socialanalyzer_dagster.domain.reason_texts import outcome_text

_SHOWN = ("email", "lead_score", "priority_tier", "email_verification_status")
"""Fields of a new contact that people look at first; `--fields` shows all."""


def print_plan(console: Console, view: Mapping[str, Any], *, all_fields: bool) -> None:
    """The plan with its hash, its decision and its rows."""
    plan = view["plan"]
    if plan is None:
        console.print(f"batch {view['key']} is {view['status']} and has no plan yet", markup=False)
        return
    counts = ", ".join(f"{number} {action}" for action, number in plan["actions"].items()) or "nothing to write"
    if plan["hash"] is None:
        console.print(f"a plan of batch {view['key']} made now would be: {counts}; nothing is stored", markup=False)
    else:
        console.print(f"plan {plan['hash'][:12]} of batch {view['key']}: {counts}; {_standing(plan)}", markup=False)
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


def _standing(plan: Mapping[str, Any]) -> str:
    """Whether it may be decided about and written, and until when."""
    if plan["is_expired"]:
        return f"it expired at {plan['expires_at']}: make a new one"
    if plan["resume_at"] is not None:
        return f"it is {plan['state']}; its sync goes on at {plan['resume_at']}"
    return f"it is {plan['state']}" + (f" until {plan['expires_at']}" if plan["state"] == "open" else "")


def _why(row: Mapping[str, Any]) -> str | None:
    reason = outcome_text(row["reason"])
    texts = [reason] if reason else []
    if row["override"] is not None:
        texts.append(f"tier set by {row['override']['by']}: {row['override']['reason']}")
    if row["next_try_at"] is not None:
        texts.append(f"tried again at {row['next_try_at']}")
    if row["untold"] is not None:
        texts.append(f"the workflow was not told: {row['untold']}")
    return "; ".join([*texts, *row["notes"], *([row["error"]] if row["error"] else [])]) or None


def _changes(row: Mapping[str, Any], *, all_fields: bool) -> list[tuple[str, str, str | None, str | None]]:
    is_new = row["action"] == "create"
    return [
        (row["handle"], name, change["old"], change["new"])
        for name, change in row["changes"].items()
        if all_fields or not is_new or name in _SHOWN
    ]


def print_undo(console: Console, view: Mapping[str, Any]) -> None:
    """What an undo would restore, or restored, and what stays with the cause."""
    name = f"plan {view['plan'][:12]} of batch {view['key']}"
    if not view["rows"]:
        console.print(f"nothing of {name} is left to take back", markup=False)
        return
    fields = sum(len(row["restored"]) for row in view["rows"])
    word = "restored" if view["written"] else "would be restored"
    console.print(f"{name}: {fields} fields of {len(view['rows'])} contacts {word}", markup=False)
    changes = [
        (row["handle"], name, change["now"], change["then"])
        for row in view["rows"]
        for name, change in row["restored"].items()
    ]
    if changes:
        console.print("", table(("lead", "field", "in the CRM", "then"), changes))
    kept = [(row["handle"], name, why) for row in view["rows"] for name, why in row["kept"].items()]
    if kept:
        console.print("", table(("lead", "field that stays", "why"), kept))
