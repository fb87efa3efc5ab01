"""How a command ends after an exception: sentences on stderr and the exit code that belongs to them."""

from collections.abc import Sequence

import typer
from filelock import Timeout
from sqlalchemy.exc import DatabaseError, OperationalError

from socialanalyzer_dagster.commands.office import AnotherWorldError
from socialanalyzer_dagster.commands.output import notes
from socialanalyzer_dagster.domain.batch_keys import BadBatchKey
from socialanalyzer_dagster.domain.filters import FilterProblems
from socialanalyzer_dagster.domain.list_columns import ListRefused
from socialanalyzer_dagster.domain.outside_text import printable
from socialanalyzer_dagster.domain.policy import PolicyError
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.refusals import Refusal
from socialanalyzer_dagster.pipeline.batch_actions import NoSuchBatch
from socialanalyzer_dagster.pipeline.batch_drafts import BatchRefused, EstimateOverCap
from socialanalyzer_dagster.pipeline.batch_requests import UnknownPreset
from socialanalyzer_dagster.pipeline.batch_status import ChangedMeanwhile, StatusRefused
from socialanalyzer_dagster.pipeline.crm_setup import CrmNotReady
from socialanalyzer_dagster.pipeline.crm_undo import UndoRefused
from socialanalyzer_dagster.pipeline.gate_answers import ApprovalRefused
from socialanalyzer_dagster.pipeline.lead_view import NoSuchLead
from socialanalyzer_dagster.pipeline.locks import BatchLocked
from socialanalyzer_dagster.pipeline.message_view import NoSuchMessage
from socialanalyzer_dagster.pipeline.presets import NoSuchPreset
from socialanalyzer_dagster.pipeline.reconciliation import SettlementRefused
from socialanalyzer_dagster.pipeline.roster import RosterError
from socialanalyzer_dagster.pipeline.rule_answers import NoSuchQuestion
from socialanalyzer_dagster.pipeline.tier_overrides import OverrideRefused
from socialanalyzer_dagster.pipeline.vendor_health import NoSuchVendor
from socialanalyzer_dagster.platforms.registry import UnknownPlatform
from socialanalyzer_dagster.sandbox.serve import SandboxStartError
from socialanalyzer_dagster.settings import SettingsError
from socialanalyzer_dagster.storage.backups import BackupRefused
from socialanalyzer_dagster.storage.schema import SchemaMismatch
from socialanalyzer_dagster.vendors.media_store import MediaStoreError

FAILED, BAD_INPUT = 1, 2

_BAD_INPUTS = (
    AnotherWorldError, ApprovalRefused, BackupRefused, BadBatchKey, BatchRefused, ListRefused, NoSuchBatch, NoSuchLead,
    NoSuchMessage, NoSuchPreset, NoSuchQuestion, NoSuchVendor, OverrideRefused, PolicyError, RosterError,
    SandboxStartError, SchemaMismatch, SettingsError, SettlementRefused, StatusRefused, UndoRefused, UnknownPlatform,
    UnknownPreset,
)  # fmt: skip
"""What a person can put right by asking differently, or by preparing the installation."""
_FAILURES = (BatchLocked, CallFailed, ChangedMeanwhile, CrmNotReady, MediaStoreError, Refusal, Timeout)
"""What was asked rightly and could not be done now; anything else is an error of the program."""

_OPTIONS = {
    "bdr_names": "--bdr",
    "idempotency_key": "--idempotency-key",
    "max_budget_usd": "--max-spend",
    "max_leads": "--max-leads",
}
"""What a field of a batch is called on the command line; filters keep the names they have in their JSON."""
_OVER_CAP = "`batch create` takes --max-spend, --max-leads and --stop-at-cap"


def ending_of(error: Exception) -> int | None:
    """Say what happened and give the exit code; None when `error` is a mistake of the program."""
    if isinstance(error, FilterProblems):
        found = [f"{_OPTIONS.get(each.field, each.field)}: {each.message}" for each in error.problems]
        return _complain(found, BAD_INPUT)
    if isinstance(error, EstimateOverCap):
        return _complain([str(error), _OVER_CAP], BAD_INPUT)
    if isinstance(error, _BAD_INPUTS):
        return _complain(str(error).splitlines(), BAD_INPUT)
    if isinstance(error, _FAILURES):
        return _complain(str(error).splitlines(), FAILED)
    if isinstance(error, OperationalError):
        return _complain([f"the database cannot be used ({type(error.orig).__name__})"], FAILED)
    if type(error) is DatabaseError:  # its subclasses are our own mistakes, such as a violated key
        return _complain(["the database file is damaged or no database: restore its back-up, or move it away"], FAILED)
    if isinstance(error, typer.TyperException):
        return _complain(error.format_message().splitlines(), error.exit_code)
    return FAILED if isinstance(error, BrokenPipeError) else None


def _complain(sentences: Sequence[str], code: int) -> int:
    for sentence in sentences:
        notes.print(printable(sentence), style="red", markup=False, soft_wrap=True)
    return code
