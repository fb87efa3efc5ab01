"""`health` and `health reset VENDOR`: how the vendors are, and saying that one works again."""

from typing import Annotated

import typer
from rich.console import Console

from socialanalyzer_dagster.commands.office import open_office
from socialanalyzer_dagster.commands.output import AsJson, emit, table
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.vendor_health import (
    COLUMNS,
    health_rows,
    health_view,
    is_healthy,
    reset_breaker,
    vendor_health,
)

app = typer.Typer(help="How the vendors are.", invoke_without_command=True)


@app.callback()
def health(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Breakers, success rates, durations and last errors of all vendors, as their calls measured them; calls nobody."""
    if context.invoked_subcommand is not None:
        return
    with open_office() as office:
        policy = active_policy(office.database)
        with office.database.read() as connection:
            found = vendor_health(connection, policy, office.clock.now())
    result = {"healthy": is_healthy(found), "vendors": health_view(found)}

    def text(console: Console) -> None:
        console.print(table(COLUMNS, health_rows(found)))

    emit(result, as_json=as_json, text=text)


@app.command("reset")
def reset(vendor: str, *, by: Annotated[str, typer.Option(help="Who says so.")], as_json: AsJson = False) -> None:
    """Let a vendor be called again that refused its service, after its key, credit or plan was put right."""
    with open_office() as office:
        state = reset_breaker(office.workplace(), vendor, by=by)
    sentence = f"{vendor} may be called again; batches that paused on it go on with `socialanalyzer batch retry KEY`"
    emit({"vendor": vendor, "state": state.phase.value}, as_json=as_json, text=lambda console: console.print(sentence))
