"""A checked batch request with its figures, on the way to becoming a row."""

import uuid
from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.batch_keys import BatchKeyParts, next_batch_key
from socialanalyzer_dagster.domain.creator_lists import ListRow, UnusableRow
from socialanalyzer_dagster.domain.estimate import Estimate, estimate_list, estimate_search
from socialanalyzer_dagster.domain.money import micros_from_usd, usd_text
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.privacy_record import HOW_TO_RECORD, unrecorded_privacy
from socialanalyzer_dagster.domain.types import BatchKey
from socialanalyzer_dagster.pipeline.batch_requests import CheckedRequest
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.estimates import estimate_json, measured_rates
from socialanalyzer_dagster.pipeline.pricing import unconfirmed_prices
from socialanalyzer_dagster.pipeline.workplace import SANDBOX, Workplace
from socialanalyzer_dagster.storage import batches
from socialanalyzer_dagster.storage.batches import Batch

FIRST_ATTEMPT = 1


class BatchRefused(ValueError):
    """The batch was not made, and nothing was stored; the text says why and what would help."""


class EstimateOverCap(BatchRefused):
    """The estimate exceeds the batch's cap and the caller did not say to spend up to the cap (spec 12.5)."""


class PricesUnconfirmed(BatchRefused):
    """Real money would be spent at prices that are placeholders still."""


class PrivacyUnrecorded(BatchRefused):
    """People's data would be collected on a lawful basis that nobody but the package names."""


class AlreadyRunning(BatchRefused):
    """The same search is running on the platform (I-45)."""


class IdempotencyConflict(BatchRefused):
    """The idempotency key was used for another request (I-45)."""


class WrongConfirmation(BatchRefused):
    """The confirmed figure is not the estimate; the text has the figure to enter."""


class Draft:
    """A checked request with its figures, before anything is stored."""

    def __init__(self, connection: Connection, workplace: Workplace, checked: CheckedRequest, policy: Policy) -> None:
        self.checked = checked
        self.policy = policy
        self.now = workplace.clock.now()
        self.cap_micros = micros_from_usd(checked.fields.max_budget_usd)
        rates = measured_rates(connection, checked.platform.key, policy=policy, now=self.now)
        estimated = estimate_list if checked.list_summary is not None else estimate_search
        self.estimate: Estimate = estimated(checked.max_results, checked.fields.max_leads, rates)

    @property
    def needs_confirmation(self) -> bool:
        """True from the confirmation threshold on (spec 12.5)."""
        return self.estimate.micros >= micros_from_usd(self.policy.budgets.confirm_from_usd)

    @property
    def status(self) -> BatchStatus:
        """Queued, or waiting for a person to confirm the estimate; raises WrongConfirmation."""
        figure = self.checked.fields.confirm_estimate_micro
        if not self.needs_confirmation or self.checked.request.confirmed:
            return BatchStatus.QUEUED
        if figure is None:
            return BatchStatus.AWAITING_CONFIRMATION
        check_confirmation(figure, self.estimate.micros)
        return BatchStatus.QUEUED

    def refuse_over_cap(self) -> None:
        """Raises EstimateOverCap unless the caller wants to spend up to the cap and stop there."""
        if self.estimate.micros > self.cap_micros and not self.checked.request.stop_at_cap:
            raise EstimateOverCap(
                f"the estimate of {usd_text(self.estimate.micros)} exceeds the batch cap of "
                f"{usd_text(self.cap_micros)}: raise the cap, search for fewer leads, or allow it to spend up to the "
                "cap and stop there"
            )

    def refuse_unconfirmed_prices(self, mode: str) -> None:
        """Raises PricesUnconfirmed outside the sandbox: the batch would pin prices that its run refuses (spec 12.3)."""
        vendors = {f"{vendor}." for adapter in self.checked.platform.adapters.values() for vendor in adapter.providers}
        unconfirmed = sorted(key for key in unconfirmed_prices(self.policy) if key.startswith(tuple(vendors)))
        if unconfirmed and mode != SANDBOX:
            raise PricesUnconfirmed(
                f"nobody confirmed the prices of {', '.join(unconfirmed)}: compare each with the contract and run "
                "`socialanalyzer prices confirm KEY --usd AMOUNT --by NAME`"
            )

    def refuse_unrecorded_privacy(self, mode: str) -> None:
        """Raises PrivacyUnrecorded outside the sandbox: each lead stores the basis it is collected on (spec 19.1)."""
        if mode != SANDBOX and (keys := unrecorded_privacy(self.policy)):
            raise PrivacyUnrecorded(f"nobody recorded {' and '.join(keys)}: {HOW_TO_RECORD}")


def check_confirmation(figure_micros: int, estimate_micros: int) -> None:
    """Raises WrongConfirmation unless the confirmed figure is the estimate."""
    if figure_micros != estimate_micros:
        raise WrongConfirmation(
            f"the estimate is {usd_text(estimate_micros)}: confirm it by entering {estimate_micros} micro-USD "
            f"(you entered {figure_micros})"
        )


def batch_row(connection: Connection, draft: Draft, *, mode: str, parts: BatchKeyParts | None) -> Batch:
    """The new row; `parts` is the key somebody asked for, None = the next free one of the day."""
    checked, fields, now = draft.checked, draft.checked.fields, draft.now
    day = parts.day if parts else (checked.request.day or now.date())
    status = draft.status
    if parts is not None and status is BatchStatus.QUEUED:
        status = BatchStatus.REQUESTED  # the run that names the key goes on with it; no sensor should launch another
    return Batch(
        batch_id=str(uuid.uuid4()),
        partition_key=parts.key if parts else _free_key(connection, checked, day=day),
        idempotency_key=fields.idempotency_key or str(uuid.uuid4()),
        idempotency_hash=checked.request.body_hash,
        platform=checked.platform.key,
        day=day,
        search_fingerprint=checked.fingerprint,
        preset_id=fields.preset_id,
        parent_batch_id=fields.parent_batch_id,
        note=fields.note,
        filters=checked.filters_json,
        bdr_names=fields.bdr_names,
        max_leads=fields.max_leads,
        canary=checked.request.canary,
        cap_micros=draft.cap_micros,
        stop_at_cap=checked.request.stop_at_cap,
        estimate=estimate_json(draft.estimate),
        estimate_micros=draft.estimate.micros,
        worst_case_micros=draft.estimate.worst_case_micros,
        force_reason=checked.request.force_reason,
        policy_hash=draft.policy.digest,
        policy_version=draft.policy.policy_version,
        mode=mode,
        status=status,
        version=1,
        attempt=FIRST_ATTEMPT,
        **_UNTOUCHED,
        created_at=now,
    )


_UNTOUCHED: Mapping[str, Any] = {
    "interruptions": 0,
    "stop_requested": False,
    "cause": None,
    "capped": False,
    "reused_micros": 0,
    "run_id": None,
    "halted_run_id": None,
    "holder": None,
    "started_at": None,
    "finished_at": None,
    "heartbeat_at": None,
    "summary": None,
}


def _free_key(connection: Connection, checked: CheckedRequest, *, day: date) -> BatchKey:
    stem = BatchKeyParts(day, checked.platform.key, checked.slug).key
    return next_batch_key(day, checked.platform.key, checked.slug, batches.taken_keys(connection, stem))


def list_row_json(row: ListRow | UnusableRow) -> dict[str, Any]:
    """The stored form of a list row; an unusable one has `result` and `reason`."""
    return {name: getattr(row, name) for name in row.__slots__}


def list_row_from_json(stored: Mapping[str, Any]) -> ListRow | UnusableRow:
    """The row that was stored."""
    if "result" in stored:
        return UnusableRow(**stored)
    return ListRow(**{**stored, "notes": tuple(stored.get("notes", ()))})
