"""What kept one batch from its best: searches cut short, answers given again, a cap that was reached (14.2)."""

from sqlalchemy import Connection, case, func, select

from socialanalyzer_dagster.domain.outcomes import Result
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.storage.models_control import LedgerEntryRow, ProviderAttemptRow, VendorJobRow
from socialanalyzer_dagster.storage.models_results import StageOutcomeRow
from socialanalyzer_dagster.storage.outcome_sets import OF_BATCH
from socialanalyzer_dagster.storage.vendor_jobs import JobPhase

_MODEL_CALL = "openai.chat"
_COUNTED = ("transcript_missing", "items_failed", "blocks_missing", "dropped_quotes")
_ASKED_AGAIN_IN_VAIN = "llm_invalid_output"

_DETAIL = StageOutcomeRow.detail
_CUT_SHORT = (
    select(ProviderAttemptRow.error_code)
    .join(VendorJobRow, VendorJobRow.attempt_key == ProviderAttemptRow.attempt_key)
    .where(
        VendorJobRow.batch_id == OF_BATCH,
        VendorJobRow.stage == Stage.DISCOVERED,
        VendorJobRow.state == JobPhase.READ,
        ProviderAttemptRow.error_code.is_not(None),
    )
    .order_by(VendorJobRow.created_at)
    .limit(1)
)
_ANSWERS = select(func.count(LedgerEntryRow.attempt_key.distinct())).where(
    LedgerEntryRow.batch_id == OF_BATCH, LedgerEntryRow.operation == _MODEL_CALL
)
_REASKS = select(
    func.coalesce(
        func.sum(
            func.coalesce(_DETAIL["reasks"].as_integer(), 0)
            + case((StageOutcomeRow.code == _ASKED_AGAIN_IN_VAIN, 1), else_=0)
        ),
        0,
    )
).where(StageOutcomeRow.batch_id == OF_BATCH, StageOutcomeRow.is_current)
_FALLBACKS = {
    "selection_fallback": case((_DETAIL["selection_fallback"].as_boolean(), 1), else_=0),
    "triage_doubt": case((_DETAIL["triage_doubt"].as_string().is_not(None), 1), else_=0),
    **{kind: func.coalesce(_DETAIL[kind].as_integer(), 0) for kind in _COUNTED},
}
_FALLBACK_COUNTS = select(*(func.coalesce(func.sum(each), 0).label(kind) for kind, each in _FALLBACKS.items())).where(
    StageOutcomeRow.batch_id == OF_BATCH,
    StageOutcomeRow.is_current,
    StageOutcomeRow.result == Result.PASSED,
    StageOutcomeRow.stage.in_([Stage.SCREENED, Stage.ANALYZED]),
)
_REACHED_CAP = (
    select(_DETAIL)
    .where(StageOutcomeRow.batch_id == OF_BATCH, StageOutcomeRow.is_current, StageOutcomeRow.code == "budget_stopped")
    .order_by(StageOutcomeRow.id.desc())
    .limit(1)
)


def cut_short(connection: Connection, batch_id: str) -> str | None:
    """Why a job of the batch's search ended before it had everything, though its items were read; None = it had."""
    return connection.execute(_CUT_SHORT, {"of_batch": batch_id}).scalar_one_or_none()


def model_reasks(connection: Connection, batch_id: str) -> tuple[int, int] | None:
    """Answers that had to be asked for again, and all answers of models; None while there are none."""
    answers = connection.execute(_ANSWERS, {"of_batch": batch_id}).scalar_one()
    if not answers:
        return None
    return int(connection.execute(_REASKS, {"of_batch": batch_id}).scalar_one()), answers


def fallback_counts(connection: Connection, batch_id: str) -> dict[str, int]:
    """How often leads were judged on less than usual, by kind; kinds that did not occur are left out (I-41)."""
    row = connection.execute(_FALLBACK_COUNTS, {"of_batch": batch_id}).one()
    return {kind: int(number) for kind, number in row._mapping.items() if number}  # noqa: SLF001


def reached_cap(connection: Connection, batch_id: str) -> tuple[str, int] | None:
    """Scope and cap in micro-USD that left leads of the batch out, the last one; None when none did."""
    detail = connection.execute(_REACHED_CAP, {"of_batch": batch_id}).scalar_one_or_none()
    return None if detail is None else (str(detail["scope"]), int(detail["cap_micros"]))
