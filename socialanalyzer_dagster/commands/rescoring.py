"""`rescore`: what another policy would make of the leads, at once or as a Dagster backfill over batches."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from socialanalyzer_dagster.commands.endings import FAILED
from socialanalyzer_dagster.commands.inputs import policy_file
from socialanalyzer_dagster.commands.leads import BatchOption, batch_id_of
from socialanalyzer_dagster.commands.office import Office, open_office
from socialanalyzer_dagster.commands.output import AsJson, counting, emit, notes, table
from socialanalyzer_dagster.domain.outside_text import printable
from socialanalyzer_dagster.domain.sentences import counted, leads
from socialanalyzer_dagster.pipeline import policies
from socialanalyzer_dagster.pipeline.policy_versions import Version, version_to_use
from socialanalyzer_dagster.pipeline.rescore import Rescored
from socialanalyzer_dagster.pipeline.rescore import rescore as rescored
from socialanalyzer_dagster.pipeline.rescored_history import history_since

if TYPE_CHECKING:
    from socialanalyzer_dagster.commands.backfills import Backfill

_HEADERS = ("tier now", "tier then", "leads")


def rescore(
    *,
    batch: BatchOption = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The batches made since this UTC day, as a Dagster backfill."),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(metavar="POLICY", help="A file, or a version of `policy list`; else the active policy."),
    ] = None,
    by: Annotated[str, typer.Option("--by", help="Who has a new file stored as a version.")] = "operator",
    as_json: AsJson = False,
) -> None:
    """Recompute stored scores under another policy: costs nothing, asks nobody, and shows who changes tier.

    The scores that decided stay; the others stand beside them in `leads show` and `batch show`.
    """
    if batch is not None and since is not None:
        raise typer.BadParameter("say one of --batch and --since")
    with open_office() as office:
        version = _version(office, policy, by)
        if since is not None:
            from socialanalyzer_dagster.commands.backfills import backfill

            keys = history_since(office.database, since.replace(tzinfo=UTC))
            _emit_backfill(office, backfill(office, keys, version), as_json=as_json)
            return
        batch_id = batch_id_of(office, batch)
        with counting("scores recomputed") as reached:
            now = office.clock.now()
            result = rescored(office.database, version.policy, batch_id=batch_id, now=now, tell=reached)
    emit({"policy": version.number, **result.as_json()}, as_json=as_json, text=_flow_text(result))


def _version(office: Office, policy: str | None, by: str) -> Version:
    """A file of this name is stored as a version that is not active; anything else is the name of one."""
    now = office.clock.now()
    if policy is None or not (Path(policy).is_file() or Path(policy).suffix):
        return version_to_use(office.database, policy or "", now)
    wanted = policy_file(Path(policy))
    author = policies.Authorship(author=by, note=f"re-scored from {Path(policy).name}", at=now)
    return Version(number=policies.remember(office.database, wanted, author), policy=wanted)


def _flow_text(result: Rescored) -> Callable[[Console], None]:
    document = result.as_json()

    def text(console: Console) -> None:
        console.print(f"{result.scores} scores recomputed for $0.00; {len(result.moved)} leads change tier")
        console.print("", table(_HEADERS, _flow_rows(document["tier_flow"])))
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


def _flow_rows(flow: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    return [(each["from"], each["to"], each["leads"]) for each in flow]


def _emit_backfill(office: Office, done: "Backfill", *, as_json: bool) -> None:
    flow = [{"from": old, "to": new, "leads": number} for (old, new), number in sorted(done.flow.items())]
    result = {
        "policy": done.version.number,
        "policy_hash": done.version.policy.digest,
        "cost_micros": 0,
        "batches": done.batches,
        "backfill_id": done.backfill_id,
    }
    if done.backfill_id is None:
        result |= {"scores": done.scores, "moved_count": done.moved, "tier_flow": flow}

    def text(console: Console) -> None:
        console.print(_told(done, office.settings.ui_url), markup=False, soft_wrap=True)
        if flow:
            console.print("", table(_HEADERS, _flow_rows(flow)))

    emit(result, as_json=as_json, text=text)
    if done.problem is not None:
        notes.print(printable(done.problem), style="red", markup=False)
        raise typer.Exit(FAILED)


def _told(done: "Backfill", ui_url: str | None) -> str:
    batches = counted(done.batches, "batch", "batches")
    if done.backfill_id is None:
        moved = f"{done.moved:,} of {leads(done.scores)}"
        return f"{batches} re-scored under policy version {done.version.number} for $0.00; {moved} change tier"
    where = f"; it can be followed at {ui_url.rstrip('/')}/runs/b/{done.backfill_id}" if ui_url is not None else ""
    return (
        f"backfill {done.backfill_id} re-scores {batches} under policy version {done.version.number} for $0.00{where}"
    )
