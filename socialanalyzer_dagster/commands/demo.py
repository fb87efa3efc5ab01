"""`demo`: one batch per platform through Dagster against the sandbox, approved and synced, with a readable result."""

import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from sqlalchemy import Connection

from socialanalyzer_dagster.commands.office import Office, open_office
from socialanalyzer_dagster.commands.output import AsJson, emit, notes, table, usd
from socialanalyzer_dagster.commands.people import create_properties
from socialanalyzer_dagster.commands.runs import STEPS, Step, progress_of, run_steps
from socialanalyzer_dagster.domain.outside_text import printable
from socialanalyzer_dagster.domain.types import BatchKey
from socialanalyzer_dagster.pipeline import approvals, roster
from socialanalyzer_dagster.pipeline.batch_requests import BatchRequest
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.batch_view import batch_view
from socialanalyzer_dagster.pipeline.batches import create_batch
from socialanalyzer_dagster.pipeline.crm_sync import next_stretch
from socialanalyzer_dagster.pipeline.free_calls import free_calls
from socialanalyzer_dagster.pipeline.gate_answers import DEMO_APPROVER
from socialanalyzer_dagster.pipeline.launching import Stretch
from socialanalyzer_dagster.pipeline.lead_exports import exported_leads
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.sandbox.demo_searches import DEMO_SEARCHES
from socialanalyzer_dagster.sandbox.serve import sandbox_bill
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.storage import batches
from socialanalyzer_dagster.storage.batches import Batch, BatchPage
from socialanalyzer_dagster.storage.cost_views import billed_micros

NOTE = "demonstration"
_TO_PLAN = STEPS[: STEPS.index(Step.PLAN) + 1]
_BEST = 5
_DEMONSTRATIONS = 200


def demo(*, as_json: AsJson = False) -> int:
    """Run one batch per platform against the sandbox, approve and sync them, and show what came of it."""
    if not Settings.from_environment().is_sandbox:
        raise typer.BadParameter("the demonstration runs in sandbox mode alone: unset SOCIALANALYZER_ENV")
    began = time.monotonic()
    with open_office(needs_vendors=True) as office:
        asyncio.run(prepare_crm(office))
        keys = {_batch(office, platform, filters): platform for platform, filters in DEMO_SEARCHES.items()}
        problems = _run(office, keys)
        result = _result(office, list(keys))
    result["seconds"] = round(time.monotonic() - began, 1)
    emit(result, as_json=as_json, text=lambda console: _print(console, result, office.settings))
    for problem in problems:
        notes.print(printable(problem), style="red", markup=False)
    return 1 if problems else 0


async def prepare_crm(office: Office) -> None:
    """The CRM's properties, and its owners as the roster of a home that has nobody on it."""
    await create_properties(office)
    now = office.clock.now()
    if roster.loads(office.database, now):
        return
    policy = active_policy(office.database)
    async with office.crm() as client, free_calls(office.database, policy, office.clock) as calls:
        owners = (await calls.send(client.owners())).owners
    entries = [
        {"name": f"{each.first_name} {each.last_name}", "owner_id": each.id} for each in owners if not each.archived
    ]
    file = office.settings.home / "demo-roster.json"
    file.write_text(json.dumps(entries, indent=2), encoding="utf-8")
    roster.load_roster(office.database, file, now=now, by=DEMO_APPROVER)


def _batch(office: Office, platform: str, filters: Mapping[str, object]) -> BatchKey:
    """A new batch of the search, or the one that an interrupted demonstration left unfinished."""
    with office.database.read() as connection:
        newest = batches.list_batches(connection, BatchPage(platform=platform, limit=20))
    for batch in newest:
        if batch.note == NOTE and not batch.is_terminal:
            return batch.partition_key
    request = BatchRequest(platform=platform, filters=filters, fields={"note": NOTE}, confirmed=True)
    return create_batch(office.workplace(), request).key


def _run(office: Office, keys: Mapping[BatchKey, str]) -> list[str]:
    """Every batch to its plan, approved, and synced; the sentences of those that did not get through."""
    problems = []
    with progress_of(office, keys):
        for key in keys:
            ended = run_steps(office, key, _TO_PLAN)
            while ended.problem is None and _status(office, key) == BatchStatus.AWAITING_APPROVAL:
                batch = approvals.approve(office.workplace(), key, by=DEMO_APPROVER, comment=NOTE)
                ended = run_steps(office, key, _ahead(office, batch))
            if ended.problem is not None:
                problems.append(f"{key}: {ended.problem}")
    return problems


def _ahead(office: Office, batch: Batch) -> tuple[Step, ...]:
    """The sync of a plan that was approved, or the stages before it where another gate was opened."""
    with office.database.read() as connection:
        is_cleared = next_stretch(connection, batch) is Stretch.SYNC
    return (Step.SYNCED,) if is_cleared else _TO_PLAN


def _status(office: Office, key: BatchKey) -> str:
    with office.database.read() as connection:
        found = batches.batch_by_key(connection, key)
    return found.status if found is not None else ""


def _result(office: Office, keys: Sequence[BatchKey]) -> dict[str, Any]:
    views = [batch_view(office.workplace(), key) for key in keys]
    spend = sum(view["spend_micros"] for view in views)
    qualified = sum(view["stages"]["scored"]["passed"] for view in views)
    bill = sandbox_bill(office.settings.sandbox_url)
    with office.database.read() as connection:
        ledger = billed_micros(connection)
        best = _best_leads(connection)
    return {
        "batches": views,
        "spend_micros": spend,
        "qualified_leads": qualified,
        "micros_per_qualified_lead": spend // qualified if qualified else None,
        "best_leads": best,
        "ledger_micros": ledger,
        "sandbox_bill_micros": None if bill is None else bill["total_micros"],
    }


def _best_leads(connection: Connection) -> list[dict[str, str]]:
    """The highest scores of all demonstrations in this home, the first one's too when this one found nobody new."""
    page = BatchPage(limit=_DEMONSTRATIONS)
    ids = [batch.batch_id for batch in batches.list_batches(connection, page) if batch.note == NOTE]
    scored = {row["lead_uid"]: row for one in ids for row in exported_leads(connection, batch_id=one) if row["tier"]}
    ranked = sorted(scored.values(), key=lambda row: (-float(row["lead_score"]), row["platform"], row["platform_id"]))
    columns = ("platform", "handle", "display_name", "lead_score", "tier", "score_reasoning")
    return [{name: row[name] for name in columns} for row in ranked[:_BEST]]


def _print(console: Console, result: Mapping[str, Any], settings: Settings) -> None:
    rows = [_funnel(view) for view in result["batches"]]
    headers = ("platform", "found", "new", "screened", "enriched", "analyzed", "scored", "in CRM", "spent", "status")
    console.print("", table(headers, rows, title="Funnel: leads that passed each stage"))
    if not any(view["stages"]["discovered"]["passed"] for view in result["batches"]):
        console.print("\nnobody new: everybody was judged before, so only the searches themselves were paid")
    per_lead = result["micros_per_qualified_lead"]
    each = "no lead qualified" if per_lead is None else f"{usd(per_lead)} per qualified lead"
    console.print(f"\nspent {usd(result['spend_micros'])} for {result['qualified_leads']} qualified leads: {each}")
    console.print(_bill_sentence(result), "")
    for rank, lead in enumerate(result["best_leads"], start=1):
        name = printable(lead["display_name"] or lead["handle"])
        console.print(
            f"{rank}. {name} ({lead['platform']}) {lead['lead_score']} {lead['tier']}", style="bold", markup=False
        )
        console.print(f"   {printable(lead['score_reasoning'])}", markup=False)
    keys = [view["key"] for view in result["batches"]]
    me = _own_name()
    console.print(f"\ndone in {result['seconds']} s. Look at it:")
    console.print(f"  make dev        the Dagster UI at {settings.ui_url}", markup=False)
    console.print(f"  {me} batch show {keys[0]}", markup=False)
    console.print(f"  {me} leads list --batch {keys[0]} --stage scored --result passed", markup=False)
    console.print(f"  {me} leads export --csv --out leads.csv", markup=False)


def _own_name() -> str:
    """How this command was called, so that what is printed can be pasted."""
    called = Path(sys.argv[0]).absolute()
    return str(called.relative_to(Path.cwd())) if called.is_relative_to(Path.cwd()) else called.name


def _funnel(view: Mapping[str, Any]) -> tuple[object, ...]:
    stages = view["stages"]
    passed = [stages[name]["passed"] for name in stages]
    return (view["platform"], stages["discovered"]["in"], *passed, usd(view["spend_micros"]), view["status"])


def _bill_sentence(result: Mapping[str, Any]) -> str:
    ledger, bill = result["ledger_micros"], result["sandbox_bill_micros"]
    if bill is None:
        return "the sandbox's bill could not be read"
    if ledger == bill:
        return f"the vendors' bill and our ledger agree to the micro-dollar: {ledger:,} micro-USD in all batches so far"
    return f"the vendors billed {bill:,} micro-USD, our ledger has {ledger:,}: {bill - ledger:,} apart"
