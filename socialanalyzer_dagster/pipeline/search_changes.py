"""A waiting batch whose search was wrong: it ends, and a batch with other filters takes its place (spec 15.2)."""

from collections.abc import Mapping
from decimal import Decimal

from socialanalyzer_dagster.domain.money import MICROS_PER_USD
from socialanalyzer_dagster.pipeline.approvals import reject
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.batch_requests import BatchRequest
from socialanalyzer_dagster.pipeline.batches import CreatedBatch, check_batch, create_batch
from socialanalyzer_dagster.pipeline.gate_answers import ApprovalRefused
from socialanalyzer_dagster.pipeline.gate_changes import Changes, Objection
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import searches
from socialanalyzer_dagster.storage.batches import Batch


def search_otherwise(
    workplace: Workplace, key: str, filters: Mapping[str, object], objection: Objection, changes: Changes
) -> CreatedBatch:
    """The child batch that searches with these filters changed; what the ended batch paid for is not paid again.

    Everything that stands against the new batch is told before the old one ends: raises what create_batch raises,
    NoSuchBatch, and ApprovalRefused where the batch waits for nobody, is a creator list, or leads are named.
    """
    if changes.excluded or changes.tier_floor is not None:
        raise ApprovalRefused("another search finds other leads: leave leads or tiers out when its own plan waits")
    batch = find_batch(workplace, key)
    with workplace.database.read() as connection:
        kind = searches.search_kind(connection, batch.search_fingerprint)
    if kind == searches.LIST:
        raise ApprovalRefused(f"batch {key} is a creator list and has no filters; make a batch from another list")
    request = _request(batch, filters, objection, changes)
    check_batch(workplace, request, instead_of=batch)
    reject(workplace, key, by=objection.by, reason=objection.reason, plan_hash=objection.subject_hash)
    return create_batch(workplace, request)


def _request(batch: Batch, filters: Mapping[str, object], objection: Objection, changes: Changes) -> BatchRequest:
    cap_micros = changes.cap_micros if changes.cap_micros is not None else batch.cap_micros
    fields: dict[str, object] = {
        "bdr_names": list(changes.bdr_names or batch.bdr_names),
        "max_budget_usd": Decimal(cap_micros) / MICROS_PER_USD,
        "max_leads": batch.max_leads if batch.max_leads != batch.filters.get("max_results") else None,
        "note": batch.note,
        "parent_batch_id": batch.batch_id,
    }
    return BatchRequest(
        platform=batch.platform,
        filters={**batch.filters, **filters},
        fields={name: value for name, value in fields.items() if value is not None},
        stop_at_cap=batch.stop_at_cap,
        canary=batch.canary,
        requested_by=objection.by,
    )
