"""`batch change`: a waiting batch is to be otherwise: its cap, leads, BDRs and tiers, or its search."""

from typing import Annotated

import typer

from socialanalyzer_dagster.commands.batches import Key, emit_change
from socialanalyzer_dagster.commands.inputs import dollars, json_object
from socialanalyzer_dagster.commands.office import open_office
from socialanalyzer_dagster.commands.output import AsJson, warn
from socialanalyzer_dagster.commands.plans import Person, PlanHash
from socialanalyzer_dagster.domain.money import micros_from_usd, usd_text
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.batches import CreatedBatch
from socialanalyzer_dagster.pipeline.gate_changes import Changes, Objection, revise
from socialanalyzer_dagster.pipeline.search_changes import search_otherwise
from socialanalyzer_dagster.storage.batches import Batch


def register(app: typer.Typer) -> None:
    """Put the command under `batch`."""
    app.command("change")(change)


def change(
    key: Key,
    *,
    by: Person,
    reason: Annotated[str, typer.Option(help="Why.")],
    max_spend: Annotated[str | None, typer.Option(metavar="USD", help="Another cap.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(metavar="LEAD", help="Leave a lead out; repeatable.")] = None,
    bdr: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Who receives the leads; repeatable.")] = None,
    tier_floor: Annotated[str | None, typer.Option(metavar="TIER", help="Leave lower tiers out.")] = None,
    filters: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="Filters that differ, or @file: the batch ends, another searches."),
    ] = None,
    plan_hash: PlanHash = None,
    as_json: AsJson = False,
) -> None:
    """Have what waits for you otherwise: it is asked about anew, or planned again, and nothing is paid for that."""
    cap = micros_from_usd(dollars(max_spend, "--max-spend")) if max_spend is not None else None
    changes = Changes(cap_micros=cap, excluded=tuple(exclude or ()), bdr_names=tuple(bdr or ()), tier_floor=tier_floor)
    objection = Objection(by=by, reason=reason, subject_hash=plan_hash)
    with open_office() as office:
        workplace = office.workplace()
        if filters is None:
            batch = revise(workplace, key, objection, changes)
            sentence = _changed(batch)
        else:
            created = search_otherwise(workplace, key, json_object(filters, "filters"), objection, changes)
            batch, sentence = find_batch(workplace, created.key), _searched_otherwise(key, created)
            if not as_json:
                warn(created.warnings)
    emit_change(batch, sentence, as_json=as_json)


def _changed(batch: Batch) -> str:
    if batch.status == BatchStatus.AWAITING_APPROVAL:
        return f"changed; batch {batch.partition_key} {batch.cause}"
    return f"changed; go on with: socialanalyzer batch run {batch.partition_key}"


def _searched_otherwise(key: str, created: CreatedBatch) -> str:
    told = (
        f"batch {key} has ended; batch {created.key} searches instead, estimated at {usd_text(created.estimate_micros)}"
    )
    if created.status == BatchStatus.AWAITING_CONFIRMATION:
        return f"{told}; confirm it: socialanalyzer batch confirm {created.key} --micros {created.estimate_micros}"
    return f"{told}; go on with: socialanalyzer batch run {created.key}"
