"""`presets`: named, saved searches."""

from typing import Annotated

import typer
from rich.console import Console

from socialanalyzer_dagster.commands.inputs import json_object
from socialanalyzer_dagster.commands.office import open_office
from socialanalyzer_dagster.commands.output import AsJson, emit, table
from socialanalyzer_dagster.pipeline import presets

app = typer.Typer(help="Named, saved searches.", no_args_is_help=True)

PlatformOption = Annotated[str, typer.Option("--platform", help="Platform of the preset.")]


@app.command("list")
def list_presets(
    *, platform: Annotated[str | None, typer.Option(help="Of one platform only.")] = None, as_json: AsJson = False
) -> None:
    """All presets; one that is invalid under the present rules says why."""
    with open_office() as office:
        found = presets.list_presets(office.workplace(), platform)
    result = [each.as_json() for each in found]
    cells = [
        (each.preset.platform, each.preset.name, each.preset.slug, each.preset.version, "; ".join(each.problems) or "ok")
        for each in found
    ]
    headers = ("platform", "name", "in keys", "version", "state")
    emit(result, as_json=as_json, text=lambda console: console.print(table(headers, cells)))


@app.command("show")
def show(name: str, *, platform: PlatformOption, as_json: AsJson = False) -> None:
    """One preset with every filter."""
    with open_office() as office:
        found = presets.find_preset(office.workplace(), platform, name)
    result = found.as_json()

    def text(console: Console) -> None:
        console.print(f"{found.preset.name} ({found.preset.platform}, version {found.preset.version})", markup=False)
        console.print_json(data=result["filters"])
        for problem in found.problems:
            console.print(problem, style="red", markup=False)

    emit(result, as_json=as_json, text=text)


@app.command("save")
def save(
    name: str,
    *,
    platform: PlatformOption,
    filters: Annotated[str, typer.Option(help="Filters as JSON, or @file.")],
    note: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    by: Annotated[str, typer.Option("--by", help="Who saves it.")] = "operator",
    as_json: AsJson = False,
) -> None:
    """Save a search under NAME; saving again makes a new version."""
    wanted = presets.PresetForm(
        name=name, platform=platform, filters=json_object(filters, "filters"), note=note, saved_by=by
    )
    with open_office() as office:
        saved = presets.save_preset(office.workplace(), wanted)
    sentence = f"{saved.name} is version {saved.version}; its batches are named ...{saved.platform}.{saved.slug}"
    emit(
        {"name": saved.name, "platform": saved.platform, "slug": saved.slug, "version": saved.version},
        as_json=as_json,
        text=lambda console: console.print(sentence, markup=False),
    )


@app.command("delete")
def delete(name: str, *, platform: PlatformOption, as_json: AsJson = False) -> None:
    """Delete a preset; batches made from it stay."""
    with open_office() as office:
        presets.delete_preset(office.workplace(), platform, name)
    emit({"deleted": name}, as_json=as_json, text=lambda console: console.print(f"{name} is deleted", markup=False))
