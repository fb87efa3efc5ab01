"""`day show` and `day plan`: what a day brought against its targets, and which searches it still needs."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markdown import Markdown

from socialanalyzer_dagster.commands.office import Office, open_office
from socialanalyzer_dagster.commands.output import AsJson, emit, table, usd
from socialanalyzer_dagster.domain.plan_texts import plan_json, plan_markdown
from socialanalyzer_dagster.domain.types import PlatformKey
from socialanalyzer_dagster.pipeline.daily_reports import DailyReport, daily_report
from socialanalyzer_dagster.pipeline.day_facts import is_today
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.search_plans import look_ahead, plan_day
from socialanalyzer_dagster.platforms.registry import PLATFORMS, platform
from socialanalyzer_dagster.storage.daily_figures import DayOf

app = typer.Typer(help="Days: targets, plans and what they brought.", no_args_is_help=True)
_COLUMNS = (
    "platform",
    "target",
    "found",
    "new",
    "screened",
    "enriched",
    "scored",
    "synced",
    "spend",
    "per scored lead",
)


@app.command("show")
def show(
    *,
    day: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="A UTC day; today when it is left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """What a UTC day brought on every platform against its target; for today also how it stands and what would help."""
    with open_office() as office:
        wanted = office.clock.now().date() if day is None else _date(day)
        reports = _reports(office, wanted)
        workplace = office.workplace()
        plans = {of: look_ahead(workplace, of) for of in _days(wanted)} if is_today(workplace, wanted) else {}
    result = [
        {"day": wanted, "platform": each.of.platform, **each.as_json(), "stands": plans[each.of].why}
        if plans
        else {"day": wanted, "platform": each.of.platform, **each.as_json()}
        for each in reports
    ]

    def text(console: Console) -> None:
        console.print(table(_COLUMNS, [_row(each) for each in reports], title=f"{wanted} (UTC)"))
        for of, plan in plans.items():
            console.print(f"{of.platform}: {plan.why}", markup=False)

    emit(result, as_json=as_json, text=text)


@app.command("plan")
def plan(
    platform_key: Annotated[str, typer.Argument(metavar="PLATFORM")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan; write and queue nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Choose the searches that today still needs on PLATFORM and queue them as batches, as the schedule does."""
    key = platform(platform_key).key
    with open_office() as office:
        workplace = office.workplace()
        of = DayOf(day=office.clock.now().date(), platform=key)
        refused: Mapping[str, str] = {}
        batches: Mapping[str, str] = {}
        if dry_run:
            found = look_ahead(workplace, of)
        else:
            planned = plan_day(workplace, of)
            found, batches, refused = planned.plan, planned.batches, planned.refused
    result: dict[str, Any] = {**plan_json(found), "batches": dict(batches), "refused": dict(refused)}

    def text(console: Console) -> None:
        console.print(Markdown(plan_markdown(found, batches)))
        for name, why in refused.items():
            console.print(f"refused: {name}: {why}", style="yellow", markup=False)

    emit(result, as_json=as_json, text=text)


def _date(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise typer.BadParameter(f"'{text}' is not a day such as 2026-11-20", param_hint="--day") from error


def _days(day: date) -> list[DayOf]:
    return [DayOf(day=day, platform=PlatformKey(key)) for key in sorted(PLATFORMS)]


def _reports(office: Office, day: date) -> list[DailyReport]:
    policy = active_policy(office.database)
    with office.database.read() as connection:
        return [daily_report(connection, of, policy) for of in _days(day)]


def _row(report: DailyReport) -> tuple[object, ...]:
    figures = report.as_json()
    counts = [figures[name] for name in ("target", "found", "new", "screened", "enriched", "scored", "synced")]
    cost = None if report.cost_micros is None else usd(report.cost_micros)
    return (report.of.platform, *counts, usd(report.spend_micros), cost)
