"""Gate 2 of the suppression list: who is in work, under which spellings, and who must be left alone (spec 19.2)."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence

from sqlalchemy.exc import SQLAlchemyError

from socialanalyzer_dagster.domain.leads import Identifier
from socialanalyzer_dagster.domain.refusals import PersonSuppressed
from socialanalyzer_dagster.domain.suppression import (
    WeakKey,
    identifier_hash,
    identifiers_of_candidates,
    identifiers_of_record,
)
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.storage.contacts import load_candidates
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.leads import load_records
from socialanalyzer_dagster.storage.suppressions import hashes, suppression_revision

FRESH_SECONDS = 1.0
_Hash = tuple[str, str]


class SuppressionList:
    """The list in memory, read again when its revision grew; a list or key that cannot be read closes the gate."""

    def __init__(self, database: Database, key: bytes, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._key = key
        self._monotonic = monotonic
        self._listed: frozenset[_Hash] = frozenset()
        self._checked_at = float("-inf")
        self._reading = asyncio.Lock()
        self._people: dict[LeadUid, set[_Hash]] = {}
        self.revision = -1
        """Of the list that the last check used; a reservation under another revision is refused."""

    async def identify(self, lead: LeadUid, identifiers: Sequence[Identifier]) -> None:
        """Remember spellings of a person; raises PersonSuppressed when one of them is listed."""
        self._remember(lead, identifiers)
        await self.check((lead,))

    async def check(self, leads: Iterable[LeadUid]) -> None:
        """Raises PersonSuppressed for the first of these people who is listed, or when the list cannot be read.

        A lead that nobody identified in this run (of a job bought earlier, say) is looked up by what is stored of it;
        raises LookupError when nothing is. Without leads, what the database raises when the list cannot be read.
        """
        people = tuple(leads)
        try:
            await self._refresh()
            if unknown := [lead for lead in people if lead not in self._people]:
                await asyncio.to_thread(self._look_up, unknown)
        except SQLAlchemyError as error:
            if people:
                raise PersonSuppressed(people[0]) from error
            raise
        for lead in people:
            if not self._listed.isdisjoint(self._people[lead]):
                raise PersonSuppressed(lead)

    def _remember(self, lead: LeadUid, identifiers: Sequence[Identifier]) -> None:
        try:
            found = [(each.kind.value, keyed) for each in identifiers if (keyed := identifier_hash(each, self._key))]
        except WeakKey as error:
            raise PersonSuppressed(lead) from error
        self._people.setdefault(lead, set()).update(found)

    def _look_up(self, leads: Sequence[LeadUid]) -> None:
        with self._database.read() as connection:
            records = load_records(connection, leads)
            candidates = load_candidates(connection, leads)
        for lead in leads:
            if lead not in records:
                raise LookupError(f"the gate knows no spelling of lead {lead}: identify it before its first call")
            self._remember(
                lead, (*identifiers_of_record(records[lead]), *identifiers_of_candidates(candidates.get(lead, ())))
            )

    def expire(self) -> None:
        """Look at the revision again at the next check."""
        self._checked_at = float("-inf")

    def _is_fresh(self) -> bool:
        return self._monotonic() - self._checked_at < FRESH_SECONDS

    async def _refresh(self) -> None:
        if self._is_fresh():
            return
        async with self._reading:
            if not self._is_fresh():
                await asyncio.to_thread(self._read)
                self._checked_at = self._monotonic()

    def _read(self) -> None:
        with self._database.read() as connection:
            revision = suppression_revision(connection)
            if revision != self.revision:
                self._listed = hashes(connection)
                self.revision = revision
