"""`policy preview`: what a policy would change about the leads of the last days, before it is activated."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from socialanalyzer_dagster.commands.inputs import fitting, policy_file
from socialanalyzer_dagster.commands.office import Office, open_office
from socialanalyzer_dagster.commands.output import AsJson, counting, emit, table
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.preview_days import SIDES
from socialanalyzer_dagster.domain.reason_texts import outcome_text
from socialanalyzer_dagster.domain.sentences import leads
from socialanalyzer_dagster.pipeline.policy_preview import DAYS, NAMED, Preview, PreviewRequest, preview_policy
from socialanalyzer_dagster.pipeline.policy_versions import version_to_use
from socialanalyzer_dagster.platforms.registry import PLATFORMS

_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the command to `policy`."""
    app.command("preview")(preview)


def preview(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="A policy file.")] = None,
    *,
    version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Instead of a file: a stored version, as to go back to it.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Look at leads judged in the last so many days.")] = DAYS,
    limit: Annotated[int, typer.Option(min=0, help="Name at most so many moved leads; all are counted.")] = NAMED,
    as_json: AsJson = False,
) -> None:
    """Show what a policy would change about recent leads before it is activated: costs nothing, asks nobody."""
    with open_office() as office:
        policy = chosen_policy(office, file, version)
        found = previewed(office, policy, days=days, most_named=limit).as_json()
    emit(found, as_json=as_json, text=lambda console: _print(console, found))


def chosen_policy(office: Office, file: Path | None, version: str | None) -> Policy:
    """The policy of a file or of a stored version, whichever is named; raises PolicyError and BadParameter."""
    if file is not None and version is None:
        return policy_file(file)
    if version is None or file is not None:
        raise typer.BadParameter("say one of FILE and --version VERSION")
    return fitting(version_to_use(office.database, version, office.clock.now()).policy)


def previewed(office: Office, policy: Policy, *, days: int = DAYS, most_named: int = NAMED) -> Preview:
    """The preview of a policy in this home, with its progress on stderr."""
    request = PreviewRequest(policy=policy, now=office.clock.now(), days=days, most_named=most_named)
    with counting("judgements read") as reached:
        return preview_policy(office.database, PLATFORMS, request, reached)


def _print(console: Console, found: Mapping[str, Any]) -> None:
    console.print(found["headline"], markup=False, soft_wrap=True)
    flow = [(each["from"], each["to"], each["leads"]) for each in found["tier_flow"]]
    console.print("", table(("tier now", "tier then", "leads"), flow))
    _print_moved(console, found, ("lead", "handle", "tier now", "tier then", "score now", "score then"))
    bdrs = [(each["bdr"], each["now"], each["then"], f"{each['change']:+,}") for each in found["bdrs"]]
    if bdrs:
        console.print("", table(("BDR", "leads now", "leads then", "change"), bdrs))
    _print_days(console, found["per_working_day"])
    _print_screening(console, found["screening"])
    for sentence in _notes(found):
        console.print(f"\n{sentence}", markup=False, soft_wrap=True)


def _print_moved(console: Console, part: Mapping[str, Any], headers: tuple[str, ...]) -> None:
    rows = [_moved(each) for each in part["moved"][:_SHOWN]]
    if rows:
        console.print("", table(headers, rows))
    if (rest := part["moved_count"] - len(rows)) > 0:
        console.print(f"and {rest:,} more (--json names up to --limit)")


def _moved(each: Mapping[str, Any]) -> tuple[object, ...]:
    who = (each["lead"], each["handle"], each["from"], each["to"])
    if "lead_score" in each:
        return (*who, each["lead_score"]["from"], each["lead_score"]["to"])
    return (*who, outcome_text(each["code"]))


def _print_days(console: Console, days: Mapping[str, Any]) -> None:
    headers = (
        "platform", "target now", "then", "scored now", "then", "enrolled now", "then", "days on target now", "then",
        "more past screening, in all",
    )  # fmt: skip
    rows = [
        (
            each["platform"],
            *(each[name][side] for name in ("target", "scored", "enrolled") for side in SIDES),
            *(f"{each['days_met'][side]} of {each['working_days'][side]}" for side in SIDES),
            each["may_enter"],
        )
        for each in days["platforms"]
    ]
    if rows:
        console.print("", table(headers, rows, title=f"Leads per working day since {days['since']}"))


def _print_screening(console: Console, screening: Mapping[str, Any]) -> None:
    rows = [(each["from"], each["to"], outcome_text(each["code"]), each["leads"]) for each in screening["reasons"]]
    if rows:
        console.print("", table(("screening now", "screening then", "why", "leads"), rows))
    _print_moved(console, screening, ("lead", "handle", "screening now", "screening then", "why"))


def _notes(found: Mapping[str, Any]) -> Iterator[str]:
    if older := found["decided_by_earlier_versions"]:
        yield f"{older:,} scores were decided by other versions; 'now' is what the active one makes of them"
    if gone := found["scores_not_known"]:
        yield f"of {leads(gone)} only the tier is left, so nothing can be computed for them"
    flow = found["screening"]["flow"]
    if open_ends := sum(each["leads"] for each in flow if (each["from"], each["to"]) == ("rejected", "not_known")):
        yield f"{leads(open_ends)} would no longer be rejected for their reason; what comes after it was never asked"
    if unclear := found["screening"]["unclear"]:
        yield f"of {leads(unclear)} nobody can tell what screening would say: what it needs is not stored"
    if keys := found["not_previewed"]:
        yield f"what these changes do to leads cannot be told from what is stored: {', '.join(keys)}"
