"""Where a run stops for a person's yes: before a stage it may not begin, or after the last one it may do (15.2)."""

import asyncio
from dataclasses import replace

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.approval import Question, may_ask_before
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.batch_status import ChangedMeanwhile
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.pipeline.runner_end import StageReport
from socialanalyzer_dagster.pipeline.stage_gates import PAID, ask, next_work, question_before
from socialanalyzer_dagster.storage import batches

_TRIES = 10


def is_held_at(batch: OpenBatch, stage: Stage) -> bool:
    """True when a person must say yes before this stage: the batch then waits, and this run does nothing more.

    Whoever started the run, and from wherever, a closed gate is closed. Raises StatusRefused, ChangedMeanwhile.
    """
    if not may_ask_before(batch.policy, stage, batch.row.cap_micros):
        return False
    with batch.workplace.database.read() as connection:
        if _question(connection, batch, stage) is None:
            return False
    for _ in range(_TRIES):
        try:
            if not _ask(batch, stage):
                return False
        except ChangedMeanwhile:
            continue
        batch.refresh()
        batch.halt()
        return True
    raise ChangedMeanwhile(f"batch {batch.row.partition_key} keeps changing")


async def until_gate(batch: OpenBatch, report: StageReport) -> StageReport:
    """The report of a stage that ended; where the next one needs a yes, it is asked for and the report says so."""
    later = PAID[PAID.index(report.stage) + 1 :]
    may_ask = any(may_ask_before(batch.policy, stage, batch.row.cap_micros) for stage in later)
    if not may_ask or batch.is_halted or batch.row.is_terminal:
        return report
    following = await asyncio.to_thread(_following, batch, report.stage)
    if following is None or not await asyncio.to_thread(is_held_at, batch, following):
        return report
    return replace(report, status=batch.row.status, halt=batch.row.cause)


def _following(batch: OpenBatch, stage: Stage) -> Stage | None:
    """The next stage with work, where it comes after this one."""
    with batch.workplace.database.read() as connection:
        found = next_work(connection, batch.row)
    return found if found is not None and PAID.index(found) > PAID.index(stage) else None


def _ask(batch: OpenBatch, stage: Stage) -> bool:
    with batch.workplace.database.write() as connection:
        question = _question(connection, batch, stage)
        row = batches.batch_by_id(connection, batch.row.batch_id)
        if question is None or row is None:
            return False
        ask(connection, batch.workplace, row, question)
        return True


def _question(connection: Connection, batch: OpenBatch, stage: Stage) -> Question | None:
    row = batches.batch_by_id(connection, batch.row.batch_id)
    if row is None or row.stop_requested:
        return None
    return question_before(connection, batch.workplace, row, stage=stage, policy=batch.policy)
