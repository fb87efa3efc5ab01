"""Gate 1 of the suppression list: whom discovery knows to be on it, and what it leaves of them (spec 19.2)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.leads import Candidate, FoundItem, LeadRecord
from socialanalyzer_dagster.domain.suppression import (
    identifier_hash,
    identifiers_of_candidates,
    identifiers_of_record,
)
from socialanalyzer_dagster.domain.traces import traces_of
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.storage import person_calls, person_texts, searches, suppressions


@dataclass(frozen=True, slots=True)
class Listed:
    """The suppression list as it stood at a revision."""

    key: bytes
    revision: int
    hashes: frozenset[tuple[str, str]]

    @classmethod
    def read(cls, connection: Connection, key: bytes) -> "Listed":
        """The list as it stands; the revision first, so that a change in between is noticed later."""
        return cls(key, suppressions.suppression_revision(connection), suppressions.hashes(connection))

    def hash_of(self, record: LeadRecord | None, candidates: Iterable[Candidate]) -> str | None:
        """The keyed hash under which the person is listed; raises WeakKey without a usable key (the gate is closed)."""
        if record is None:
            return None
        for identifier in (*identifiers_of_record(record), *identifiers_of_candidates(candidates)):
            keyed = identifier_hash(identifier, self.key)
            if keyed is not None and (identifier.kind.value, keyed) in self.hashes:
                return keyed
        return None

    def held(self, connection: Connection) -> "Listed":
        """This list, or the one that took its place; nobody is added until the transaction ends."""
        is_same = suppressions.held_revision(connection) == self.revision
        return self if is_same else Listed.read(connection, self.key)


def forget_suppressed(batch: OpenBatch, items: Sequence[FoundItem]) -> None:
    """Empty what the search stored of suppressed people before it knew who they were, once all items are decided.

    Vendor pages are stored as they are read and list rows with the batch; the sorting comes after both. A search that
    is killed after this goes on: stored results stand, whatever their items say.
    """
    if not items:
        return
    with batch.workplace.database.write() as connection:
        if batch.is_list:
            rows = {item.item_no: person_texts.erased_list_row(item.item_no) for item in items}
            searches.replace_list_rows(connection, batch.row.search_fingerprint, rows)
            return
        records = [item.record for item in items if item.record is not None]
        identifiers = [each for record in records for each in identifiers_of_record(record)]
        identifiers += [each for item in items for each in identifiers_of_candidates(item.candidates)]
        traces = traces_of(identifiers, names=[record.display_name for record in records if record.display_name])
        pages = person_calls.search_pages_about(connection, traces, batch.row.batch_id)
        person_calls.blank_pages(connection, traces, pages)
