"""Whether a stage run got through to its vendors: when no lead could be worked on for that, the batch waits (13.1)."""

from collections import defaultdict
from collections.abc import Sequence

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.domain.outcomes import Outcome, Result
from socialanalyzer_dagster.domain.types import LeadUid


class Reach:
    """What calls told about the vendors, and which of the leads that failed missed one."""

    def __init__(self) -> None:
        self._answered: set[str] = set()
        self._missed: defaultdict[LeadUid | None, set[str]] = defaultdict(set)
        self._failures: set[frozenset[str]] = set()

    def answered(self, vendor: str) -> None:
        """A call got an answer, even one that refuses its item."""
        self._answered.add(vendor)

    def failed(self, error: VendorError, leads: Sequence[LeadUid]) -> None:
        """A call for these leads failed at last; without leads it was for all."""
        if error.error_class is ErrorClass.PERMANENT_ITEM:
            self.answered(error.vendor)
        if error.error_class is ErrorClass.TRANSIENT:
            for lead in leads or (None,):
                self._missed[lead].add(error.vendor)

    def ended(self, lead: LeadUid, outcome: Outcome) -> None:
        """A lead has its outcome."""
        missed = self._missed.pop(lead, set()) | self._missed.get(None, set())
        if outcome.result is Result.FAILED:
            self._failures.add(frozenset(missed if outcome.retryable else ()))

    @property
    def out_of_reach(self) -> tuple[str, ...]:
        """The vendors that answered nobody, when every failed lead failed retryably and missed one; else none."""
        silent = [missed - self._answered for missed in self._failures]
        return tuple(sorted(frozenset().union(*silent))) if all(silent) else ()
