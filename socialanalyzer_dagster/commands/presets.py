"""`presets`: named, saved searches."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console

from socialanalyzer_dagster.commands.inputs import json_object
from socialanalyzer_dagster.commands.office import open_office
from socialanalyzer_dagster.commands.output import AsJson, emit, table
from socialanalyzer_dagster.domain.search_health import SearchHealth, advice
from socialanalyzer_dagster.pipeline import preset_schedules, presets
from socialanalyzer_dagster.pipeline.preset_schedules import moment_text, outcome_text
from socialanalyzer_dagster.pipeline.presets import LoadedPreset
from socialanalyzer_dagster.pipeline.saved_searches import search_healths
from socialanalyzer_dagster.pipeline.workplace import Workplace

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
        scheduled = _scheduled(workplace, found)
    healths = {each.preset_id: each for each in every}
    result = [
        {
            **_described(each),
            **_freshness(healths[each.preset.preset_id], every),
            "schedule": scheduled.get((each.preset.platform, each.preset.name)),
        }
        for each in found
    ]
    cells = [
        (
            each["platform"],
            each["name"],
            each["slug"],
            each["version"],
            each["state"],
            each["schedule"] and each["schedule"]["cron"],
            each["advice"],
        )
        for each in result
    ]
    headers = ("platform", "name", "in keys", "version", "state", "runs by itself", "what to do")
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
    """One preset with every filter, and when it runs by itself."""
    with open_office() as office:
        workplace = office.workplace()
        found = presets.load_preset(workplace, platform, name)
        schedule = _schedule_of(workplace, found)
    result = {**_described(found), "schedule": schedule}

    def text(console: Console) -> None:
        console.print(f"{found.preset.name} ({found.preset.platform}, version {found.preset.version})", markup=False)
        console.print_json(data=result["filters"])
        for problem in result["problems"]:
            console.print(problem, style="red", markup=False)
        console.print(_schedule_text(schedule), markup=False)

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


@app.command("schedule")
def schedule(
    name: str,
    *,
    platform: PlatformOption,
    cron: Annotated[
        str | None, typer.Option(help="When it runs, in the policy's time zone: '0 9 * * mon' is 09:00 every Monday.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="It runs by itself no more; the plan may choose it.")] = False,
    by: Annotated[str, typer.Option("--by", help="Who decides so.")] = "operator",
    as_json: AsJson = False,
) -> None:
    """Let a preset run by a schedule of its own instead of the daily plan; without --cron or --clear, show it."""
    if cron is not None and clear:
        raise typer.BadParameter("give --cron or --clear, not both")
    with open_office() as office:
        workplace = office.workplace()
        if cron is not None:
            preset_schedules.set_schedule(workplace, platform, name, cron=cron, by=by)
        elif clear:
            preset_schedules.clear_schedule(workplace, platform, name, by=by)
        found = presets.load_preset(workplace, platform, name)
        result = _schedule_of(workplace, found)
    told = f"{found.preset.name}: {_schedule_text(result)}"
    described = {"name": found.preset.name, "platform": platform, "schedule": result}
    emit(described, as_json=as_json, text=lambda console: console.print(told, markup=False))


def _schedule_of(workplace: Workplace, found: LoadedPreset) -> dict[str, Any] | None:
    return next(iter(_scheduled(workplace, [found]).values()), None)


def _scheduled(workplace: Workplace, found: Sequence[LoadedPreset]) -> dict[tuple[str, str], dict[str, Any]]:
    """By platform and name, the schedules of those that have one."""
    return {
        (each.platform, each.name): {
            "cron": each.cron,
            "next": each.next_due,
            "set_by": each.set_by,
            "last": None if each.last is None else {
                "at": each.last.at, "outcome": outcome_text(each.last), "reason": each.last.reason
            },
        }
        for each in preset_schedules.scheduled_searches(workplace, found)
    }  # fmt: skip


def _schedule_text(schedule: dict[str, Any] | None) -> str:
    if schedule is None:
        return "it has no schedule of its own: the daily plan may choose it"
    told = f"it runs by itself ({schedule['cron']}), next {moment_text(schedule['next'])}"
    last = schedule["last"]
    return told if last is None else f"{told}; last time {last['outcome']}: {last['reason']}"


@app.command("delete")
def delete(name: str, *, platform: PlatformOption, as_json: AsJson = False) -> None:
    """Delete a preset; batches made from it stay."""
    with open_office() as office:
        presets.delete_preset(office.workplace(), platform, name)
    emit({"deleted": name}, as_json=as_json, text=lambda console: console.print(f"{name} is deleted", markup=False))
