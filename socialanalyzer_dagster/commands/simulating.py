"""`simulate`: days of the pipeline at simulated instants, with what goes wrong in a month."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from socialanalyzer_dagster.commands.output import AsJson, emit, notes, table, usd
from socialanalyzer_dagster.domain.sentences import counted
from socialanalyzer_dagster.platforms.registry import PLATFORMS, platform

if TYPE_CHECKING:
    from socialanalyzer_dagster.simulation.people import Team

_LONGEST_DAYS = 60


def simulate(
    *,
    days: Annotated[int, typer.Option(min=1, max=_LONGEST_DAYS, help="How many days, from a Monday on.")] = 30,
    share: Annotated[float, typer.Option(min=0.01, max=1.0, help="Share of the daily targets to aim at.")] = 1.0,
    platform_keys: Annotated[
        list[str] | None, typer.Option("--platform", help="Of one platform only; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the simulated world.")] = 7,
    home: Annotated[
        Path | None,
        typer.Option(help="A new folder that keeps all of it, for the Dagster UI; without it nothing is kept."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Run schedules and sensors over simulated days: searches wear out, a vendor fails, prices double, leads get worse.

    Shows targets, money, and how each was noticed. The exit code is 1 when a lead was lost or a cap exceeded.
    """
    from socialanalyzer_dagster.simulation.month import Simulation, simulate

    if home is not None and home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise typer.BadParameter(f"{home} is not an empty folder: name a new one", param_hint="--home")
    began = time.perf_counter()
    with TemporaryDirectory() as nowhere:
        folder = Path(nowhere) if home is None else home.absolute()
        wanted = Simulation(
            home=folder,
            days=days,
            share=share,
            seed=seed,
            platforms=tuple(platform(each).key for each in platform_keys or PLATFORMS),
            keeps_runs=home is not None,
        )
        report = simulate(wanted, notes.print)
    result = {**report.as_json(), "seconds": round(time.perf_counter() - began, 1)}

    def text(console: Console) -> None:
        rows = [(each.day, each.platform, each.target, each.scored, usd(each.spend_micros)) for each in report.days]
        console.print(table(("day", "platform", "target", "scored", "spend"), rows))
        for event in report.events:
            console.print(f"\n{event.at:%Y-%m-%d %H:%M} {event.text}", markup=False)
            for line in (*event.noticed, *event.done):
                console.print(f"  {line}", markup=False)
        console.print(f"\n{_of_team(report.team)}", markup=False)
        console.print(
            f"{report.days_met} of {report.working_days} working days met, {report.lost} leads lost, "
            f"{report.over_cap} caps exceeded, {usd(report.spend_micros)} spent (bill {usd(report.bill_micros)}) in "
            f"{result['seconds']} s.",
            markup=False,
        )
        if home is not None:
            console.print(f"Look at it: SOCIALANALYZER_HOME={home} make dev", markup=False)

    emit(result, as_json=as_json, text=text)
    return 1 if report.lost or report.over_cap else 0


def _of_team(team: "Team") -> str:
    estimates, plans = counted(team.confirmed, "estimate"), counted(team.approved, "CRM plan")
    questions, prices = counted(team.answered, "question"), counted(team.prices, "price")
    return (
        f"The team confirmed {estimates}, approved {plans}, answered {questions} of rules, and took over {prices} "
        "that a vendor had changed."
    )
