"""`rescore`: what another policy would make of the leads."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from socialanalyzer_dagster.commands.inputs import policy_file
from socialanalyzer_dagster.commands.leads import BatchOption, batch_id_of
from socialanalyzer_dagster.commands.office import open_office
from socialanalyzer_dagster.commands.output import AsJson, counting, emit, table
from socialanalyzer_dagster.pipeline import policies
from socialanalyzer_dagster.pipeline.rescore import Rescored
from socialanalyzer_dagster.pipeline.rescore import rescore as rescored


def rescore(
    *,
    batch: BatchOption = None,
    policy: Annotated[Path | None, typer.Option(help="A policy file; else the active policy.")] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute stored scores under another policy: costs nothing, asks nobody, and shows who changes tier."""
    wanted = policy_file(policy) if policy is not None else None
    with open_office() as office:
        by = policies.Authorship(author="operator", note=f"re-scored from {policy}", at=office.clock.now())
        if wanted is not None:
            policies.remember(office.database, wanted, by)
        chosen = wanted or policies.active_policy(office.database)
        batch_id = batch_id_of(office, batch)
        with counting("scores recomputed") as reached:
            result = rescored(office.database, chosen, batch_id=batch_id, now=office.clock.now(), tell=reached)
    emit(result.as_json(), as_json=as_json, text=_flow_text(result))


def _flow_text(result: Rescored) -> Callable[[Console], None]:
    document = result.as_json()

    def text(console: Console) -> None:
        console.print(f"{result.scores} scores recomputed for $0.00; {len(result.moved)} leads change tier")
        flow = [(each["from"], each["to"], each["leads"]) for each in document["tier_flow"]]
        console.print("", table(("tier now", "tier then", "leads"), flow))
        moved = [
            (
                each["lead"],
                each["handle"],
                each["from"],
                each["to"],
                each["lead_score"]["from"],
                each["lead_score"]["to"],
            )
            for each in document["moved"][:20]
        ]
        if moved:
            console.print("", table(("lead", "handle", "tier now", "tier then", "score now", "score then"), moved))

    return text
