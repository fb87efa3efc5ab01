"""A simulation from its first to its last moment: world, automation and people take turns (issue 4, section 7)."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import dagster as dg

from socialanalyzer_dagster.definitions import build_definitions, default_resources
from socialanalyzer_dagster.platforms.registry import PLATFORMS
from socialanalyzer_dagster.sandbox.happenings import Happenings
from socialanalyzer_dagster.simulation.automation import Automation
from socialanalyzer_dagster.simulation.office import Aim, SimulatedOffice, simulated_office
from socialanalyzer_dagster.simulation.people import Team
from socialanalyzer_dagster.simulation.report import Course, SimulationReport, report_of
from socialanalyzer_dagster.simulation.resources import SimulatedPipeline
from socialanalyzer_dagster.simulation.simulated_time import SimulatedTime, simulated_time
from socialanalyzer_dagster.storage import batches

FIRST_DAY = date(2027, 1, 4)
"""A Monday."""
_STEP = timedelta(minutes=30)

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What to simulate: `share` of the daily targets over `days` days, in a new folder `home`; some platforms, or all.

    With `keeps_runs` its Dagster instance stands in the home, for the Dagster UI; else it is gone with the simulation,
    which takes half the time.
    """

    home: Path
    days: int = 30
    share: float = 1.0
    seed: int = 7
    platforms: tuple[str, ...] = tuple(PLATFORMS)
    keeps_runs: bool = False

    @property
    def start(self) -> datetime:
        """The first moment of the first day."""
        return datetime.combine(FIRST_DAY, time(), UTC)

    @property
    def end(self) -> datetime:
        """The last moment; what a day brought is reported after it."""
        return self.start + timedelta(days=self.days, hours=1)


def simulate(simulation: Simulation, tell: Told) -> SimulationReport:
    """Run it; `tell` hears each day's end. The home is empty, or is made."""
    happenings = Happenings(simulation.start, simulation.days)
    with (
        ExitStack() as stack,
        _without_chatter(),
        simulated_time(simulation.start) as clock,
        simulated_office(
            simulation.home, simulation.start, seed=simulation.seed, aim=Aim(simulation.share, simulation.platforms)
        ) as house,
    ):
        instance = (
            house.office.instance if simulation.keeps_runs else stack.enter_context(dg.DagsterInstance.ephemeral())
        )
        automation = Automation(build_definitions(_made_once()), instance)
        month = _Month(simulation, happenings, clock, house, automation, Team())
        month.run(tell)
        return report_of(month.house, automation, happenings, Course(simulation.days, month.team))


def _made_once() -> dict[str, object]:
    """The resources as they are: Dagster would make each anew for every tick and run, which is most of a quiet day."""
    every = default_resources(SimulatedPipeline)
    return {name: dg.ResourceDefinition.hardcoded_resource(resource) for name, resource in every.items()}


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Thousands of ticks say what they do: nobody reads that."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(before)


@dataclass(frozen=True, slots=True)
class _Month:
    simulation: Simulation
    happenings: Happenings
    clock: SimulatedTime
    house: SimulatedOffice
    automation: Automation
    team: Team

    def run(self, tell: Told) -> None:
        moment = last = self.simulation.start
        while moment < self.simulation.end:
            moment += _STEP
            self.clock.advance_to(moment)
            self.happenings.apply(self.house.sandbox, self.clock.now())
            now = self.clock.now()
            ran = self.automation.runs
            for at, schedule in self.automation.schedule_ticks(last, now):
                self.automation.tick(schedule, at)
            last = now
            if self.automation.runs > ran or moment.minute == 0 or self._is_open():
                self._settle()
            if moment.date() != (moment - _STEP).date():
                tell(f"{(moment - _STEP).date()}: {self.automation.runs} runs so far")

    def _is_open(self) -> bool:
        """Whether a batch is under way: then there may be work at any time."""
        with self.house.office.database.read() as connection:
            return batches.has_open(connection)

    def _settle(self) -> None:
        """Sensors and people, until nobody has anything to do."""
        workplace = self.house.workplace(self.automation.instance)
        while True:
            for _ in self.automation.settle():
                self.happenings.apply(self.house.sandbox, self.clock.now())
                self.team.work(workplace)
            if not self.team.work(workplace):
                return
