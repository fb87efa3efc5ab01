"""Rounds of kills: the same searches against a calm or a hostile sandbox, held against a run that nobody disturbed."""

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.chaos.installation import SEARCHES, Installation, Size, Vendors, installed, vendors_of
from tests.chaos.kills import Kill, draw_kills
from tests.chaos.results import Result, result_of
from tests.chaos.supervisor import Lane, Supervisor
from tests.chaos.touched import touched_leads
from tests.chaos.verdicts import check_everything, check_same_leads, check_same_money

Databases = Callable[[], AbstractContextManager[str]]
"""The URL of a migrated, empty database while the block runs."""
_WORLDS = 1_000
_TOO_LOW_USD = 0.12
_LEFT_OPEN = "select lead_uid from stage_outcomes where is_current and code in ('budget_stopped', 'batch_stopped')"
"""What a stop left open meets the cap when it is retried, and keeps its reason."""
_STOP_SECONDS = (0.2, 2.0)
_SPARE_KILLS = 2
"""Drawn for each batch beyond its share, in place of those at events that do not come."""


@dataclass(frozen=True)
class Round:
    """What a round is like: its kills, and whether the vendors are hostile and the batches' caps too low."""

    kills: int
    is_hostile: bool = False
    is_capped: bool = False


@dataclass(frozen=True)
class Report:
    """What happened in a round."""

    killed: tuple[Kill, ...]
    starts: int
    stops: int
    hits: int
    leads: int
    compared: int
    unknown_micros: int


class Arena:
    """One world of creators, its vendors, and what an undisturbed run finds there."""

    def __init__(self, folder: Path, vendors: Vendors, size: Size) -> None:
        self._folder = folder
        self._vendors = vendors
        self._size = size
        self._homes = 0
        self.expected = Result({}, {}, {})

    def run_undisturbed(self, databases: Databases) -> None:
        """Make the result that all others are held against."""
        with self._house(databases, self._size) as house:
            Supervisor(house, [Lane(key, []) for key in house.keys]).run()
            self.expected = result_of(house)
            check_everything(house, self.expected)
        assert len(self.expected.leads) >= len(SEARCHES), "the world has too few creators for these searches"

    def play(self, dice: random.Random, what: Round, databases: Databases) -> Report:
        """One round; raises AssertionError when anything does not hold."""
        size = replace(self._size, cap_usd=_TOO_LOW_USD) if what.is_capped else self._size
        with self._house(databases, size) as house:
            if what.is_hostile:
                self._vendors.rage(dice)
            lanes = [Lane(key, draw_kills(dice, what.kills // len(SEARCHES) + _SPARE_KILLS)) for key in house.keys]
            if what.is_hostile:
                dice.choice(lanes).stop_after = dice.uniform(*_STOP_SECONDS)
            Supervisor(house, lanes, most_kills=what.kills).run()
            self._vendors.calm()
            result = result_of(house)
            check_everything(house, result)
            compared = self._compare(house, result, what)
        return Report(
            killed=tuple(kill for lane in lanes for kill in lane.killed),
            starts=sum(lane.starts for lane in lanes),
            stops=sum(lane.stopped for lane in lanes),
            hits=len(self._vendors.hits()),
            leads=len(self.expected.leads),
            compared=compared,
            unknown_micros=sum(money.unknown for money in result.money.values()),
        )

    def _compare(self, house: Installation, result: Result, what: Round) -> int:
        """How many leads were held against the undisturbed run; all of them when there were only kills."""
        platforms = {lead: facts[0]["platform"] for lead, facts in self.expected.leads.items()}
        touched = touched_leads(house, self._vendors.hits(), platforms)
        if what.is_capped:
            touched |= {lead for (lead,) in house.rows(_LEFT_OPEN)}
            touched |= set(self.expected.leads) - set(result.leads)  # searches that there was no money for
        elif not what.is_hostile:
            assert touched == set()
            check_same_money(result, self.expected)
        return check_same_leads(result, self.expected, touched=touched)

    @contextmanager
    def _house(self, databases: Databases, size: Size) -> Iterator[Installation]:
        self._homes += 1
        home = self._folder / f"home-{self._homes}"
        with databases() as url, installed(home, url, self._vendors, size) as house:
            yield house


@contextmanager
def arena_of(folder: Path, seed: int, size: Size) -> Iterator[Arena]:
    """The arena of a seed, which chooses its world."""
    world = random.Random(seed).randrange(_WORLDS)
    with vendors_of(folder / "vendors", world) as vendors:
        yield Arena(folder, vendors, size)


def dice_of(seed: int, number: int) -> random.Random:
    """The dice of a round."""
    return random.Random(f"{seed}/{number}")
