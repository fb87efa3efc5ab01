"""`bdr`, `suppress` and `crm`: who receives leads, who must not be processed, what the CRM must have and says."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from socialanalyzer_dagster.commands.office import Office, open_office
from socialanalyzer_dagster.commands.output import AsJson, counting, emit, notes, table
from socialanalyzer_dagster.domain.leads import IdentifierKind
from socialanalyzer_dagster.domain.person_names import person_named
from socialanalyzer_dagster.pipeline import crm_setup, roster
from socialanalyzer_dagster.pipeline import suppressions as suppression_list
from socialanalyzer_dagster.pipeline.crm_reconcile import ReconcileReport, reconcile
from socialanalyzer_dagster.pipeline.free_calls import free_calls
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.platforms.registry import PLATFORMS

bdr_app = typer.Typer(help="The sales representatives who receive leads.", no_args_is_help=True)
suppress_app = typer.Typer(help="People who must not be processed.", no_args_is_help=True)
crm_app = typer.Typer(help="The CRM.", no_args_is_help=True)

Kind = Annotated[IdentifierKind | None, typer.Option(help="What VALUE is, where it could be read as several.")]
By = Annotated[str, typer.Option("--by", help="Who does this.")]
Value = Annotated[str, typer.Argument(help="The address, `platform:handle`, profile URL or phone number.")]


@bdr_app.command("list")
def bdr_list(*, as_json: AsJson = False) -> None:
    """Everyone on the roster with the leads dealt to them."""
    with open_office() as office:
        loads = roster.loads(office.database, office.clock.now())
    result = [
        {
            "name": load.bdr.name,
            "owner_id": load.bdr.owner_id,
            "active": load.bdr.is_active,
            "leads_total": load.total,
            "leads_this_epoch": load.this_epoch,
        }
        for load in loads
    ]
    rows = [list(each.values()) for each in result]

    def text(console: Console) -> None:
        if rows:
            console.print(table(("BDR", "owner", "active", "leads", "this epoch"), rows))
        else:
            console.print("the roster is empty; load it with: socialanalyzer bdr load FILE")

    emit(result, as_json=as_json, text=text)


@bdr_app.command("load")
def bdr_load(file: Path, *, by: By = "operator", as_json: AsJson = False) -> None:
    """Replace the roster by a YAML or JSON FILE: a list of {name, owner_id, active}."""
    with open_office() as office:
        loaded = roster.load_roster(office.database, file, now=office.clock.now(), by=by)
    emit(
        {"people": len(loaded), "active": sum(each.is_active for each in loaded)},
        as_json=as_json,
        text=lambda console: console.print(f"the roster has {len(loaded)} people now"),
    )


def _set_active(name: str, *, is_active: bool, by: str, as_json: bool) -> None:
    with open_office() as office:
        roster.set_active(office.database, name, is_active=is_active, now=office.clock.now(), by=by)
    word = "receives leads" if is_active else "receives no more leads"
    emit({"name": name, "active": is_active}, as_json=as_json, text=lambda console: console.print(f"{name} {word}"))


@bdr_app.command("activate")
def bdr_activate(name: str, *, by: By = "operator", as_json: AsJson = False) -> None:
    """Let a BDR receive leads; the counts of a new epoch start at 0."""
    _set_active(name, is_active=True, by=by, as_json=as_json)


@bdr_app.command("deactivate")
def bdr_deactivate(name: str, *, by: By = "operator", as_json: AsJson = False) -> None:
    """Deal no more leads to a BDR; leads they have stay theirs."""
    _set_active(name, is_active=False, by=by, as_json=as_json)


@suppress_app.command("add")
def suppress_add(
    value: Value,
    *,
    reason: Annotated[str, typer.Option(help="Why.")],
    kind: Kind = None,
    source: Annotated[str, typer.Option(help="Where the request came from.")] = "operator",
    as_json: AsJson = False,
) -> None:
    """Never process this person again; only a keyed hash of VALUE is stored."""
    person = person_named(value, kind=kind, platforms=PLATFORMS, field="VALUE")
    with open_office() as office:
        request = suppression_list.SuppressionRequest(
            identifier=person, reason=reason, source=source, now=office.clock.now()
        )
        is_new = suppression_list.add(office.database, office.settings.suppression_key, request)
    word = "is suppressed" if is_new else "was suppressed already"
    emit(
        {"kind": person.kind, "added": is_new},
        as_json=as_json,
        text=lambda console: console.print(f"this {person.kind.value} {word}"),
    )


@suppress_app.command("lift")
def suppress_lift(
    value: Value,
    *,
    by: By,
    reason: Annotated[str, typer.Option(help="Why; without addresses or names, the audit keeps it.")],
    kind: Kind = None,
    as_json: AsJson = False,
) -> None:
    """Take one spelling of a person off the list. For an administrator: the audit keeps who did it and why."""
    person = person_named(value, kind=kind, platforms=PLATFORMS, field="VALUE")
    with open_office() as office:
        request = suppression_list.SuppressionRequest(
            identifier=person, reason=reason, source=by, now=office.clock.now()
        )
        was_listed = suppression_list.lift(office.database, office.settings.suppression_key, request)
    word = "may be processed again" if was_listed else "was not on the list"
    emit(
        {"kind": person.kind, "lifted": was_listed},
        as_json=as_json,
        text=lambda console: console.print(f"this {person.kind.value} {word}"),
    )


@suppress_app.command("list")
def suppress_list(*, as_json: AsJson = False) -> None:
    """What is on the list: kinds, reasons and dates; the people themselves cannot be read back."""
    with open_office() as office:
        entries = suppression_list.entries(office.database)
    rows = [(entry.kind, entry.reason, entry.source, entry.added_at.date(), entry.keyed_hash[:12]) for entry in entries]
    headers = ("kind", "reason", "source", "added", "hash")
    emit(entries, as_json=as_json, text=lambda console: console.print(table(headers, rows)))


@crm_app.command("setup")
def crm_set_up(*, as_json: AsJson = False) -> None:
    """Create the contact properties the pipeline writes; those that exist are left alone."""
    with open_office(needs_vendors=True) as office:
        created = asyncio.run(create_properties(office))
    notes.print(f"{len(created)} properties created" if created else "every property exists already")
    emit({"created": created}, as_json=as_json, text=lambda console: console.print("\n".join(created)))


async def create_properties(office: Office) -> list[str]:
    """Create what the CRM lacks and return the names; raises BadParameter without its key, CrmNotReady, CallFailed."""
    policy = active_policy(office.database)
    async with office.crm() as client, free_calls(office.database, policy, office.clock) as calls:
        return await crm_setup.create_missing(calls, client, policy)


@crm_app.command("reconcile")
def crm_reconcile(*, as_json: AsJson = False) -> None:
    """Read our contacts back: owners, merges, edits, opt-outs (onto the suppression list) and outcomes."""
    with open_office(needs_vendors=True) as office:
        report = asyncio.run(_read_back(office))
    emit(report, as_json=as_json, text=lambda console: console.print(report.sentence, markup=False))


async def _read_back(office: Office) -> ReconcileReport:
    async with office.crm() as client:
        with counting("contacts read back") as reached:
            return await reconcile(office.workplace(), client, office.settings.suppression_key, reached)
