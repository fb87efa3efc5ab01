"""`batch create`: what the options ask for, and what a person is told before anything is spent."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from socialanalyzer_dagster.commands.inputs import json_object
from socialanalyzer_dagster.commands.output import table, usd
from socialanalyzer_dagster.domain.creator_list_files import ListFile, ListPreview, preview_list
from socialanalyzer_dagster.domain.creator_lists import AnyRow, CreatorList
from socialanalyzer_dagster.pipeline.batch_requests import BatchRequest
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.batches import CreatedBatch
from socialanalyzer_dagster.pipeline.progress import Tell
from socialanalyzer_dagster.storage.batches import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """What to search: a preset, a platform with filters, or a platform with a creator list."""

    preset: str | None
    platform: str | None
    filters: str | None
    list_file: Path | None
    columns: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeOptions:
    """How far it may go, as a person wrote it: numbers that are none are told with all other problems."""

    max_leads: str | None
    max_spend: str | None
    stop_at_cap: bool
    canary: int | None
    bdr: Sequence[str]
    note: str | None
    idempotency_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The request with, for a creator list, its preview."""

    request: BatchRequest
    preview: ListPreview | None


@dataclass(frozen=True, slots=True)
class _Watched:
    """The rows of a list; each tells its line when it is read."""

    rows: ListFile
    tell: Tell

    def __iter__(self) -> Iterator[AnyRow]:
        for row in self.rows:
            self.tell(row.line)
            yield row


def request_of(search: SearchOptions, size: SizeOptions, *, yes: bool, force: str | None, tell: Tell) -> Wanted:
    """The request the options describe; raises BadParameter, FilterProblems and ListRefused.

    `tell` hears the line up to which a creator list is read, whenever it is.
    """
    _check_choice(search)
    listed: CreatorList | None = None
    preview = None
    if search.list_file is not None:
        columns = _columns(search.columns)
        preview = preview_list(search.list_file, columns)
        listed = CreatorList(_Watched(ListFile(search.list_file, columns), tell))
    request = BatchRequest(
        platform=search.platform,
        preset=search.preset,
        filters=json_object(search.filters, "filters") if search.filters is not None else None,
        creator_list=listed,
        fields=_fields(size),
        stop_at_cap=size.stop_at_cap,
        confirmed=yes,
        canary=size.canary,
        force_reason=force,
    )
    return Wanted(request=request, preview=preview)


def _check_choice(search: SearchOptions) -> None:
    sources = [search.preset, search.filters, search.list_file]
    if sum(source is not None for source in sources) != 1:
        raise typer.BadParameter("say what to search by exactly one of --preset, --filters and --list")
    if search.preset is None and search.platform is None:
        raise typer.BadParameter("--filters and --list need --platform (`socialanalyzer platforms` shows them)")
    if search.columns and search.list_file is None:
        raise typer.BadParameter("--column belongs to --list")


def _columns(given: Sequence[str]) -> dict[str, str] | None:
    pairs = [pair.partition("=") for pair in given]
    if any(not (field and equals and header) for field, equals, header in pairs):
        raise typer.BadParameter("write FIELD=HEADER, as in url='Creator page'", param_hint="--column")
    return {field: header for field, _, header in pairs} or None


def _fields(size: SizeOptions) -> dict[str, object]:
    fields: dict[str, object] = {
        "max_leads": _number(size.max_leads),
        "max_budget_usd": _number(size.max_spend),
        "bdr_names": list(size.bdr) or None,
        "note": size.note,
        "idempotency_key": size.idempotency_key,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _number(text: str | None) -> object:
    """An int or an exact decimal; any other text stays text, which the validation refuses by name."""
    if text is None:
        return None
    try:
        return int(text) if text.strip().lstrip("+-").isdigit() else Decimal(text)
    except InvalidOperation:
        return text


def print_created(console: Console, created: CreatedBatch, wanted: Wanted, batch: Batch) -> None:
    """The estimate, the caps, the columns of a list, and how to go on."""
    if wanted.preview is not None:
        _print_preview(console, wanted.preview)
    console.print(table(("stage", "leads", "estimate", "seconds per lead"), _stage_rows(batch.estimate)))
    console.print("", table(("money", "USD"), _money_rows(created)))
    console.print(f"\nrates: {batch.estimate['source']}", markup=False)
    console.print(
        f"batch: {created.key}" + ("" if created.created else " (made before, with the same key)"), markup=False
    )
    console.print(_next_step(created), markup=False)


def _print_preview(console: Console, preview: ListPreview) -> None:
    used = [(column.header, column.field or "kept as it is") for column in preview.columns]
    console.print(table(("column", "read as"), used), "")


def _stage_rows(estimate: Mapping[str, Any]) -> list[tuple[str, int, str, float | None]]:
    return [
        (stage, each["leads"], usd(each["micros"]), each.get("seconds_per_lead"))
        for stage, each in estimate["stages"].items()
    ]


def _money_rows(created: CreatedBatch) -> list[tuple[str, str]]:
    amounts = {"estimate": created.estimate_micros, "worst case": created.worst_case_micros, "cap": created.cap_micros}
    return [(name, usd(amount)) for name, amount in amounts.items()]


def _next_step(created: CreatedBatch) -> str:
    if created.status == BatchStatus.AWAITING_CONFIRMATION:
        return (
            "the estimate must be confirmed first: "
            f"socialanalyzer batch confirm {created.key} --micros {created.estimate_micros}"
        )
    return f"next: socialanalyzer batch run {created.key}"
