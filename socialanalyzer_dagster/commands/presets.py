"""`presets`: named, saved searches."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console

from socialanalyzer_dagster.commands.inputs import json_object
from socialanalyzer_dagster.commands.office import open_office
from socialanalyzer_dagster.commands.output import AsJson, emit, table
from socialanalyzer_dagster.domain.search_health import SearchHealth, advice
from socialanalyzer_dagster.pipeline import presets
from socialanalyzer_dagster.pipeline.presets import LoadedPreset
from socialanalyzer_dagster.pipeline.saved_searches import search_healths

app = typer.Typer(help="Named, saved searches.", no_args_is_help=True)

PlatformOption = Annotated[str, typer.Option("--platform", help="Platform of the preset.")]


@app.command("list")
def list_presets(
    *, platform: Annotated[str | None, typer.Option(help="Of one platform only.")] = None, as_json: AsJson = False
) -> None:
    """All presets and how fresh each still is; one that is used up or invalid says what to do."""
    with open_office() as office:
        workplace = office.workplace()
        found = presets.list_presets(workplace, platform)
        every = search_healths(workplace)
    healths = {each.preset_id: each for each in every}
    result = [{**_described(each), **_freshness(healths[each.preset.preset_id], every)} for each in found]
    cells = [
        (each["platform"], each["name"], each["slug"], each["version"], each["state"], each["advice"])
        for each in result
    ]
    headers = ("platform", "name", "in keys", "version", "state", "what to do")
    emit(result, as_json=as_json, text=lambda console: console.print(table(headers, cells)))


def _described(loaded: LoadedPreset) -> dict[str, Any]:
    preset = loaded.preset
    return {
        "platform": preset.platform,
        "name": preset.name,
        "slug": preset.slug,
        "version": preset.version,
        "filters": dict(preset.filters),
        "note": preset.note,
        "created_by": preset.created_by,
        "updated_at": preset.updated_at,
        "problems": [f"{problem.field}: {problem.message}" for problem in loaded.problems],
    }


def _freshness(health: SearchHealth, every: Sequence[SearchHealth]) -> dict[str, Any]:
    return {
        "state": health.state,
        "novelty": health.novelty,
        "seems_to_hold_still": health.left,
        "advice": advice(health, every),
    }


@app.command("show")
def show(name: str, *, platform: PlatformOption, as_json: AsJson = False) -> None:
    """One preset with every filter."""
    with open_office() as office:
        found = presets.load_preset(office.workplace(), platform, name)
    result = _described(found)

    def text(console: Console) -> None:
        console.print(f"{found.preset.name} ({found.preset.platform}, version {found.preset.version})", markup=False)
        console.print_json(data=result["filters"])
        for problem in result["problems"]:
            console.print(problem, style="red", markup=False)

    emit(result, as_json=as_json, text=text)


@app.command("save")
def save(
    name: str,
    *,
    platform: PlatformOption,
    filters: Annotated[str, typer.Option(help="Filters as JSON, or @file.")],
    note: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    rename: Annotated[str | None, typer.Option(metavar="NEW", help="Give the preset of this name a new one.")] = None,
    by: Annotated[str, typer.Option("--by", help="Who saves it.")] = "operator",
    as_json: AsJson = False,
) -> None:
    """Save a search under NAME; saving again makes a new version."""
    wanted = presets.PresetForm(
        name=name, platform=platform, filters=json_object(filters, "filters"), note=note, new_name=rename, by=by
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
