"""Making lead batches: checked, estimated, confirmed and stored under a partition key of their own (spec 2.4, 5.1)."""

from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from socialanalyzer_dagster.domain.batch_keys import BadBatchKey, BatchKeyParts, parse_batch_key
from socialanalyzer_dagster.domain.creator_lists import CreatorList, ListSummary
from socialanalyzer_dagster.domain.notification_questions import ConfirmationNeeded
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.sentences import counted
from socialanalyzer_dagster.domain.types import BatchKey
from socialanalyzer_dagster.pipeline.batch_drafts import (
    AlreadyRunning,
    Draft,
    IdempotencyConflict,
    batch_row,
)
from socialanalyzer_dagster.pipeline.batch_requests import BatchRequest, check_request, placing, platform_of
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.batch_warnings import search_warnings
from socialanalyzer_dagster.pipeline.list_store import ListOf, keep_list
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import audit_log, batches, outbox, presets, searches
from socialanalyzer_dagster.storage.batches import Batch

_KEY_TRIES = 5
_TOLD_ROWS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedBatch:
    """What the caller gets: `created` is False when an earlier request with the same idempotency key made the batch."""

    key: BatchKey
    batch_id: str
    estimate_micros: int
    worst_case_micros: int
    cap_micros: int
    warnings: tuple[str, ...]
    status: str
    created: bool = True


def create_batch(workplace: Workplace, request: BatchRequest) -> CreatedBatch:
    """A stored batch, queued or waiting for confirmation of its estimate.

    Raises FilterProblems (every wrong field at once), UnknownPreset, EstimateOverCap, AlreadyRunning,
    IdempotencyConflict, WrongConfirmation, PricesUnconfirmed, PrivacyUnrecorded; for a list also ListRefused.
    """
    policy = active_policy(workplace.database)
    for _ in range(_KEY_TRIES - 1):
        try:
            return _create(workplace, request, policy)
        except IntegrityError:  # somebody took the key, or made the same request, between our look and our write
            continue
        except AlreadyRunning:  # perhaps by this very request, made by somebody else between two of our looks
            if not _is_made(workplace, request):
                raise
    return _create(workplace, request, policy)


def _is_made(workplace: Workplace, request: BatchRequest) -> bool:
    with workplace.database.read() as connection:
        return _same_request(connection, request) is not None


def _keep_list(workplace: Workplace, request: BatchRequest, listed: CreatorList, policy: Policy) -> None:
    """Read a list and store its rows before the batch, outside its transaction: a long list takes its time.

    Everything that can be refused is refused before a row is stored.
    """
    platform = platform_of(workplace, request.platform or "")
    check = placing(platform, policy, workplace.clock.now())
    listed.summary(platform.key, check)
    with workplace.database.read() as connection:
        if _same_request(connection, request) is not None:
            return
        draft = Draft(connection, workplace, check_request(connection, workplace, request, policy), policy)
        _refuse(connection, workplace, draft)
    of = ListOf(
        platform=platform.key,
        check=check,
        item=lambda row: platform.from_list_row(row, policy, draft.now),
        key=workplace.suppression_key,
        at=draft.now,
    )
    keep_list(workplace.database, listed, of)


def _create(workplace: Workplace, request: BatchRequest, policy: Policy) -> CreatedBatch:
    if request.creator_list is not None:
        _keep_list(workplace, request, request.creator_list, policy)
    with workplace.database.write() as connection:
        earlier = _same_request(connection, request)
        if earlier is not None:
            return _as_created(earlier, (), created=False)
        checked = check_request(connection, workplace, request, policy)
        return _store(connection, workplace, Draft(connection, workplace, checked, policy), parts=None)


def check_batch(workplace: Workplace, request: BatchRequest, *, instead_of: Batch | None = None) -> None:
    """Raises what create_batch would raise once the batch `instead_of`, if any, has ended; stores nothing."""
    policy = active_policy(workplace.database)
    with workplace.database.read() as connection:
        draft = Draft(connection, workplace, check_request(connection, workplace, request, policy), policy)
        _refuse(connection, workplace, draft, besides=instead_of)


def batch_from_key(workplace: Workplace, key: str, *, confirm_estimate_micro: int | None = None) -> Batch:
    """The batch a partition key names, made from the preset in the key when there is none yet (architecture 2).

    Raises BadBatchKey for a malformed key or one without batch and preset; the text lists what exists.
    """
    parts = parse_batch_key(key, sorted(workplace.platforms))
    with workplace.database.read() as connection:
        found = batches.batch_by_key(connection, parts.key)
        preset = presets.preset_by_slug(connection, parts.platform, parts.slug)
        known = presets.presets(connection, parts.platform)
    if found is not None:
        return found
    if preset is None:
        listed = ", ".join(each.slug for each in known) or "none yet"
        raise BadBatchKey(
            f"there is no batch '{key}', and no preset '{parts.slug}' on {parts.platform} to make it from; "
            f"presets on {parts.platform}: {listed}"
        )
    policy = active_policy(workplace.database)
    request = BatchRequest(
        platform=parts.platform,
        preset=preset.name,
        fields={"confirm_estimate_micro": confirm_estimate_micro, "idempotency_key": f"key:{key}"},
        requested_by="dagster",
    )
    with workplace.database.write() as connection:
        found = batches.batch_by_key(connection, parts.key)
        if found is None:
            checked = check_request(connection, workplace, request, policy)
            _store(connection, workplace, Draft(connection, workplace, checked, policy), parts=parts)
            found = batches.batch_by_key(connection, parts.key)
    if found is None:
        raise BadBatchKey(f"batch '{key}' was not stored")
    return found


def _same_request(connection: Connection, request: BatchRequest) -> Batch | None:
    key = request.fields.get("idempotency_key")
    earlier = batches.batch_by_idempotency_key(connection, str(key)) if key else None
    if earlier is not None and earlier.idempotency_hash != request.body_hash:
        raise IdempotencyConflict(
            f"idempotency key '{key}' was used for another request, which made batch {earlier.partition_key}"
        )
    return earlier


def _store(connection: Connection, workplace: Workplace, draft: Draft, *, parts: BatchKeyParts | None) -> CreatedBatch:
    checked = draft.checked
    if checked.list_summary is None:
        search = searches.Search(
            fingerprint=checked.fingerprint,
            platform=checked.platform.key,
            kind=searches.FILTERS,
            filters=checked.filters_json,
            created_at=draft.now,
        )
        searches.insert_search(connection, search)
    searches.lock_search(connection, checked.fingerprint)
    warnings = [*search_warnings(connection, checked, policy=draft.policy, now=draft.now)]
    warnings += [*_unusable_rows(checked.list_summary), *_refuse(connection, workplace, draft)]
    batch = batch_row(connection, draft, mode=workplace.mode, parts=parts)
    batches.insert_batch(connection, batch)
    audit_log.record(
        connection,
        at=draft.now,
        actor=checked.request.requested_by,
        action="batch.create",
        subject=batch.partition_key,
        estimate_micros=batch.estimate_micros,
        cap_micros=batch.cap_micros,
        force_reason=checked.request.force_reason,
    )
    if batch.status == BatchStatus.AWAITING_CONFIRMATION:
        outbox.emit(connection, _waiting_event(batch), now=draft.now)
    workplace.announce(batch.partition_key)
    return _as_created(batch, tuple(warnings), created=True)


def _waiting_event(batch: Batch) -> ConfirmationNeeded:
    return ConfirmationNeeded(
        batch_id=batch.batch_id, estimate_micros=batch.estimate_micros, cap_micros=batch.cap_micros
    )


def _refuse(connection: Connection, workplace: Workplace, draft: Draft, besides: Batch | None = None) -> list[str]:
    """Raises what stands against the batch; returns what is to be told about a search that is forced to run twice.

    Nobody minds that the batch `besides` runs the same search: it is about to end.
    """
    draft.refuse_unconfirmed_prices(workplace.mode)
    draft.refuse_unrecorded_privacy(workplace.mode)
    draft.refuse_over_cap()
    checked = draft.checked
    running = batches.running_with_fingerprint(connection, checked.platform.key, checked.fingerprint)
    if running is None or (besides is not None and running.batch_id == besides.batch_id):
        return []
    sentence = f"batch {running.partition_key} runs the same search and is {running.status}"
    if checked.request.force_reason is None:
        raise AlreadyRunning(f"{sentence}; wait for it, or force a second one with a reason")
    return [f"{sentence[0].upper()}{sentence[1:]}."]


def _unusable_rows(summary: ListSummary | None) -> list[str]:
    """The first rows of a list that cannot be used, and how many more there are."""
    if summary is None:
        return []
    shown = summary.examples[:_TOLD_ROWS]
    told = [f"line {row.line} of the list cannot be used: {row.reason}" for row in shown]
    if more := summary.unusable - len(shown):
        told.append(
            f"{counted(more, 'more row')} of the list cannot be used; "
            "`socialanalyzer list preview FILE --platform P --unusable OUT` writes them all"
        )
    return told


def _as_created(batch: Batch, warnings: tuple[str, ...], *, created: bool) -> CreatedBatch:
    return CreatedBatch(
        key=batch.partition_key,
        batch_id=batch.batch_id,
        estimate_micros=batch.estimate_micros,
        worst_case_micros=batch.worst_case_micros,
        cap_micros=batch.cap_micros,
        warnings=warnings,
        status=str(batch.status),
        created=created,
    )
