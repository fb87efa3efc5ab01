"""`health` and `health reset VENDOR`: how installation and vendors are, and saying that a vendor works again."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from socialanalyzer_dagster.commands.office import open_office
from socialanalyzer_dagster.commands.output import AsJson, emit, table
from socialanalyzer_dagster.domain.vendor_health import VendorHealth
from socialanalyzer_dagster.pipeline.doctor import Finding, Health, examine_database, examine_store
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.vendor_health import (
    COLUMNS,
    health_rows,
    health_view,
    is_healthy,
    reset_breaker,
    vendor_health,
)
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.storage.schema import SchemaMismatch
from socialanalyzer_dagster.vendors.connect import connect_vendors

app = typer.Typer(help="How the vendors are.", invoke_without_command=True)


@app.callback()
def health(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Database, store and daemon; breakers, success rates, durations and last errors of all vendors; calls nobody."""
    if context.invoked_subcommand is not None:
        return
    parts, found = _looked_at()
    works = all(each.health is not Health.PROBLEM for each in parts)
    result = {"healthy": works and is_healthy(found), "installation": parts, "vendors": health_view(found)}

    def text(console: Console) -> None:
        rows = [(each.subject, each.health, each.detail) for each in parts]
        console.print(table(("installation", "health", "what was seen"), rows))
        console.print("", table(COLUMNS, health_rows(found)))

    emit(result, as_json=as_json, text=text)


def _looked_at() -> tuple[list[Finding], list[VendorHealth]]:
    """Database, media store and daemon, and the vendors as the database knows them; none without a database."""
    from socialanalyzer_dagster.commands.instance import daemon_finding

    try:
        with open_office() as office:
            policy = active_policy(office.database)
            with office.database.read() as connection:
                found = vendor_health(connection, policy, office.clock.now())
            settings = office.settings
            instance = office.instance if (settings.dagster_home / "dagster.yaml").exists() else None
            daemon = daemon_finding(instance, is_needed=not settings.is_sandbox)
            return [examine_database(office.database), asyncio.run(_store_finding(settings)), daemon], found
    except (SQLAlchemyError, SchemaMismatch) as error:
        told = str(error) if isinstance(error, SchemaMismatch) else f"cannot be used ({type(error).__name__})"
        return [Finding("database", Health.PROBLEM, told)], []


async def _store_finding(settings: Settings) -> Finding:
    vendors = connect_vendors(settings)
    try:
        return await examine_store(vendors.media_store)
    finally:
        await vendors.close()


@app.command("reset")
def reset(vendor: str, *, by: Annotated[str, typer.Option(help="Who says so.")], as_json: AsJson = False) -> None:
    """Let a vendor be called again that refused its service, after its key, credit or plan was put right."""
    with open_office() as office:
        state = reset_breaker(office.workplace(), vendor, by=by)
    sentence = f"{vendor} may be called again; batches that paused on it go on with `socialanalyzer batch retry KEY`"
    emit({"vendor": vendor, "state": state.phase.value}, as_json=as_json, text=lambda console: console.print(sentence))
