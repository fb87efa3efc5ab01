"""`leads`: who was found, what happened to them and why."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from socialanalyzer_dagster.commands.office import Office, open_office
from socialanalyzer_dagster.commands.output import (
    AsJson,
    emit,
    json_text,
    notes,
    shortened,
    table,
    usd,
    written_to,
)
from socialanalyzer_dagster.domain.outcomes import Result
from socialanalyzer_dagster.domain.outside_text import printable
from socialanalyzer_dagster.domain.scores import DIMENSIONS
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.corrections import FIELDS, Correction, correct
from socialanalyzer_dagster.pipeline.lead_exports import COLUMNS, as_csv, exported_leads
from socialanalyzer_dagster.pipeline.lead_view import lead_list, lead_view
from socialanalyzer_dagster.pipeline.tier_overrides import OverrideRequest, override_tier
from socialanalyzer_dagster.storage.lead_views import LeadPage

app = typer.Typer(help="Leads: lists, one lead in full, export.", no_args_is_help=True)

BatchOption = Annotated[str | None, typer.Option("--batch", metavar="KEY", help="Of one batch; else of all.")]
_GLANCE_CHARS = 90
_FACTS = (
    "display_name", "handle", "profile_url", "bio", "audience_size", "audience_kind", "paid_audience_size",
    "post_count", "posts_per_month", "engagement_rate", "visibility", "language", "city", "region", "country",
    "email_status", "bdr", "crm_object_id", "collected_at", "lawful_basis", "subscriber_kind", "country_known_from",
    "notice_due_at", "reduced_at", "erased_at", "suppressed_at",
)  # fmt: skip


def batch_id_of(office: Office, key: str | None) -> str | None:
    """The batch an option names; None = of all."""
    return find_batch(office.workplace(), key).batch_id if key is not None else None


@app.command("list")
def list_leads(
    *,
    batch: BatchOption = None,
    stage: Annotated[Stage | None, typer.Option(help="Their outcome at this stage; else the furthest one.")] = None,
    result: Annotated[Result | None, typer.Option(help="Only leads with this result.")] = None,
    tier: Annotated[str | None, typer.Option(help="Only leads of this tier.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    after: Annotated[str | None, typer.Option(metavar="CURSOR", help="Go on after this `platform:id`.")] = None,
    as_json: AsJson = False,
) -> None:
    """Leads with their outcome and score, sorted by platform and id, page by page."""
    with open_office() as office:
        page = LeadPage(
            batch_id=batch_id_of(office, batch),
            stage=stage,
            result=result,
            tier=tier,
            after=_cursor(after),
            limit=limit,
        )
        with office.database.read() as connection:
            found = lead_list(connection, page)
    rows = [
        (
            f"{each['platform']}:{each['platform_id']}",
            each["handle"],
            each["stage"],
            each["result"],
            each["reason"],
            each["lead_score"],
            each["tier"],
        )
        for each in found["leads"]
    ]

    def text(console: Console) -> None:
        console.print(table(("lead", "handle", "stage", "result", "why", "score", "tier"), rows))
        if found["next"]:
            console.print(f"more: --after {printable(found['next'])}", markup=False)

    emit(found, as_json=as_json, text=text)


def _cursor(after: str | None) -> tuple[str, str] | None:
    if after is None:
        return None
    platform, colon, platform_id = after.partition(":")
    if not colon:
        raise typer.BadParameter("the cursor is the `next` of the page before, as in platform:id", param_hint="--after")
    return platform, platform_id


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="LEAD", help="Its uid, platform:id, platform:handle or handle.")],
    *,
    as_json: AsJson = False,
) -> None:
    """One lead in full: facts, outcomes, score, contacts with their sources, evidence, and every call with its cost."""
    with open_office() as office, office.database.read() as connection:
        view = lead_view(connection, name)
    emit(view, as_json=as_json, text=lambda console: _print_lead(console, view))


def _print_lead(console: Console, view: Mapping[str, Any]) -> None:
    console.print(table(("", f"{view['platform']}:{view['platform_id']}"), [(key, view.get(key)) for key in _FACTS]))
    if view["links"]:
        console.print("", table(("link", "address"), sorted(view["links"].items())))
    outcomes = [
        (
            each["batch"],
            each["stage"],
            each["result"],
            each["reason"],
            usd(each["cost_micros"]),
            each["attempt"],
            each["policy"],
        )
        for each in view["outcomes"]
        if each["is_current"]
    ]
    console.print("", table(("batch", "stage", "result", "why", "cost", "attempt", "policy version"), outcomes))
    _print_score(console, view["score"])
    _print_rescored(console, view["rescored"])
    for title, facts in (("override", view["override"]), ("CRM", view["crm"])):
        if facts is not None:
            console.print("", table((title, ""), [(name, _shown(value)) for name, value in facts.items()]))
    _print_sources(console, view)
    _print_costs(console, view)


def _print_score(console: Console, score: Mapping[str, Any] | None) -> None:
    if score is None:
        return
    rows = [(name, score["sections"][name]) for name in DIMENSIONS]
    rows += [(name, score[name]) for name in ("base", "penalty", "boost", "adjustment", "lead_score", "tier")]
    rows.append(("policy version", score["policy"]))
    console.print("", table(("score", score["batch"]), rows))
    console.print("", printable(score["reasoning"]), markup=False)


def _print_rescored(console: Console, rescored: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        (each["policy"], each["note"], each["lead_score"], each["tier"], each["batch"], f"{each['scored_at']:%Y-%m-%d}")
        for each in rescored
    ]
    if rows:
        headers = ("re-scored under policy version", "note", "score", "tier", "batch", "on")
        console.print("", table(headers, rows))


def _print_sources(console: Console, view: Mapping[str, Any]) -> None:
    contacts = [
        (
            each["field"],
            each["value"],
            each["kind"],
            each["step"],
            each["provider"],
            each["source_url"],
            f"{each['fetched_at']:%Y-%m-%d %H:%M}",
        )
        for each in view["contacts"]
    ]
    console.print("", table(("contact", "value", "found as", "step", "provider", "source", "found at"), contacts))
    evidence = [
        (each["kind"], each["provider"], each["model"], each["fetched_at"].date(), _glance(each["body"]))
        for each in view["evidence"]
    ]
    console.print("", table(("evidence", "provider", "model", "seen on", "what (in full with --json)"), evidence))


def _shown(value: object) -> object:
    return ", ".join(map(str, value)) or None if isinstance(value, list) else value


def _glance(body: object) -> str:
    return shortened(str(body), _GLANCE_CHARS)


def _print_costs(console: Console, view: Mapping[str, Any]) -> None:
    calls = [
        (each["stage"], each["step"], each["operation"], each["kind"], usd(each["amount_micros"]))
        for each in view["costs"]
    ]
    console.print("", table(("stage", "step", "call", "kind", "cost"), calls))
    console.print(f"in all {usd(view['total_micros'])}")


@app.command("correct")
def correct_lead(
    name: Annotated[str, typer.Argument(metavar="LEAD", help="Its uid, platform:id, platform:handle or handle.")],
    *,
    field: Annotated[str, typer.Option(help=f"What is wrong: {', '.join(FIELDS)}.")],
    value: Annotated[str, typer.Option(help="What is right.")],
    by: Annotated[str, typer.Option("--by", help="Who enters it.")],
    reason: Annotated[str, typer.Option(help="Why; without addresses or names, the audit keeps it.")],
    as_json: AsJson = False,
) -> None:
    """Correct a field at the person's word: it counts before everything that was found, or will be.

    A corrected address is verified again before it can be synced. A contact that is in the CRM is corrected there.
    """
    with open_office() as office:
        key = office.settings.suppression_key
        correction = Correction(lead=name, field=field, value=value, by=by, reason=reason, at=office.clock.now())
        uid = correct(office.database, key, correction)
    emit(
        {"lead": uid, "field": field},
        as_json=as_json,
        text=lambda console: console.print(f"{field} of lead {uid} is corrected", markup=False),
    )


@app.command("override")
def override(
    name: Annotated[str, typer.Argument(metavar="LEAD", help="Its uid, platform:id, platform:handle or handle.")],
    *,
    tier: Annotated[str | None, typer.Option(help="The tier it is to have.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the override back.")] = False,
    reason: Annotated[str, typer.Option(help="Why.")],
    by: Annotated[str, typer.Option("--by", help="The person who decides.")],
    as_json: AsJson = False,
) -> None:
    """Give a lead a tier beside its score: the next plan goes by it, for the CRM and the queue; no score changes."""
    if (tier is None) is not remove:
        raise typer.BadParameter("say one of --tier TIER and --remove")
    with open_office() as office:
        request = OverrideRequest(lead=name, tier=tier, reason=reason, by=by, at=office.clock.now())
        uid = override_tier(office.database, request)
    sentence = f"lead {uid} has its score's tier again" if remove else f"lead {uid} is {tier} in the next plan"
    emit(
        {"lead_uid": uid, "tier": tier, "by": by},
        as_json=as_json,
        text=lambda console: console.print(sentence, markup=False),
    )


@app.command("export")
def export(
    *,
    csv: Annotated[bool, typer.Option("--csv", help="As CSV, safe to open in a spreadsheet.")] = False,
    batch: BatchOption = None,
    out: Annotated[Path | None, typer.Option(help="Write to this file instead of stdout.")] = None,
    as_json: AsJson = False,
) -> None:
    """Leads with the columns docs/operating.md lists, sorted by platform and id; CSV unless --json is given."""
    if csv and as_json:
        raise typer.BadParameter("choose one of --csv and --json")
    with open_office() as office, office.database.read() as connection:
        rows = exported_leads(connection, batch_id=batch_id_of(office, batch))
        if as_json:
            _write_json(list(rows), out)
        else:
            _write(as_csv(rows), out)


def _write_json(rows: Sequence[Mapping[str, str]], out: Path | None) -> None:
    document = {"columns": COLUMNS, "leads": rows}
    _write([json_text(document) + "\n"], out)


def _write(lines: Iterable[str], out: Path | None) -> None:
    if out is None:
        for line in lines:
            typer.echo(line, nl=False)
        return
    with written_to(out, "--out") as file:
        file.writelines(lines)
    notes.print(f"written to {out}", markup=False)
