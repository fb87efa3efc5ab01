"""`batch plan`, `approve`, `reject` and `undo`: what is written to the CRM, and what people decide about it."""

import asyncio
import uuid
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console

from socialanalyzer_dagster.commands import plan_texts
from socialanalyzer_dagster.commands.batches import Key, emit_change
from socialanalyzer_dagster.commands.office import Office, open_office
from socialanalyzer_dagster.commands.output import AsJson, emit
from socialanalyzer_dagster.domain.crm_diff import PlanRow
from socialanalyzer_dagster.pipeline import approvals
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.crm_plan import dry_plan
from socialanalyzer_dagster.pipeline.crm_undo import UndoRequest
from socialanalyzer_dagster.pipeline.crm_undo import undo as undone
from socialanalyzer_dagster.pipeline.plan_view import dry_view, plan_view

Person = Annotated[str, typer.Option("--by", help="The person who decides.")]
PlanHash = Annotated[
    str | None, typer.Option("--plan", metavar="HASH", help="Only if the plan, or the question, is still this one.")
]


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
    as_json: AsJson = False,
) -> None:
    """Say no: nothing is written or paid, the batch ends. To have it otherwise, see `batch change`."""
    with open_office() as office:
        batch = approvals.reject(office.workplace(), key, by=by, reason=reason, plan_hash=plan_hash)
    emit_change(batch, f"batch {key} is rejected and {batch.status}", as_json=as_json)


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
