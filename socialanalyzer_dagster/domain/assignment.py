"""Round robin of leads over BDRs, as a pure function of the counters (spec 11.5)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from socialanalyzer_dagster.domain.types import LeadUid


class Representative(Protocol):
    """What dealing reads of a BDR; `position` breaks ties."""

    @property
    def name(self) -> str: ...

    @property
    def position(self) -> int: ...

    @property
    def is_active(self) -> bool: ...


R = TypeVar("R", bound=Representative)
Counts = Mapping[tuple[str, str], int]
"""(tier, BDR name) -> leads dealt in the roster epoch; an absent pair is 0, and a new epoch begins empty."""


@dataclass(frozen=True, slots=True)
class Dealt(Generic[R]):
    """Who got which lead, what to add to the counters, and the leads left because nobody is active (`held_no_bdr`)."""

    assignments: Mapping[LeadUid, R]
    added: Counts
    left: tuple[LeadUid, ...]


def deal(leads: Sequence[tuple[LeadUid, str]], selection: Iterable[R], counts: Counts) -> Dealt[R]:
    """Give each (lead, tier), in order, to the active BDR of the selection with the lowest count for that tier.

    Ties go by position, then name. While batches have the same selection, the counts of one epoch differ by at most 1
    per tier (I-47); what is given back, because a plan was rejected or the CRM refused a lead, is evened out by the
    next deals.
    """
    active = sorted((bdr for bdr in selection if bdr.is_active), key=lambda bdr: (bdr.position, bdr.name))
    if not active:
        return Dealt({}, {}, tuple(lead for lead, _ in leads))
    assignments: dict[LeadUid, R] = {}
    added: dict[tuple[str, str], int] = {}
    for lead, tier in leads:
        chosen = min(active, key=lambda bdr: counts.get((tier, bdr.name), 0) + added.get((tier, bdr.name), 0))
        assignments[lead] = chosen
        added[tier, chosen.name] = added.get((tier, chosen.name), 0) + 1
    return Dealt(assignments, added, ())
