"""Addresses are verified before a plan: those without a verdict, and those whose verdict is too old (spec 8.6)."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from socialanalyzer_dagster.domain.calls import VendorError
from socialanalyzer_dagster.domain.contact_choice import EMAIL
from socialanalyzer_dagster.domain.emails import EmailStatus
from socialanalyzer_dagster.domain.leads import Candidate, Identifier, IdentifierKind
from socialanalyzer_dagster.domain.outcomes import passed
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.refusals import BudgetExceeded, PersonSuppressed, ProviderUnavailable, UnknownPrice
from socialanalyzer_dagster.domain.suppression import identifier_hash
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.pipeline.runner_pool import identifiers_of
from socialanalyzer_dagster.pipeline.runner_work import Window, load_works
from socialanalyzer_dagster.platforms.base import StageContext
from socialanalyzer_dagster.platforms.enrichment_leads import LeadInEnrichment
from socialanalyzer_dagster.platforms.enrichment_waves import may_pass
from socialanalyzer_dagster.platforms.verification import Verdict, Verified, verify_anew
from socialanalyzer_dagster.storage import contacts, email_verifications, outcomes, person_rows
from socialanalyzer_dagster.storage.contacts import EmailState
from socialanalyzer_dagster.storage.email_verifications import AddressStanding
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.outcomes import OutcomeWrite

_LOG = logging.getLogger(__name__)
_OPERATION = "email_verifier.single"
_TOGETHER = 25
_LEAVES_HELD = (ProviderUnavailable, BudgetExceeded, UnknownPrice)
_ANSWERED = frozenset({EmailStatus.VALID, EmailStatus.CATCH_ALL, EmailStatus.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """A lead to ask about; `is_unfinished` when none of its contact values was chosen yet."""

    lead: LeadInEnrichment
    known: Mapping[str, Verdict]
    is_unfinished: bool
    ordinal: int


async def verify_due(batch: OpenBatch, window: Window) -> ProviderUnavailable | None:
    """Ask about the addresses of these leads that need it, and store what is said.

    Nothing fails: whose address gets no verdict stays held (spec 11.2). Returns why the verifier could not be asked,
    None when it could. The calls belong to the enriched stage. Raises ProviderUnavailable when a person has to act,
    BatchStopped, and what the database raises.
    """
    if batch.vendors.email_verifier is None:
        return None
    missed: list[VendorError] = []
    context = batch.context(Stage.ENRICHED)
    try:
        for part in parts(window, _TOGETHER):
            if due := await asyncio.to_thread(_due, batch, part):
                await _verify_part(batch, context, due, missed)
    except ProviderUnavailable as away:
        if away.retry_at is None:  # a refused key or used-up credits: a person has to act (spec 8.6)
            raise
        return away
    except (BudgetExceeded, UnknownPrice) as refused:
        _LOG.warning("addresses of the plan could not be verified: %s", refused)
    return _soon(batch, missed[0]) if missed else None


async def _verify_part(batch: OpenBatch, context: StageContext, due: Sequence[_Due], missed: list[VendorError]) -> None:
    """What was said is stored and what it cost is booked before a refusal of other leads' calls is raised."""
    found = await asyncio.gather(*(_asked(context, each, missed) for each in due), return_exceptions=True)
    answers = [(each, one) for each, one in zip(due, found, strict=True) if isinstance(one, Verified)]
    await asyncio.to_thread(_store, batch, answers)
    refused = [one for one in found if isinstance(one, BaseException)]
    if refused:
        raise min(refused, key=lambda error: isinstance(error, _LEAVES_HELD))


def _soon(batch: OpenBatch, error: VendorError) -> ProviderUnavailable:
    """A verifier that gave some leads no answer is asked again after the first wait of the CRM's own rows (11.6)."""
    retry_at = batch.workplace.clock.now() + timedelta(minutes=batch.policy.crm.retry_minutes[0])
    return ProviderUnavailable(error.vendor, error.code, retry_at=retry_at)


def is_due(standing: AddressStanding, *, stale_before: datetime) -> bool:
    """True for an address without a verdict, and for a usable one whose verdict is older than it may be."""
    if standing.status == EmailStatus.UNVERIFIED:
        return True
    is_stale = standing.verified_at is None or standing.verified_at < stale_before
    return standing.status in _ANSWERED and is_stale


def _due(batch: OpenBatch, window: Window) -> list[_Due]:
    now = batch.workplace.clock.now()
    stale_before = now - timedelta(days=batch.policy.cache.reuse_days.get(_OPERATION, 0))
    uids = [uid for uid, _ in window]
    with batch.workplace.database.read() as connection:
        standings = email_verifications.standings(connection, uids)
        unfinished = email_verifications.unfinished_looks(connection, batch.row.batch_id, uids)
        wanted = [
            (uid, position)
            for uid, position in window
            if uid in unfinished or is_due(standings[uid], stale_before=stale_before)
        ]
        works = load_works(connection, batch.of(Stage.ENRICHED), wanted)
        found = [LeadInEnrichment(work=work, policy=batch.policy) for work in works]
        hashes = {each.canonical: _hash(batch, each.canonical) for lead in found for each in _addresses(lead)}
        said = email_verifications.verdicts(connection, sorted(set(hashes.values())), stale_before)
    return [
        _Due(
            lead=lead,
            known=_known(lead, hashes, said),
            is_unfinished=lead.uid in unfinished,
            ordinal=now.toordinal() if standings[lead.uid].status in _ANSWERED else 0,
        )
        for lead in found
    ]


def _addresses(lead: LeadInEnrichment) -> list[Candidate]:
    return [each for each in lead.candidates() if each.field == EMAIL]


def _hash(batch: OpenBatch, canonical: str) -> str:
    return identifier_hash(Identifier(IdentifierKind.EMAIL, canonical), batch.email_key) or ""


def _known(
    lead: LeadInEnrichment, hashes: Mapping[str, str], said: Mapping[str, tuple[str, datetime]]
) -> dict[str, Verdict]:
    verdicts = {each.canonical: said.get(hashes[each.canonical]) for each in _addresses(lead)}
    told = {address: Verdict(EmailStatus(each[0]), each[1]) for address, each in verdicts.items() if each is not None}
    return {address: each for address, each in told.items() if each.status is not EmailStatus.UNVERIFIED}


async def _asked(context: StageContext, due: _Due, missed: list[VendorError]) -> Verified | None:
    """None without a verdict; an error that may pass is added to `missed`."""
    try:
        await context.gate.identify(due.lead.uid, identifiers_of(due.lead.work))
        return await verify_anew(due.lead, due.known, context, ordinal=due.ordinal)
    except PersonSuppressed:
        return None
    except CallFailed as failure:
        _LOG.warning("an address stays without a verdict: %s", failure)
        missed += [failure.error] if may_pass(failure) else []
        return None


def _store(batch: OpenBatch, answers: Sequence[tuple[_Due, Verified]]) -> None:
    """Choices, states and verdicts; the outcomes of enriched cost what the ledger says of them now."""
    now = batch.workplace.clock.now()
    with batch.workplace.database.write() as connection:
        erased = person_rows.erased_leads(connection, [due.lead.uid for due, _ in answers])
        kept = [(due, found) for due, found in answers if due.lead.uid not in erased]
        contacts.insert_candidates(connection, {due.lead.uid: due.lead.candidates() for due, _ in kept})
        contacts.add_values(connection, {due.lead.uid: _chosen(due, found) for due, found in kept})
        contacts.write_email_states(connection, [_state(batch, due, found) for due, found in kept], now)
        looked = [_looked(due, found, now) for due, found in kept if due.is_unfinished]
        if looked:
            outcomes.write_outcomes(connection, batch.of(Stage.ENRICHED), looked)
        outcomes.settle_costs(connection, batch.row.batch_id)


def _looked(due: _Due, found: Verified, now: datetime) -> OutcomeWrite:
    """The look for contacts that a vendor's absence had left open is done."""
    outcome = passed(Stage.ENRICHED, email_status=found.verdict.status.value)
    return OutcomeWrite(lead=due.lead.uid, outcome=outcome, evidence_ids=(), started_at=now, finished_at=now)


def _chosen(due: _Due, found: Verified) -> Mapping[str, Candidate]:
    """All values of a lead that has none yet; else the address alone, also one that nobody may write to."""
    address = {EMAIL: found.address}
    return {**found.values, **address} if due.is_unfinished else address


def _state(batch: OpenBatch, due: _Due, found: Verified) -> EmailState:
    return EmailState(
        lead=due.lead.uid,
        email_hash=_hash(batch, found.address.canonical),
        status=found.verdict.status.value,
        verified_at=found.verdict.at,
    )
