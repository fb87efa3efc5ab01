"""Addresses found by enrichment are looked up in the CRM before anything is spent on their leads (spec 6.6 rule 4)."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from socialanalyzer_dagster.domain.outcomes import Result, rejected
from socialanalyzer_dagster.domain.ports import CallFailed, LeadResult, LeadWork
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable
from socialanalyzer_dagster.domain.types import LeadUid, Stage
from socialanalyzer_dagster.pipeline.crm_lookup import foreign_contacts
from socialanalyzer_dagster.platforms.base import Process, StageContext

_EMAIL = "email"
_LOOKED_UP_BEFORE = frozenset({"discovery", "list"})
_SKIP = "skip"


def with_crm_lookup(process: Process) -> Process:
    """The stage function, whose passed leads with a newly found address are rejected when the CRM has that address.

    Results are handed on when the chunk ends; when it ends in an exception, what it answered before is handed on first.
    """

    async def looked_up(leads: Sequence[LeadWork], context: StageContext) -> AsyncIterator[LeadResult]:
        results: list[LeadResult] = []
        ended: Exception | None = None
        try:
            async for result in process(leads, context):
                results.append(result)  # noqa: PERF401 - an exception must not lose what was answered before it
        except Exception as error:  # noqa: BLE001 - raised again below, after the results
            ended = error
        for result in await _without_foreign(results, context):
            yield result
        if ended is not None:
            raise ended

    return looked_up


async def _without_foreign(results: Sequence[LeadResult], context: StageContext) -> list[LeadResult]:
    hubspot = context.vendors.hubspot
    asked = {result.uid: addresses for result in results if (addresses := _new_addresses(result))}
    foreign: frozenset[LeadUid] = frozenset()
    if asked and hubspot is not None and context.policy.crm.existing_contact == _SKIP:
        try:
            foreign = await foreign_contacts(context.gate, hubspot, asked, batch_size=context.policy.crm.batch_size)
        except CallFailed as failed:  # nobody's lead failed: who is in the CRM is not known now
            raise ProviderUnavailable(failed.error.vendor, failed.error.code) from failed
    known = rejected(Stage.ENRICHED, "already_in_crm")
    return [replace(result, outcome=known) if result.uid in foreign else result for result in results]


def _new_addresses(result: LeadResult) -> tuple[str, ...]:
    chosen = result.values.get(_EMAIL)
    is_new = result.outcome.result is Result.PASSED and chosen is not None and chosen.step not in _LOOKED_UP_BEFORE
    return (chosen.value,) if is_new and chosen is not None else ()
