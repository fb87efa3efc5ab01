"""`policy` and `prices`: the versioned policy document, and the price table in it."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console

from socialanalyzer_dagster.commands.inputs import policy_file
from socialanalyzer_dagster.commands.office import open_office
from socialanalyzer_dagster.commands.output import AsJson, emit, notes, table
from socialanalyzer_dagster.commands.previews import previewed
from socialanalyzer_dagster.pipeline import policies
from socialanalyzer_dagster.storage import policies as rows

app = typer.Typer(help="The policy: every threshold, weight, price and limit.", no_args_is_help=True)
prices_app = typer.Typer(help="The price table that reservations use.", no_args_is_help=True)


@app.command("show")
def show(*, as_json: AsJson = False) -> None:
    """The active policy document; as YAML it can be edited and activated again."""
    with open_office() as office:
        policy = policies.active_policy(office.database)
        with office.database.read() as connection:
            versions = rows.versions(connection)
    history = [
        {"number": v.number, "hash": v.policy_hash, "author": v.author, "note": v.note, "active": v.is_active}
        for v in versions
    ]
    document = policy.document()
    result = {"policy_hash": policy.digest, "versions": history, "document": document}
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
    emit(result, as_json=as_json, text=lambda console: console.print(text, markup=False))


@app.command("validate")
def validate(file: Path, *, as_json: AsJson = False) -> None:
    """Check a policy FILE without storing it; tells what would change."""
    policy = policy_file(file)
    with open_office() as office:
        active = policies.active_policy(office.database)
    diff = policies.policy_diff(active.document(), policy.document())

    def text(console: Console) -> None:
        console.print(f"valid; {len(diff)} values differ from the active policy")
        console.print(table(("key", "now", "then"), [(key, each["old"], each["new"]) for key, each in diff.items()]))

    emit({"valid": True, "policy_hash": policy.digest, "diff": diff}, as_json=as_json, text=text)


@app.command("activate")
def activate(
    file: Path,
    *,
    by: Annotated[str, typer.Option("--by", help="Who activates it.")] = "operator",
    note: Annotated[str, typer.Option(help="Why.")] = "",
    as_json: AsJson = False,
) -> None:
    """Store a policy FILE as a new version and make it the active one; running batches keep theirs.

    What it changes about recent leads is told first; `policy preview FILE` shows it in full.
    """
    policy = policy_file(file)
    with open_office() as office:
        effect = previewed(office, policy, most_named=0).headline
        notes.print(effect, markup=False, soft_wrap=True)
        by_whom = policies.Authorship(author=by, note=note, at=office.clock.now())
        stored = policies.activate(office.database, policy, by_whom)
    result = {"number": stored.number, "policy_hash": stored.policy_hash, "diff": stored.diff, "effect": effect}
    sentence = f"version {stored.number} is active ({len(stored.diff)} values changed)"
    emit(result, as_json=as_json, text=lambda console: console.print(sentence))


@prices_app.command("list")
def prices_list(*, as_json: AsJson = False) -> None:
    """Every price, per unit, and whether a person confirmed it."""
    with open_office() as office:
        policy = policies.active_policy(office.database)
    result = [{"key": key, **price.model_dump(mode="json")} for key, price in sorted(policy.prices.items())]
    cells = [
        (each["key"], each["usd"], f"{each['per']:,} x {each['unit']}", each["confirmed_on"], each["confirmed_by"])
        for each in result
    ]
    headers = ("price", "USD", "for", "confirmed", "by")
    emit(result, as_json=as_json, text=lambda console: console.print(table(headers, cells)))


@prices_app.command("confirm")
def prices_confirm(
    key: str,
    *,
    usd: Annotated[float, typer.Option(min=0, help="The price in USD.")],
    by: Annotated[str, typer.Option("--by", help="Who confirms it.")],
    as_json: AsJson = False,
) -> None:
    """Say what the price KEY really is; live mode refuses prices nobody confirmed."""
    confirmation = policies.PriceConfirmation(key=key, usd=Decimal(str(usd)), by=by)
    with open_office() as office:
        stored = policies.confirm_price(office.database, confirmation, office.clock.now())
    emit(
        {"key": key, "usd": usd, "policy_version_number": stored.number},
        as_json=as_json,
        text=lambda console: console.print(f"{key} costs {usd} USD, confirmed by {by}"),
    )
