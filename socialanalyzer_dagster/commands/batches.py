"""`batch`: make lead batches, run them, look at them, decide about their CRM plans."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from socialanalyzer_dagster.commands import batch_texts
from socialanalyzer_dagster.commands.creation import SearchOptions, SizeOptions, print_created, request_of
from socialanalyzer_dagster.commands.inputs import dollars
from socialanalyzer_dagster.commands.office import Office, open_office
from socialanalyzer_dagster.commands.output import AsJson, counting, emit, notes, usd, warn
from socialanalyzer_dagster.commands.runs import STEPS, Ended, Step, progress_of, run_steps
from socialanalyzer_dagster.commands.sandbox_crm import furnish_sandbox_crm
from socialanalyzer_dagster.domain.money import micros_from_usd
from socialanalyzer_dagster.domain.outside_text import printable
from socialanalyzer_dagster.pipeline import batch_actions
from socialanalyzer_dagster.pipeline.batch_actions import Deed, find_batch
from socialanalyzer_dagster.pipeline.batch_log_view import batch_log
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus, StatusRefused, waits_for_release
from socialanalyzer_dagster.pipeline.batch_view import batch_rows, batch_view, next_page
from socialanalyzer_dagster.pipeline.batches import batch_from_key, create_batch
from socialanalyzer_dagster.pipeline.crm_sync import next_stretch
from socialanalyzer_dagster.pipeline.gate_queue import ask_where_due, steps_ahead
from socialanalyzer_dagster.pipeline.launch_queue import held_batches
from socialanalyzer_dagster.pipeline.launching import Stretch
from socialanalyzer_dagster.pipeline.ledger_view import ledger_view
from socialanalyzer_dagster.pipeline.policies import policy_of_hash
from socialanalyzer_dagster.pipeline.session import refuse_if_held
from socialanalyzer_dagster.storage.batches import Batch, BatchPage

app = typer.Typer(help="Lead batches: make, run, look at, approve.", no_args_is_help=True)

By = Annotated[str, typer.Option("--by", help="Who does this.")]
Reason = Annotated[str | None, typer.Option(help="Why.")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="The batch's key: <day>.<platform>.<search>.")]

_TO_PLAN = STEPS[: STEPS.index(Step.PLAN) + 1]
_ENDED_BADLY = frozenset({BatchStatus.FAILED, BatchStatus.STOPPED, BatchStatus.PAUSED})


@app.command("create")
def create(
    *,
    preset: Annotated[str | None, typer.Option(help="A saved search.")] = None,
    platform: Annotated[str | None, typer.Option(help="Where to search.")] = None,
    filters: Annotated[str | None, typer.Option(metavar="JSON", help="Filters as JSON, or @file.")] = None,
    list_file: Annotated[
        Path | None, typer.Option("--list", metavar="FILE", help="A creator list: CSV, JSON or XLSX.")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(metavar="FIELD=HEADER", help="Which column of the list is what.")
    ] = None,
    max_leads: Annotated[str | None, typer.Option(metavar="N", help="At most so many leads past discovery.")] = None,
    max_spend: Annotated[str | None, typer.Option(metavar="USD", help="The batch's cap.")] = None,
    stop_at_cap: Annotated[
        bool, typer.Option("--stop-at-cap", help="Start although the estimate exceeds the cap, and stop there.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Confirm the estimate, however high.")] = False,
    canary: Annotated[int | None, typer.Option(metavar="N", help="Let N leads go ahead to the plan.")] = None,
    idempotency_key: Annotated[str | None, typer.Option(metavar="K", help="The same key makes one batch.")] = None,
    force: Annotated[
        str | None, typer.Option(metavar="REASON", help="Although the same search is running, and why.")
    ] = None,
    bdr: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Who receives the leads; repeatable.")] = None,
    note: Annotated[str | None, typer.Option(help="For people.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a batch: checks everything, shows estimate, worst case and cap, and prints its key. Spends nothing."""
    search = SearchOptions(preset=preset, platform=platform, filters=filters, list_file=list_file, columns=column or ())
    size = SizeOptions(
        max_leads=max_leads,
        max_spend=max_spend,
        stop_at_cap=stop_at_cap,
        canary=canary,
        bdr=bdr or (),
        note=note,
        idempotency_key=idempotency_key,
    )
    with counting("lines of the list read") as reached:
        wanted = request_of(search, size, yes=yes, force=force, tell=reached)
        with open_office() as office:
            created = create_batch(office.workplace(), wanted.request)
            batch = find_batch(office.workplace(), created.key)
    result = {
        "key": created.key,
        "estimate_micros": created.estimate_micros,
        "worst_case_micros": created.worst_case_micros,
        "warnings": created.warnings,
    }
    if not as_json:
        warn(created.warnings)
    emit(result, as_json=as_json, text=lambda console: print_created(console, created, wanted, batch))


@app.command("run")
def run(
    key: Key,
    *,
    from_step: Annotated[Step | None, typer.Option("--from", help="First stage; else the first.")] = None,
    to_step: Annotated[
        Step | None, typer.Option("--to", help="Last stage; else the plan, or the sync once approved.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Bring a batch up to date in this process, through Dagster; what is done is not done or paid again."""
    with open_office(needs_vendors=True) as office:
        workplace = office.workplace()
        batch = batch_from_key(workplace, key)
        if batch.status == BatchStatus.AWAITING_CONFIRMATION:
            raise StatusRefused(
                f"the estimate of {usd(batch.estimate_micros)} must be confirmed first: "
                f"socialanalyzer batch confirm {key} --micros {batch.estimate_micros}"
            )
        is_asked = from_step is None and to_step is None and bool(ask_where_due(workplace, [batch]))
        ended = Ended("", None) if is_asked else _run(office, batch, _steps(office, batch, from_step, to_step))
        view = batch_view(workplace, key)
        by_stage = _stage_micros(office, batch.batch_id)
    view["run_id"] = ended.run_id

    def text(console: Console) -> None:
        batch_texts.print_batch(console, view)
        if view["canary"] is not None:
            batch_texts.print_canary(console, view, by_stage)

    emit(view, as_json=as_json, text=text)
    if ended.problem is not None:
        notes.print(printable(ended.problem), style="red", markup=False)
    went_wrong = view["status"] in _ENDED_BADLY and not waits_for_release(view["status"], view["cause"])
    return 1 if ended.problem is not None or went_wrong else 0


def _run(office: Office, batch: Batch, steps: tuple[Step, ...]) -> Ended:
    workplace = office.workplace()
    refuse_if_held(workplace, batch.batch_id, batch.partition_key)
    if steps != (Step.SYNCED,):
        warn(held_batches(workplace, [batch]).values())
    furnish_sandbox_crm(office, batch, steps)
    with progress_of(office, {batch.partition_key: ""}):
        return run_steps(office, batch.partition_key, steps)


def _steps(office: Office, batch: Batch, first: Step | None, last: Step | None) -> tuple[Step, ...]:
    """The asked stretch; by default up to the next closed gate or the plan, or the sync alone when it is cleared."""
    if first is None and last is None:
        with office.database.read() as connection:
            is_cleared = next_stretch(connection, batch) is Stretch.SYNC
            steps = steps_ahead(connection, batch, policy_of_hash(office.database, batch.policy_hash))
        return (Step.SYNCED,) if is_cleared else tuple(Step(step) for step in steps) or _TO_PLAN
    start = STEPS.index(first) if first is not None else 0
    end = STEPS.index(last) if last is not None else max(start, STEPS.index(Step.PLAN))
    if start > end:
        raise typer.BadParameter(f"{first} comes after {last}; the order is {', '.join(STEPS)}", param_hint="--from")
    return STEPS[start : end + 1]


def _stage_micros(office: Office, batch_id: str) -> dict[str, int]:
    with office.database.read() as connection:
        by_stage: dict[str, int] = ledger_view(connection, batch_id)["by_stage"]
    return by_stage


@app.command("show")
def show(key: Key, *, as_json: AsJson = False) -> None:
    """How a batch stands: funnel, reasons, tiers, money, and what it means in words."""
    with open_office() as office:
        view = {**batch_view(office.workplace(), key), "log": batch_log(office.workplace(), key)}

    def text(console: Console) -> None:
        batch_texts.print_batch(console, view)
        batch_texts.print_newest(console, view)

    emit(view, as_json=as_json, text=text)


@app.command("list")
def list_batches(
    *,
    platform: Annotated[str | None, typer.Option(help="Of one platform.")] = None,
    status: Annotated[BatchStatus | None, typer.Option(help="In one status.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 50,
    after: Annotated[str | None, typer.Option(metavar="KEY", help="Go on after this batch.")] = None,
    as_json: AsJson = False,
) -> None:
    """Batches, newest first, page by page."""
    with open_office() as office:
        workplace = office.workplace()
        last = find_batch(workplace, after) if after is not None else None
        before = (last.created_at, last.batch_id) if last is not None else None
        page = BatchPage(platform=platform, status=status, before=before, limit=limit)
        rows = batch_rows(workplace, page)
    following = rows[-1]["key"] if next_page(rows, page) is not None else None
    shown = [{name: value for name, value in row.items() if name != "cursor"} for row in rows]

    def text(console: Console) -> None:
        batch_texts.print_batches(console, shown)
        if following is not None:
            console.print(f"more: --after {following}", markup=False)

    emit({"batches": shown, "next": following}, as_json=as_json, text=text)


def emit_change(batch: Batch, sentence: str, *, as_json: bool) -> None:
    """Where a batch stands after somebody did something with it."""
    result = {"key": batch.partition_key, "status": batch.status, "cause": batch.cause, "cap_micros": batch.cap_micros}
    emit(result, as_json=as_json, text=lambda console: console.print(sentence, markup=False))


@app.command("stop")
def stop(key: Key, *, by: By = "operator", reason: Reason = None, as_json: AsJson = False) -> None:
    """No new paid call from now on; calls in flight settle."""
    with open_office() as office:
        batch = batch_actions.stop(office.workplace(), key, Deed(by=by, reason=reason))
    word = "is stopped" if batch.is_terminal else "stops as soon as its calls in flight have settled"
    emit_change(batch, f"batch {key} {word}", as_json=as_json)


@app.command("set-cap")
def set_cap(
    key: Key,
    *,
    max_spend: Annotated[str, typer.Option(metavar="USD", help="The new cap.")],
    by: By = "operator",
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """Another cap; a higher one queues a capped batch again for exactly the leads that were left out."""
    with open_office() as office:
        cap = micros_from_usd(dollars(max_spend, "--max-spend"))
        batch = batch_actions.set_cap(office.workplace(), key, Deed(by=by, reason=reason), cap_micros=cap)
    again = f"; go on with: socialanalyzer batch run {key}" if batch.status == BatchStatus.QUEUED else ""
    emit_change(batch, f"the cap of batch {key} is {usd(batch.cap_micros)} now{again}", as_json=as_json)


@app.command("confirm")
def confirm(
    key: Key,
    *,
    micros: Annotated[int, typer.Option(help="The estimate in micro-USD, as it was shown.")],
    by: By = "operator",
    as_json: AsJson = False,
) -> None:
    """Accept the estimate of a batch that waits for it."""
    with open_office() as office:
        batch = batch_actions.confirm(office.workplace(), key, Deed(by=by), estimate_micros=micros)
    emit_change(batch, f"confirmed; go on with: socialanalyzer batch run {key}", as_json=as_json)


@app.command("retry")
def retry(key: Key, *, by: By = "operator", reason: Reason = None, as_json: AsJson = False) -> None:
    """Queue a paused or ended batch again for the leads that can still be attempted."""
    with open_office() as office:
        batch = batch_actions.retry(office.workplace(), key, Deed(by=by, reason=reason))
    emit_change(batch, f"queued; go on with: socialanalyzer batch run {key}", as_json=as_json)


@app.command("release")
def release(key: Key, *, by: By = "operator", as_json: AsJson = False) -> None:
    """Let the leads follow that waited for the canary."""
    with open_office() as office:
        batch = batch_actions.release_canary(office.workplace(), key, Deed(by=by))
    emit_change(batch, f"released; go on with: socialanalyzer batch run {key}", as_json=as_json)
