"""Round robin of leads over BDRs, as pure functions over the counters (spec 11.5)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from socialanalyzer_dagster.domain.types import LeadUid, sha256_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Bdr:
    """One sales representative of the roster."""

    name: str
    owner_id: str
    position: int
    is_active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """A stretch of time with the same active BDRs; `number` counts from 1, so a set that returns starts anew."""

    number: int
    active: tuple[str, ...]

    @property
    def key(self) -> str:
        """What counters are kept under."""
        return sha256_of({"number": self.number, "active": list(self.active)})


Counts = Mapping[tuple[str, str], int]
"""(tier, BDR name) -> leads dealt in the epoch; an absent pair is 0."""


@dataclass(frozen=True, slots=True)
class Dealt:
    """Who got which lead, and the counters afterwards; `left` are leads without any active BDR (`held_no_bdr`)."""

    assignments: Mapping[LeadUid, Bdr]
    counts: Counts
    left: tuple[LeadUid, ...]


def epoch_after(current: Epoch | None, roster: Iterable[Bdr]) -> Epoch:
    """The epoch of a roster: the current one while the set of active BDRs is the same, else a new one from 0."""
    active = tuple(sorted(bdr.name for bdr in roster if bdr.is_active))
    if current is not None and current.active == active:
        return current
    return Epoch(number=1 if current is None else current.number + 1, active=active)


def deal(leads: Sequence[tuple[LeadUid, str]], selection: Iterable[Bdr], counts: Counts) -> Dealt:
    """Give each (lead, tier), in order, to the active BDR of the selection with the lowest count for that tier.

    Ties go by position, then name. The counts of one epoch differ by at most 1 per tier when all batches have the same
    selection (I-47).
    """
    active = sorted((bdr for bdr in selection if bdr.is_active), key=lambda bdr: (bdr.position, bdr.name))
    after = dict(counts)
    assignments: dict[LeadUid, Bdr] = {}
    left: list[LeadUid] = []
    for lead, tier in leads:
        if not active:
            left.append(lead)
            continue
        chosen = min(active, key=lambda bdr: after.get((tier, bdr.name), 0))
        after[tier, chosen.name] = after.get((tier, chosen.name), 0) + 1
        assignments[lead] = chosen
    return Dealt(assignments, after, tuple(left))


def returned(counts: Counts, given_back: Iterable[tuple[str, str]]) -> Counts:
    """The counters after a rejected or expired plan gives its (tier, BDR name) pairs back; never below 0."""
    after = dict(counts)
    for pair in given_back:
        after[pair] = max(0, after.get(pair, 0) - 1)
    return after
