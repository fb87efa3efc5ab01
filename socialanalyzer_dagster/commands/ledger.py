"""`ledger show [KEY]`: what a batch, or the calls of no batch, cost, by vendor and by stage."""

from typing import Annotated

import typer
from rich.console import Console

from socialanalyzer_dagster.commands.office import open_office
from socialanalyzer_dagster.commands.output import AsJson, emit, table, usd
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.ledger_view import ledger_view

app = typer.Typer(help="Money.", no_args_is_help=True)


@app.callback()
def ledger() -> None:
    """Money: every paid call with its lead, stage, vendor and price."""


@app.command("show")
def show(
    key: Annotated[
        str | None, typer.Argument(help="The batch; without it, the calls that belong to none (keyword ideas).")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Spend of a batch: settled, held, unknown, by vendor, by stage and by call."""
    with open_office() as office:
        batch_id = None if key is None else find_batch(office.workplace(), key).batch_id
        with office.database.read() as connection:
            view = ledger_view(connection, batch_id)
    calls = [(each["operation"], each["state"], each["calls"], usd(each["micros"])) for each in view["calls"]]
    figures = [("settled", view["total_micros"]), ("held", view["held_micros"]), ("unknown", view["unknown_micros"])]
    sums = [(name, usd(micros)) for name, micros in figures]
    parts = [
        table(("money", "USD"), sums),
        table(("vendor", "USD"), [(name, usd(micros)) for name, micros in view["by_vendor"].items()]),
        table(("stage", "USD"), [(name, usd(micros)) for name, micros in view["by_stage"].items()]),
        table(("operation", "state", "calls", "USD"), calls),
    ]

    def text(console: Console) -> None:
        for part in parts:
            console.print(part, "")

    emit(view, as_json=as_json, text=text)
