"""`ledger show|reconcile|settle`: what was spent, whether the vendors agree, and what a lost answer cost."""

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from socialanalyzer_dagster.commands.inputs import dollars
from socialanalyzer_dagster.commands.office import Office, open_office
from socialanalyzer_dagster.commands.output import AsJson, emit, table, usd
from socialanalyzer_dagster.domain.money import micros_from_usd
from socialanalyzer_dagster.domain.outside_text import printable
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.ledger_view import ledger_view
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.reconciliation import (
    Extent,
    Reconciliation,
    SettlementRefused,
    reconcile,
    settle_lost,
)
from socialanalyzer_dagster.sandbox.serve import sandbox_bill
from socialanalyzer_dagster.vendors.connect import connect_vendors

_KEY_CHARS = 12
_OUR_NAMES = {"millionverifier": "email_verifier"}
app = typer.Typer(help="Money.", no_args_is_help=True)


@app.callback()
def ledger() -> None:
    """Money: every paid call with its lead, stage, vendor and price."""


@app.command("show")
def show(
    key: Annotated[str | None, typer.Argument(help="The batch; without it, the calls that belong to none.")] = None,
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


@app.command("reconcile")
def reconcile_books(
    key: Annotated[str | None, typer.Argument(help="Of one batch; default: of all.")] = None,
    *,
    days: Annotated[int, typer.Option(min=1, help="How old vendor jobs may be that are read again.")] = 31,
    as_json: AsJson = False,
) -> int:
    """Compare the books with what vendors report, book late figures, and explain what differs; 1 when it cannot."""
    with open_office(needs_vendors=True) as office:
        batch_id = find_batch(office.workplace(), key).batch_id if key is not None else None
        bill = _statement(office) if office.settings.is_sandbox and key is None else None
        found = asyncio.run(_reconciled(office, Extent(batch_id=batch_id, days=days, bill=bill)))
    vendors = [
        (each.vendor, usd(each.settled_micros), usd(each.unknown_micros), usd(each.held_micros),
         None if each.reported_micros is None else usd(each.reported_micros), each.sentence)
        for each in found.comparisons
    ]  # fmt: skip
    lost = [
        (
            each.attempt_key[:_KEY_CHARS],
            each.operation,
            each.batch_key,
            each.state,
            usd(each.reserved_micros),
            each.error_code,
        )
        for each in found.open
    ]

    def text(console: Console) -> None:
        console.print(table(("vendor", "settled", "unknown", "held", "vendor says", "difference"), vendors), "")
        for job in found.jobs:
            console.print(printable(f"{job.vendor} job {job.job_id}: {job.sentence}"), markup=False)
        if lost:
            console.print(table(("key", "operation", "batch", "state", "at most", "why"), lost))

    comparisons = [
        asdict(each) | {"difference_micros": each.difference_micros, "is_explained": each.is_explained,
                        "explanation": each.sentence}
        for each in found.comparisons
    ]  # fmt: skip
    result = {"is_explained": found.is_explained, "vendors": comparisons, "jobs": found.jobs, "open": found.open}
    emit(result, as_json=as_json, text=text)
    return 0 if found.is_explained else 1


def _statement(office: Office) -> dict[str, int] | None:
    """The sandbox's bill by our names of its vendors; those that charge nothing are left out."""
    bill = sandbox_bill(office.settings.sandbox_url)
    if bill is None:
        return None
    charged = {str(vendor): int(entry["micros"]) for vendor, entry in bill["vendors"].items()}
    return {_OUR_NAMES.get(vendor, vendor): micros for vendor, micros in charged.items() if micros}


async def _reconciled(office: Office, extent: Extent) -> Reconciliation:
    vendors = connect_vendors(office.settings)
    try:
        return await reconcile(office.workplace(), vendors, active_policy(office.database), extent)
    finally:
        await vendors.close()


@app.command("settle")
def settle(
    sending: Annotated[str, typer.Argument(help="The sending's key, or the beginning of it.")],
    *,
    by: Annotated[str, typer.Option(help="Who says so.")],
    charged: Annotated[str | None, typer.Option(help="USD on the vendor's statement.")] = None,
    not_charged: Annotated[bool, typer.Option("--not-charged", help="The statement does not list it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Settle a lost answer by the vendor's statement; what was held for it is freed."""
    if (charged is None) is not not_charged:
        raise SettlementRefused("say either --charged USD or --not-charged")
    micros = None if charged is None else micros_from_usd(dollars(charged, "--charged"))
    with open_office() as office:
        attempt = settle_lost(office.workplace(), sending, by=by, charged_micros=micros)
    said = "was not charged" if micros is None else f"cost {usd(micros)}"
    result = {"attempt_key": attempt.attempt_key, "charged_micros": micros, "held_micros": attempt.reserved_micros}
    emit(result, as_json=as_json, text=lambda console: console.print(f"{attempt.operation} {said}; booked"))
