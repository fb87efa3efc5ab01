"""`policy` and `prices`: the versioned policy document, and the price table in it."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Table

from socialanalyzer_dagster.commands.inputs import policy_file
from socialanalyzer_dagster.commands.office import open_office
from socialanalyzer_dagster.commands.output import AsJson, emit, notes, table
from socialanalyzer_dagster.commands.previews import chosen_policy, previewed
from socialanalyzer_dagster.domain.policy import stored_policy
from socialanalyzer_dagster.domain.price_drift import usd_of
from socialanalyzer_dagster.pipeline import policies, policy_versions
from socialanalyzer_dagster.pipeline.price_news import LatelyBilled, lately_billed

app = typer.Typer(help="The policy: every threshold, weight, price and limit.", no_args_is_help=True)
prices_app = typer.Typer(help="The price table that reservations use.", no_args_is_help=True)


Version = Annotated[str, typer.Argument(metavar="VERSION", help="Its number in `policy list`, or its hash.")]


@app.command("list")
def list_versions(*, as_json: AsJson = False) -> None:
    """Every stored version: who stored it and why, how many values it changed, and who activated it last."""
    with open_office() as office, office.database.read() as connection:
        found = policy_versions.version_list(connection)
    headers = ("version", "", "hash", "values changed", "by", "note", "stored", "activated", "by", "why")
    cells = [_version_cells(each) for each in found]
    emit(found, as_json=as_json, text=lambda console: console.print(table(headers, cells)))


def _version_cells(version: Mapping[str, Any]) -> tuple[object, ...]:
    activated = version["activated"]
    return (
        version["number"],
        "active" if version["active"] else "",
        version["hash"][:12],
        version["changed"],
        version["author"],
        version["note"] or None,
        _minute(version["created_at"]),
        *((None, None, None) if activated is None else (_minute(activated["at"]), activated["by"], activated["note"])),
    )


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


@app.command("show")
def show(
    version: Annotated[
        str | None,
        typer.Argument(metavar="VERSION", help="Its number in `policy list`, or its hash; else the active one."),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """The active policy document, or a stored version's; as YAML it can be edited and activated again."""
    with open_office() as office, office.database.read() as connection:
        history = policy_versions.version_list(connection)
        active = next(each["hash"] for each in history if each["active"])
        shown = policy_versions.version_named(connection, version or active)
    document = stored_policy(shown.document).document()
    result = {"policy_hash": shown.policy_hash, "number": shown.number, "versions": history, "document": document}
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
    emit(result, as_json=as_json, text=lambda console: console.print(text, markup=False))


@app.command("diff")
def diff(
    version: Version,
    other: Annotated[
        str | None, typer.Argument(metavar="OTHER", help="Compare with this version instead, as what came after.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """What VERSION changed of the one that was active when it was stored; with OTHER, what differs between the two."""
    old, new = (None, version) if other is None else (version, other)
    with open_office() as office, office.database.read() as connection:
        found = policy_versions.version_diff(connection, old, new)
    emit(found, as_json=as_json, text=lambda console: console.print(_diff_table(found["diff"])))


def _diff_table(changed: Mapping[str, Any]) -> Table:
    return table(("key", "before", "after"), [(key, each["old"], each["new"]) for key, each in changed.items()])


@app.command("validate")
def validate(file: Path, *, as_json: AsJson = False) -> None:
    """Check a policy FILE without storing it; tells what would change."""
    policy = policy_file(file)
    with open_office() as office:
        active = policies.active_policy(office.database)
    changed = policies.policy_diff(active.document(), policy.document())

    def text(console: Console) -> None:
        console.print(f"valid; {len(changed)} values differ from the active policy")
        console.print(_diff_table(changed))

    emit({"valid": True, "policy_hash": policy.digest, "diff": changed}, as_json=as_json, text=text)


@app.command("activate")
def activate(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="A policy file.")] = None,
    *,
    version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Instead of a file: a stored version, as to go back to it.")
    ] = None,
    by: Annotated[str, typer.Option("--by", help="Who activates it.")] = "operator",
    note: Annotated[str, typer.Option(help="Why.")] = "",
    as_json: AsJson = False,
) -> None:
    """Store a policy FILE as a new version, or take a stored one, and make it active; running batches keep theirs.

    What it changes about recent leads is told first; `policy preview` shows it in full.
    """
    with open_office() as office:
        policy = chosen_policy(office, file, version)
        before = policies.active_policy(office.database)
        effect = previewed(office, policy, most_named=0).headline
        notes.print(effect, markup=False, soft_wrap=True)
        by_whom = policies.Authorship(author=by, note=note, at=office.clock.now())
        stored = policies.activate(office.database, policy, by_whom)
    changed = policies.policy_diff(before.document(), policy.document())
    result = {"number": stored.number, "policy_hash": stored.policy_hash, "diff": changed, "effect": effect}
    sentence = f"version {stored.number} is active ({len(changed)} values changed)"
    emit(result, as_json=as_json, text=lambda console: console.print(sentence))


@prices_app.command("list")
def prices_list(*, as_json: AsJson = False) -> None:
    """Every price, per unit, whether a person confirmed it, and what the newest bill says of it where vendors tell."""
    with open_office() as office, office.database.read() as connection:
        policy = policies.active_policy(office.database)
        billed = lately_billed(connection, policy, office.clock.now())
    result = [
        {"key": key, **price.model_dump(mode="json"), "billed": billed[key].as_json() if key in billed else None}
        for key, price in sorted(policy.prices.items())
    ]
    cells = [
        (
            each["key"],
            each["usd"],
            f"{each['per']:,} x {each['unit']}",
            _billed_cell(billed.get(each["key"])),
            each["confirmed_on"],
            each["confirmed_by"],
        )
        for each in result
    ]
    headers = ("price", "USD", "for", "billed lately", "confirmed", "by")
    emit(result, as_json=as_json, text=lambda console: console.print(table(headers, cells)))


def _billed_cell(billed: LatelyBilled | None) -> str | None:
    if billed is None:
        return None
    return f"{usd_of(billed.usd) if billed.differs else 'the same'} ({billed.at:%Y-%m-%d})"


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
