"""`platforms` and `list preview`: what can be searched, and how a creator list would be read."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from socialanalyzer_dagster.commands.output import AsJson, counting, emit, table, written_to
from socialanalyzer_dagster.domain.creator_list_files import preview_list, summarise_list
from socialanalyzer_dagster.domain.creator_lists import AnyRow, Check, UnusableRow
from socialanalyzer_dagster.domain.policy import shipped_policy
from socialanalyzer_dagster.pipeline.batch_requests import placing
from socialanalyzer_dagster.platforms.base import Platform
from socialanalyzer_dagster.platforms.registry import PLATFORMS, platform

list_app = typer.Typer(help="Creator lists.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("platforms")(platforms)
    app.add_typer(list_app, name="list")


def platforms(*, as_json: AsJson = False) -> None:
    """Every platform with its stages, vendors and filters."""
    result = [_described(each) for each in PLATFORMS.values()]

    def text(console: Console) -> None:
        for each in PLATFORMS.values():
            console.print(f"[bold]{each.key}[/bold]  {each.label}: {each.description}")
            stages = [
                (stage.value, adapter.description, ", ".join(adapter.providers))
                for stage, adapter in each.adapters.items()
            ]
            console.print(table(("stage", "what happens", "vendors"), stages))
            fields = [
                (name, _type_text(field), field.get("description")) for name, field in _filter_fields(each).items()
            ]
            console.print(table(("filter", "type", "meaning"), fields), "")

    emit(result, as_json=as_json, text=text)


def _described(each: Platform) -> dict[str, object]:
    return {
        "key": each.key,
        "label": each.label,
        "description": each.description,
        "target_per_day": each.target_per_day,
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
