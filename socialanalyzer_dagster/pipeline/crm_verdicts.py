"""How the sync of one row ended, as row state, outcome and link: committed together (spec 2.3, 11.6, I-34)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.crm_diff import PlanRow
from socialanalyzer_dagster.domain.outcomes import Outcome, Result, failed, rejected, skipped
from socialanalyzer_dagster.domain.types import JsonValue, Stage
from socialanalyzer_dagster.pipeline.outcome_writes import StoreResults
from socialanalyzer_dagster.storage import crm_links, sync_plans
from socialanalyzer_dagster.storage.crm_links import Link
from socialanalyzer_dagster.storage.sync_plans import RowEnd, RowState, StoredRow
from socialanalyzer_dagster.storage.writes import Results, Write

_STAGE = Stage.SYNCED


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of one row; `outcome` holds names of properties alone, never a value of a person."""

    row: StoredRow
    state: RowState
    outcome: Outcome
    contact_id: str | None = None
    error: str | None = None
    tries: int = 0
    next_try_at: datetime | None = None

    @property
    def end(self) -> RowEnd:
        """What is stored with the row."""
        return RowEnd(
            row_id=self.row.row_id,
            state=self.state,
            contact_id=self.contact_id,
            error=self.error,
            tries=self.tries or self.row.tries,
            next_try_at=self.next_try_at,
        )

    @property
    def link(self) -> Link | None:
        """The contact this lead is known to be now."""
        if self.outcome.result is not Result.PASSED or self.contact_id is None:
            return None
        planned = self.row.planned
        written = {name: change.new for name, change in planned.changes.items()}
        return Link(lead=planned.uid, contact_id=self.contact_id, written=written, released=planned.released)


def through(row: StoredRow, state: RowState, contact_id: str | None) -> Verdict:
    """The contact is as it should be: created, updated or unchanged."""
    detail: dict[str, JsonValue] = {"properties": list(row.planned.changes)}
    return Verdict(row, state, Outcome(_STAGE, Result.PASSED, state, detail), contact_id)


def refused(row: StoredRow, code: str, *, contact_id: str | None = None, error: str | None = None) -> Verdict:
    """The contact is not written and will not be: a correct result."""
    detail: dict[str, JsonValue] = {} if contact_id is None else {"contact": contact_id}
    return Verdict(row, RowState.REJECTED, rejected(_STAGE, code, **detail), contact_id, error)


def refused_properties(row: StoredRow, names: Sequence[str], error: str | None) -> Verdict:
    """The CRM will not take values of these properties; its own words stay with the row."""
    return Verdict(row, RowState.REJECTED, rejected(_STAGE, "crm_refused", properties=list(names)), None, error)


def held(row: StoredRow, code: str) -> Verdict:
    """Not written for a cause that may end; a later plan looks again."""
    return Verdict(row, RowState.HELD, skipped(_STAGE, code))


def broken(row: StoredRow, code: str, **detail: JsonValue) -> Verdict:
    """No result could be had; a later plan tries again."""
    return Verdict(row, RowState.FAILED, failed(_STAGE, code, **detail))


def by_code(row: StoredRow, code: str) -> Verdict:
    """The verdict of a held or rejected code."""
    return held(row, code) if code.startswith("held_") else refused(row, code, contact_id=_known_contact(row.planned))


def _known_contact(planned: PlanRow) -> str | None:
    return planned.crm_object_id


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSync(Write[None]):
    """Rows, links and outcomes of one group of leads."""

    most_per_transaction: ClassVar[int] = 1

    results: StoreResults
    verdicts: tuple[Verdict, ...]
    now: datetime

    @classmethod
    def apply(cls, connection: Connection, writes: Sequence["StoreSync"]) -> Results:
        """Store each group."""
        for write in writes:
            write.results.store(connection)
            sync_plans.end_rows(connection, [each.end for each in write.verdicts])
            links = [link for each in write.verdicts if (link := each.link) is not None]
            crm_links.save_links(connection, links, write.now)
        return [None] * len(writes)
