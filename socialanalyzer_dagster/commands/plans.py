"""`batch plan`, `approve`, `reject` and `undo`: what is written to the CRM, and what people decide about it."""

import asyncio
import uuid
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console

from socialanalyzer_dagster.commands import plan_texts
from socialanalyzer_dagster.commands.batches import Key, emit_change
from socialanalyzer_dagster.commands.inputs import dollars, json_object
from socialanalyzer_dagster.commands.office import Office, open_office
from socialanalyzer_dagster.commands.output import AsJson, emit
from socialanalyzer_dagster.domain.crm_diff import PlanRow
from socialanalyzer_dagster.domain.money import micros_from_usd
from socialanalyzer_dagster.pipeline import approvals
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.crm_plan import dry_plan
from socialanalyzer_dagster.pipeline.crm_undo import UndoRequest
from socialanalyzer_dagster.pipeline.crm_undo import undo as undone
from socialanalyzer_dagster.pipeline.gate_changes import Changes, revise
from socialanalyzer_dagster.pipeline.plan_view import dry_view, plan_view
from socialanalyzer_dagster.pipeline.request_drafts import drafted_command
from socialanalyzer_dagster.storage.batches import Batch

Person = Annotated[str, typer.Option("--by", help="The person who decides.")]
PlanHash = Annotated[str | None, typer.Option("--plan", metavar="HASH", help="Only if the plan is still this one.")]


def register(app: typer.Typer) -> None:
    """Put the commands under `batch`."""
    for name, command in (("plan", plan), ("approve", approve), ("reject", reject), ("undo", undo)):
        app.command(name)(command)


def plan(
    key: Key,
    *,
    fields: Annotated[bool, typer.Option("--fields", help="Every field of new contacts too.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="What a plan made now would say; nothing is stored or asked.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """What would be written to the CRM, until when, field by field: create, update, unchanged, held, rejected."""
    with open_office(needs_vendors=dry_run) as office:
        workplace = office.workplace()
        view = dry_view(workplace, key, asyncio.run(_dry_rows(office, key))) if dry_run else plan_view(workplace, key)
    emit(view, as_json=as_json, text=lambda console: plan_texts.print_plan(console, view, all_fields=fields))


def approve(
    key: Key,
    *,
    by: Person,
    comment: Annotated[str | None, typer.Option(help="For the record.")] = None,
    plan_hash: PlanHash = None,
    as_json: AsJson = False,
) -> None:
    """Say yes to exactly what waits: a stage that may begin, or a plan, which can be written once."""
    with open_office() as office:
        batch = approvals.approve(office.workplace(), key, by=by, comment=comment, plan_hash=plan_hash)
    emit_change(batch, f"approved by {by}; go on with: socialanalyzer batch run {key}", as_json=as_json)


def reject(
    key: Key,
    *,
    by: Person,
    reason: Annotated[str, typer.Option(help="Why.")],
    plan_hash: PlanHash = None,
    max_spend: Annotated[str | None, typer.Option(metavar="USD", help="Ask again with this cap.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(metavar="LEAD", help="Ask again without it; repeatable.")] = None,
    bdr: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Ask again with these BDRs.")] = None,
    tier_floor: Annotated[str | None, typer.Option(metavar="TIER", help="Ask again without lower tiers.")] = None,
    filters: Annotated[
        str | None, typer.Option(metavar="JSON", help="End it, and draft a batch whose search differs in these.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say no: nothing is written or paid, the batch ends. With changes it is asked about again, which costs nothing."""
    cap = micros_from_usd(dollars(max_spend, "--max-spend")) if max_spend is not None else None
    changes = Changes(cap_micros=cap, excluded=tuple(exclude or ()), bdr_names=tuple(bdr or ()), tier_floor=tier_floor)
    if filters is not None and not changes.is_empty:
        raise typer.BadParameter(
            "a batch that ran keeps its filters: end it with --filters alone", param_hint="--filters"
        )
    with open_office() as office:
        workplace, draft = office.workplace(), None
        if filters is not None:
            draft = drafted_command(workplace, key, json_object(filters, "filters"))
        if changes.is_empty:
            batch = approvals.reject(workplace, key, by=by, reason=reason, plan_hash=plan_hash)
        else:
            batch = revise(workplace, key, changes, by=by, reason=reason, plan_hash=plan_hash)
    emit_rejection(batch, draft, as_json=as_json)


def emit_rejection(batch: Batch, draft: str | None, *, as_json: bool) -> None:
    """What became of a rejected batch, and what a person can do next."""
    key = batch.partition_key
    if batch.status == BatchStatus.QUEUED:
        sentence = f"changed; make its plan again, for nothing, with: socialanalyzer batch run {key}"
    elif batch.status == BatchStatus.AWAITING_APPROVAL:
        sentence = f"changed; batch {key} {batch.cause}"
    else:
        sentence = f"batch {key} is rejected" + (f"; the changed search is made with:\n{draft}" if draft else "")
    emit_change(batch, sentence, as_json=as_json, draft=draft)


async def _dry_rows(office: Office, key: str) -> list[PlanRow]:
    find_batch(office.workplace(), key)
    async with office.session() as session, session.open_batch(key, run_id=str(uuid.uuid4())) as batch:
        return await dry_plan(batch)


def undo(
    key: Key,
    *,
    by: Person,
    yes: Annotated[bool, typer.Option("--yes", help="Write it; without, it is only shown.")] = False,
    plan_hash: Annotated[
        str | None, typer.Option("--plan", metavar="HASH", help="Of this plan; else of the newest that was written.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Restore what a sync changed in the CRM, field by field; what anybody edited since stays as it is.

    A contact that the sync created is not deleted: its values go, but its address and what is written on create stay.
    """
    request = UndoRequest(key=key, by=by, plan_hash=plan_hash, is_confirmed=yes)
    with open_office(needs_vendors=True) as office:
        view = asyncio.run(_undo(office, request))
    emit(view, as_json=as_json, text=lambda console: _print_undo(console, view, by))


async def _undo(office: Office, request: UndoRequest) -> dict[str, Any]:
    async with office.crm() as client:
        return (await undone(office.workplace(), client, office.settings.suppression_key, request)).as_json()


def _print_undo(console: Console, view: Mapping[str, Any], by: str) -> None:
    plan_texts.print_undo(console, view)
    if view["rows"] and not view["written"]:
        console.print(f"write it with: socialanalyzer batch undo {view['key']} --by '{by}' --yes", markup=False)
