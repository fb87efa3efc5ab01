"""`platforms` and `list preview`: what can be searched, and how a creator list would be read."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from socialanalyzer_dagster.commands.office import open_office
from socialanalyzer_dagster.commands.output import AsJson, counting, emit, table, written_to
from socialanalyzer_dagster.domain.creator_list_files import preview_list, summarise_list
from socialanalyzer_dagster.domain.creator_lists import AnyRow, Check, UnusableRow
from socialanalyzer_dagster.domain.estimate import Rates
from socialanalyzer_dagster.domain.policy import Policy, shipped_policy
from socialanalyzer_dagster.pipeline.batch_requests import placing
from socialanalyzer_dagster.pipeline.estimates import measured_rates
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.platforms.base import Platform
from socialanalyzer_dagster.platforms.registry import PLATFORMS, platform

list_app = typer.Typer(help="Creator lists.", no_args_is_help=True)
_STAGE_COLUMNS = ("stage", "what happens", "vendors", "pass", "USD per lead", "seconds per lead")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("platforms")(platforms)
    app.add_typer(list_app, name="list")


def platforms(*, as_json: AsJson = False) -> None:
    """Every platform with its stages, vendors and filters, what a lead costs and how long it takes, and the targets."""
    with open_office() as office:
        policy = active_policy(office.database)
        now = office.clock.now()
        with office.database.read() as connection:
            rates = {key: measured_rates(connection, key, policy=policy, now=now) for key in PLATFORMS}
    result = [_described(each, rates[each.key], policy) for each in PLATFORMS.values()]

    def text(console: Console) -> None:
        for each in PLATFORMS.values():
            console.print(f"[bold]{each.key}[/bold]  {each.label}: {each.description}")
            console.print(table(_STAGE_COLUMNS, [*_stage_rows(each, rates[each.key])]))
            console.print(f"rates: {rates[each.key].source}", markup=False)
            fields = [
                (name, _type_text(field), field.get("description")) for name, field in _filter_fields(each).items()
            ]
            console.print(table(("filter", "type", "meaning"), fields), "")

    emit(result, as_json=as_json, text=text)


def _stage_rows(each: Platform, rates: Rates) -> Iterator[Sequence[object]]:
    for stage, adapter in each.adapters.items():
        price, share, seconds = rates.stage_usd.get(stage), rates.pass_rates.get(stage), rates.seconds.get(stage)
        yield (
            stage.value,
            adapter.description,
            ", ".join(adapter.providers),
            None if share is None else f"{share:.0%}",
            None if price is None else f"${price:.4f}",
            None if seconds is None else f"{seconds:.2f}",
        )


def _described(each: Platform, rates: Rates, policy: Policy) -> dict[str, object]:
    return {
        "key": each.key,
        "label": each.label,
        "description": each.description,
        "scored_leads_a_day": dict(policy.targets.scored_leads.get(each.key, {})),
        "estimates": {
            "source": rates.source,
            "usd_per_lead": {stage.value: price for stage, price in rates.stage_usd.items()},
            "pass_rates": {stage.value: share for stage, share in rates.pass_rates.items()},
            "seconds_per_lead": {stage.value: round(seconds, 3) for stage, seconds in rates.seconds.items()},
        },
        "expected_yield": {stage.value: share for stage, share in each.expected_yield.items()},
        "stages": {stage.value: adapter for stage, adapter in each.adapters.items()},
        "filters": each.filter_model.model_json_schema(),
    }


def _filter_fields(each: Platform) -> dict[str, dict[str, object]]:
    properties: dict[str, dict[str, object]] = each.filter_model.model_json_schema().get("properties", {})
    return properties


def _type_text(field: dict[str, object]) -> str:
    options = field.get("anyOf")
    if isinstance(options, list):
        return " or ".join(_type_text(option) for option in options)
    return str(field.get("type") or str(field.get("$ref", "object")).rpartition("/")[2])


@list_app.command("preview")
def list_preview(
    file: Path,
    *,
    platform_key: Annotated[str, typer.Option("--platform", help="Platform of the creators.")],
    unusable_out: Annotated[
        Path | None, typer.Option("--unusable", metavar="OUT", help="Write every unusable row here, one JSON a line.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """How a creator list FILE would be read: columns, first rows, the first rows that cannot be used and how many."""
    found = preview_list(file)
    chosen = platform(platform_key)
    check = placing(chosen, shipped_policy(), datetime.now(UTC))
    with _written_to(unusable_out) as tell, counting("lines of the list read") as reached:

        def looked_at(row: AnyRow) -> AnyRow:
            reached(row.line)
            return tell(check(row))

        summary = summarise_list(chosen.key, file, looked_at)

    def text(console: Console) -> None:
        console.print(f"{summary.usable} usable rows, {summary.unusable} not usable")
        console.print(table(("column", "read as"), [(use.header, use.field) for use in found.columns]))
        rows = [(row.line, row.result.value, row.reason) for row in summary.examples]
        console.print(table(("line", "result", "why"), rows))
        if summary.unusable > len(rows) and unusable_out is None:
            console.print(f"these are the first {len(rows)}; --unusable OUT writes all of them")

    result = {
        "usable": summary.usable,
        "unusable_count": summary.unusable,
        "unusable": summary.examples,
        "columns": found.columns,
        "rows": found.rows,
    }
    emit(result, as_json=as_json, text=text)


@contextmanager
def _written_to(out: Path | None) -> Iterator[Check]:
    """A check that gives each row back after it wrote it to the file, if it is an unusable one."""
    if out is None:
        yield lambda row: row
        return
    with written_to(out, "--unusable") as file:

        def told(row: AnyRow) -> AnyRow:
            if isinstance(row, UnusableRow):
                file.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")
            return row

        yield told
