"""The first stage: found items become leads, known ones are told apart before anything else is paid (spec 6.6)."""

import asyncio
import logging
from collections.abc import Sequence

from socialanalyzer_dagster.domain.filters import SearchFilters
from socialanalyzer_dagster.domain.leads import FoundItem
from socialanalyzer_dagster.domain.log_fields import logged_as
from socialanalyzer_dagster.domain.outcomes import ItemResult
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.reason_texts import REMEDIES
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable, Refusal
from socialanalyzer_dagster.domain.suppression import identity_hash
from socialanalyzer_dagster.domain.types import LeadUid, Stage
from socialanalyzer_dagster.pipeline.batch_finish import Ending
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.crm_lookup import foreign_contacts
from socialanalyzer_dagster.pipeline.discovery_privacy import Listed, forget_suppressed
from socialanalyzer_dagster.pipeline.discovery_sort import DraftedLead, Sorted, SortingRules, names_of, sort_items
from socialanalyzer_dagster.pipeline.discovery_store import IN_CRM, PASSED, DiscoveryStore, ListGrew
from socialanalyzer_dagster.pipeline.gate_stops import is_held_at, until_gate
from socialanalyzer_dagster.pipeline.list_store import items_of, left_over, list_window
from socialanalyzer_dagster.pipeline.novelty_history import record_history
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.pipeline.preconditions import check_preconditions
from socialanalyzer_dagster.pipeline.progress import ProgressMeter, Report
from socialanalyzer_dagster.pipeline.runner import log_progress, shielded
from socialanalyzer_dagster.pipeline.runner_end import StageEnd, StageReport, end_stage, pause_cancelled, stage_report
from socialanalyzer_dagster.pipeline.traces import span
from socialanalyzer_dagster.platforms.base import StageContext
from socialanalyzer_dagster.storage import batches, leads, people

_LOG = logging.getLogger(__name__)
_SKIP = "skip"


class DiscoveryFailed(RuntimeError):
    """The search itself failed at the vendor: the batch is failed and may be retried; the text says what happened."""


async def discover(batch: OpenBatch, tell: Report = log_progress) -> StageReport:
    """Find the batch's leads and decide who is new; a finished discovery does nothing and makes no call.

    An interrupted one goes on from stored pages and stored results, with the same positions and no second purchase.
    Raises DiscoveryFailed when the vendor's search failed. Refusals are in the report, as with run_stage.
    """
    with logged_as(stage=Stage.DISCOVERED.value), span("stage discovered"):
        return await until_gate(batch, await _discover(batch, tell))


async def _discover(batch: OpenBatch, tell: Report) -> StageReport:
    if batch.is_halted or await asyncio.to_thread(_is_finished, batch):
        return await asyncio.to_thread(stage_report, batch, Stage.DISCOVERED, 0)
    if await asyncio.to_thread(is_held_at, batch, Stage.DISCOVERED):
        return await asyncio.to_thread(stage_report, batch, Stage.DISCOVERED, 0)
    await asyncio.to_thread(_begin, batch)
    try:
        intake = await _run(batch, tell)
        await asyncio.to_thread(forget_suppressed, batch, intake.suppressed)
        ended = StageEnd(reason=None, worked=intake.decided)
    except asyncio.CancelledError:
        await shielded(asyncio.to_thread(pause_cancelled, batch))
        raise
    except Refusal as refused:
        ended = StageEnd(reason=refused, worked=0)
    except DiscoveryFailed as error:
        await asyncio.to_thread(_fail, batch, str(error))
        raise
    except CallFailed as error:
        remedy = f"; {REMEDIES['outcome_unknown']}" if error.outcome_unknown else ""
        await asyncio.to_thread(_fail, batch, f"the search failed: {error}{remedy}")
        raise DiscoveryFailed(f"the search of batch {batch.row.partition_key} failed: {error}") from error
    return await asyncio.to_thread(end_stage, batch, Stage.DISCOVERED, ended)


async def _run(batch: OpenBatch, tell: Report) -> "_Intake":
    context = batch.context(Stage.DISCOVERED)
    if not batch.is_list:
        await check_preconditions(batch, Stage.DISCOVERED)
    intake = _Intake(batch, context, tell)
    if batch.is_list:
        await intake.take_list()
    else:
        filters = batch.filters
        most = filters.max_results if isinstance(filters, SearchFilters) else None
        await intake.take([item async for item in batch.platform.discover(context)], most=most)
    await asyncio.to_thread(_record, batch)
    intake.meter.tell(batch.spent_micros)
    return intake


class _Intake:
    """Takes found items in, window by window: so many leads `decided` now, and the items of suppressed people."""

    def __init__(self, batch: OpenBatch, context: StageContext, tell: Report) -> None:
        self._batch = batch
        self._context = context
        self._store = DiscoveryStore(batch)
        self._before = 0
        self.decided = 0
        self.suppressed: list[FoundItem] = []
        self.meter = ProgressMeter(Stage.DISCOVERED, total=0, clock=batch.workplace.clock, report=tell)

    async def take_list(self) -> None:
        """The rows of a creator list; once enough leads passed, rows that are none yet are not looked at any more."""
        after, most = 0, self._batch.row.max_leads
        while True:
            room = max(0, most - await asyncio.to_thread(self._store.count_passed))
            rows = await asyncio.to_thread(list_window, self._batch, after=after, room=room)
            if not rows and not after:
                raise DiscoveryFailed(
                    "the rows of this creator list were removed when their retention ended; make a new batch from the "
                    f"file ({self._batch.row.partition_key})"
                )
            if not rows:
                return
            after = rows[-1].line
            stored = await asyncio.to_thread(self._store.stored_results, [row.line for row in rows])
            if room or any(result is ItemResult.LEAD for result, _ in stored.values()):
                found = await asyncio.to_thread(items_of, self._batch, rows)
                await self.take(found, most=None if room else 0)
            else:
                await asyncio.to_thread(self._store.store_items, Sorted(items=[left_over(row) for row in rows]))

    async def take(self, found: Sequence[FoundItem], *, most: int | None) -> None:
        """Store the items, at most so many leads that are new to the batch, and decide about their leads."""
        batch, store = self._batch, self._store
        result, listed = await asyncio.to_thread(self._stored, found, most)
        await asyncio.to_thread(store.withdraw, result.withdrawn)
        await asyncio.to_thread(store.add_facts, result)
        undecided = await asyncio.to_thread(store.undecided, result)
        await asyncio.to_thread(_expect, batch, len(undecided))
        self.meter.expect(len(undecided))
        unknown = await asyncio.to_thread(store.reject_known, undecided, before=self._before)
        mine, refused = await asyncio.to_thread(store.claim, unknown, listed)
        foreign = await _foreign(batch, self._context, mine)
        await asyncio.to_thread(store.decide, {lead.uid: IN_CRM if lead.uid in foreign else PASSED for lead in mine})
        self._before += result.places
        self.decided += len(undecided)
        self.suppressed += suppressed_among(found, result, refused)
        self.meter.advance(len(undecided))

    def _stored(self, found: Sequence[FoundItem], most: int | None) -> tuple[Sorted, Listed]:
        """The items sorted and stored under one state of the suppression list."""
        while True:
            result, listed = _sort(self._batch, found, most, before=self._before)
            try:
                self._store.store_items(result, listed)
            except ListGrew:
                continue
            return result, listed


def suppressed_among(found: Sequence[FoundItem], result: Sorted, refused: Sequence[LeadUid]) -> list[FoundItem]:
    """The items of people on the list, those put on it while the items were sorted among them."""
    leads = {*result.withdrawn, *refused}
    gone = {item.item_no for item in result.items if item.result is ItemResult.SUPPRESSED or item.lead in leads}
    return [item for item in found if item.item_no in gone]


def _sort(batch: OpenBatch, found: Sequence[FoundItem], most: int | None, *, before: int) -> tuple[Sorted, Listed]:
    names = [name for item in found for name in names_of(item)]
    with batch.workplace.database.read() as connection:
        hashed = {identity_hash(batch.row.platform, name, batch.email_key): name for name in names}
        reduced = people.reduced_accounts(connection, batch.row.platform, hashed)
        accounts = {**reduced, **leads.known_accounts(connection, batch.row.platform, names)}
        uids = {account.uid for account in accounts.values()}
        earlier = leads.placed_leads(connection, batch.row.batch_id, uids, up_to=before) if before else frozenset()
        listed = Listed.read(connection, batch.email_key)
    rules = SortingRules(
        accounts=accounts,
        listed=lambda item: listed.hash_of(item.record, item.candidates),
        max_leads=most,
        decided=DiscoveryStore(batch).stored_results([item.item_no for item in found]),
        before=before,
        earlier=earlier,
        raw_ref=lambda item_no: f"{batch.row.partition_key}#{item_no}",
    )
    return sort_items(found, rules), listed


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
    batch.finish(ending)
    batch.halt()
