"""The first stage: found items become leads, known ones are told apart before anything else is paid (spec 6.6)."""

import asyncio
import logging
from collections.abc import Sequence

from socialanalyzer_dagster.domain.creator_lists import UnusableRow
from socialanalyzer_dagster.domain.filters import SearchFilters
from socialanalyzer_dagster.domain.leads import FoundItem
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable, Refusal
from socialanalyzer_dagster.domain.suppression import (
    identifier_hash,
    identifiers_of_candidates,
    identifiers_of_record,
)
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.batch_drafts import list_row_from_json
from socialanalyzer_dagster.pipeline.batch_finish import Ending, finish_batch
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.crm_lookup import foreign_contacts
from socialanalyzer_dagster.pipeline.discovery_sort import DraftedLead, Sorted, SortingRules, names_of, sort_items
from socialanalyzer_dagster.pipeline.discovery_store import IN_CRM, PASSED, DiscoveryStore
from socialanalyzer_dagster.pipeline.novelty_history import record_history
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.pipeline.preconditions import check_preconditions
from socialanalyzer_dagster.pipeline.progress import ProgressMeter, Report
from socialanalyzer_dagster.pipeline.runner import log_progress, shielded
from socialanalyzer_dagster.pipeline.runner_end import StageEnd, StageReport, end_stage, pause_cancelled, stage_report
from socialanalyzer_dagster.platforms.base import StageContext
from socialanalyzer_dagster.storage import batches, found_items, leads, searches, suppressions

_LOG = logging.getLogger(__name__)
_SKIP = "skip"


class DiscoveryFailed(RuntimeError):
    """The search itself failed at the vendor: the batch is failed and may be retried; the text says what happened."""


async def discover(batch: OpenBatch, tell: Report = log_progress) -> StageReport:
    """Find the batch's leads and decide who is new; a finished discovery does nothing and makes no call.

    An interrupted one goes on from stored pages and stored results, with the same positions and no second purchase.
    Raises DiscoveryFailed when the vendor's search failed. Refusals are in the report, as with run_stage.
    """
    if batch.is_halted or await asyncio.to_thread(_is_finished, batch):
        return await asyncio.to_thread(stage_report, batch, Stage.DISCOVERED, 0)
    await asyncio.to_thread(_begin, batch)
    try:
        found = await _run(batch, tell)
        ended = StageEnd(reason=None, worked=found)
    except asyncio.CancelledError:
        await shielded(asyncio.to_thread(pause_cancelled, batch))
        raise
    except Refusal as refused:
        ended = StageEnd(reason=refused, worked=0)
    except CallFailed as error:
        await asyncio.to_thread(_fail, batch, f"the search failed: {error}")
        raise DiscoveryFailed(f"the search of batch {batch.row.partition_key} failed: {error}") from error
    return await asyncio.to_thread(end_stage, batch, Stage.DISCOVERED, ended)


async def _run(batch: OpenBatch, tell: Report) -> int:
    context = batch.context(Stage.DISCOVERED)
    if not batch.is_list:
        await check_preconditions(batch, Stage.DISCOVERED)
    found = await _found_items(batch, context)
    store = DiscoveryStore(batch)
    result = await asyncio.to_thread(_sort, batch, found)
    await asyncio.to_thread(store.store_items, result)
    undecided = await asyncio.to_thread(store.undecided, result)
    await asyncio.to_thread(_expect, batch, len(undecided))
    meter = ProgressMeter(
        Stage.DISCOVERED,
        total=len(undecided),
        clock=batch.workplace.clock,
        report=tell,
    )
    unknown = await asyncio.to_thread(store.reject_known, undecided)
    mine = await asyncio.to_thread(store.claim, unknown)
    foreign = await _foreign(batch, context, mine)
    await asyncio.to_thread(store.decide, {lead.uid: IN_CRM if lead.uid in foreign else PASSED for lead in mine})
    await asyncio.to_thread(_record, batch)
    meter.advance(len(undecided))
    meter.tell(batch.spent_micros)
    return len(undecided)


async def _found_items(batch: OpenBatch, context: StageContext) -> list[FoundItem]:
    if batch.is_list:
        return await asyncio.to_thread(_list_items, batch)
    return [item async for item in batch.platform.discover(context)]


def _list_items(batch: OpenBatch) -> list[FoundItem]:
    with batch.workplace.database.read() as connection:
        rows = searches.list_rows(connection, batch.row.search_fingerprint)
    items: list[FoundItem] = []
    for line, stored in rows:
        row = list_row_from_json(stored)
        if isinstance(row, UnusableRow):
            items.append(FoundItem(item_no=line, record=None, problem=row.result, problem_text=row.reason))
        else:
            items.append(batch.platform.from_list_row(row, batch.policy, batch.row.created_at))
    return items


def _sort(batch: OpenBatch, found: Sequence[FoundItem]) -> Sorted:
    names = [name for item in found for name in names_of(item)]
    with batch.workplace.database.read() as connection:
        accounts = leads.known_accounts(connection, batch.row.platform, names)
        decided = found_items.stored_results(connection, batch.row.batch_id)
        listed = suppressions.hashes(connection)
    filters = batch.filters
    rules = SortingRules(
        accounts=accounts,
        listed=lambda item: _listed_hash(item, listed, batch.email_key),
        max_leads=filters.max_results if isinstance(filters, SearchFilters) else None,
        decided=decided,
        raw_ref=lambda item_no: f"{batch.row.partition_key}#{item_no}",
    )
    return sort_items(found, rules)


def _listed_hash(item: FoundItem, listed: frozenset[tuple[str, str]], key: bytes) -> str | None:
    """The keyed hash under which the person is listed; raises WeakKey without a usable key (the gate is closed)."""
    if item.record is None:
        return None
    for identifier in (*identifiers_of_record(item.record), *identifiers_of_candidates(item.candidates)):
        keyed = identifier_hash(identifier, key)
        if keyed is not None and (identifier.kind.value, keyed) in listed:
            return keyed
    return None


async def _foreign(batch: OpenBatch, context: StageContext, mine: Sequence[DraftedLead]) -> frozenset[str]:
    hubspot = context.vendors.hubspot
    if hubspot is None or batch.policy.crm.existing_contact != _SKIP or not mine:
        return frozenset()
    emails = {
        lead.uid: tuple(dict.fromkeys(each.value for each in lead.candidates if each.field == "email")) for lead in mine
    }
    try:
        return await foreign_contacts(context.gate, hubspot, emails, batch_size=batch.policy.crm.batch_size)
    except CallFailed as failed:  # the search itself did not fail: it is stored, and only who is known is not
        raise ProviderUnavailable(failed.error.vendor, failed.error.code) from failed


def _is_finished(batch: OpenBatch) -> bool:
    with batch.workplace.database.read() as connection:
        found = batches.stage_progress(connection, batch.row.batch_id).get(Stage.DISCOVERED)
    return found is not None and found.finished_at is not None


def _begin(batch: OpenBatch) -> None:
    batch.begin(Stage.DISCOVERED)
    _expect(batch, 0)


def _expect(batch: OpenBatch, total: int) -> None:
    with batch.workplace.database.write() as connection:
        batches.begin_stage(
            connection, batch.row.batch_id, Stage.DISCOVERED, total=total, now=batch.workplace.clock.now()
        )


def _record(batch: OpenBatch) -> None:
    with batch.workplace.database.write() as connection:
        record_history(connection, batch.row, now=batch.workplace.clock.now(), partial=False)


def _fail(batch: OpenBatch, cause: str) -> None:
    ending = Ending(status=BatchStatus.FAILED, cause=cause, now=batch.workplace.clock.now())
    batch.row = finish_batch(batch.workplace, batch.refresh(), ending)
    batch.halt()
