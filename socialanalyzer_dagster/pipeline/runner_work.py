"""Leads loaded for a stage: windows in batch order, cut into chunks that do not depend on what is done already."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from itertools import groupby

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.ports import LeadWork
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.storage import contacts, evidence, leads, outcome_sets, outcomes, scores, steps
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.outcome_sets import Pending
from socialanalyzer_dagster.storage.outcomes import StageOf
from socialanalyzer_dagster.storage.steps import StepsOf

Chunk = tuple[LeadWork, ...]
Window = list[tuple[LeadUid, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where chunks come from: the pending leads of a stage, `chunk_size` positions each, `window` leads at a time."""

    database: Database
    of: StageOf
    pending: Pending
    chunk_size: int
    window: int

    async def chunks(self) -> AsyncIterator[Chunk]:
        """Chunks in batch order; a chunk holds the pending ones among `chunk_size` neighbouring positions."""
        after = 0
        while True:
            works = await asyncio.to_thread(self._load_after, after)
            if not works:
                return
            for _, chunk in groupby(works, key=lambda work: self._slot(work.position)):
                yield tuple(chunk)
            after = self._end_of_slot(works[-1].position)

    def reload(self, works: list[LeadWork]) -> list[LeadWork]:
        """The same leads with what was stored since."""
        with self.database.read() as connection:
            return load_works(connection, self.of, [(work.uid, work.position) for work in works])

    def _slot(self, position: int) -> int:
        return (position - 1) // self.chunk_size

    def _end_of_slot(self, position: int) -> int:
        return (self._slot(position) + 1) * self.chunk_size

    def _load_after(self, after: int) -> list[LeadWork]:
        """The next leads, always whole slots: the last, perhaps cut, one is left for the next window."""
        with self.database.read() as connection:
            found = outcome_sets.pending_window(
                connection, self.pending, after=after, limit=self.window + self.chunk_size
            )
            if len(found) == self.window + self.chunk_size:
                last = self._slot(found[-1][1])
                whole = [each for each in found if self._slot(each[1]) < last]
                found = whole or found
            return load_works(connection, self.of, found)


def load_works(connection: Connection, of: StageOf, window: Window) -> list[LeadWork]:
    """Everything stage functions see of these leads: seven queries, however many leads there are."""
    uids = [uid for uid, _ in window]
    if not uids:
        return []
    done = steps.load_steps(connection, StepsOf(of.batch_id, of.stage), uids)
    earlier = scores.previous_scores(connection, of.batch_id, uids)
    attempts = outcomes.earlier_attempts(connection, of, uids)
    return [
        replace(
            work,
            steps=done[work.uid],
            previous_score=earlier.get(work.uid),
            attempt=attempts.get(work.uid, (0, 0))[0] + 1,
        )
        for work in load_findings(connection, of.batch_id, window)
    ]


def load_findings(connection: Connection, batch_id: str, window: Window) -> list[LeadWork]:
    """What a batch found out about these leads, without what its stages did before: four queries."""
    uids = [uid for uid, _ in window]
    records = leads.load_records(connection, uids)
    candidates = contacts.load_candidates(connection, uids)
    seen = evidence.evidence_of_outcomes(connection, batch_id, uids)
    return [
        LeadWork(uid=uid, position=position, record=records[uid], candidates=candidates[uid], evidence=seen[uid])
        for uid, position in window
    ]
