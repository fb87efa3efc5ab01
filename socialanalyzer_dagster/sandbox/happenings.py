"""What happens to a world over a simulated time: it grows, a vendor fails, prices rise, leads get worse."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from socialanalyzer_dagster.sandbox.faults import Fault
from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.world.models import Platform

GROWTH = 0.005
"""The world's growth a day."""
DOWN_VENDOR, DOWN_HOURS = "openai", 6
DEAR_VENDOR, DEAR_FACTOR = "apify", Fraction(2)
WORSE_SHARE = 0.5
WORSE_PLATFORM: Platform = "patreon"


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happens to the world at a moment, in words; `name` is what reports call it."""

    at: datetime
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Happenings:
    """A whole simulation's happenings, spread over its days."""

    start: datetime
    days: int

    @property
    def outage(self) -> tuple[datetime, datetime]:
        """From when to when a vendor is down: six hours from eight in the morning, a third of the way in."""
        begins = self._day(0.3) + timedelta(hours=5)
        return begins, begins + timedelta(hours=DOWN_HOURS)

    @property
    def dear_from(self) -> datetime:
        """When a vendor's prices double."""
        return self._day(0.5)

    @property
    def worse_from(self) -> datetime:
        """When half of a platform's leads go off what is looked for."""
        return self._day(0.7)

    def every(self) -> Iterator[Happening]:
        """In the order of time."""
        begins, ends = self.outage
        yield Happening(begins, "vendor_down", f"{DOWN_VENDOR} answers 503 until {ends:%Y-%m-%d %H:%M} UTC")
        yield Happening(self.dear_from, "prices_double", f"{DEAR_VENDOR} takes twice its prices from now on")
        yield Happening(
            self.worse_from, "yield_halves", f"half of the creators on {WORSE_PLATFORM} are no leads from now on"
        )

    def apply(self, state: SandboxState, now: datetime) -> None:
        """Bring the world to a moment."""
        state.clock.set(now)
        day = max(0, (now - self.start).days)
        state.world.population.born = (1 + GROWTH) ** (day - self.days)
        begins, ends = self.outage
        down = [Fault(DOWN_VENDOR, "*", "error_503")] if begins <= now < ends else []
        if list(state.faults.switches) != down:
            state.faults.set(down)
        state.bill.raise_prices(DEAR_VENDOR, DEAR_FACTOR if now >= self.dear_from else Fraction(1))
        state.world.population.spoiled[WORSE_PLATFORM] = WORSE_SHARE if now >= self.worse_from else 0.0

    def _day(self, share: float) -> datetime:
        """A working day that lies at a share of the simulation."""
        day = self.start + timedelta(days=int(self.days * share))
        return day + timedelta(days=(7 - day.weekday()) % 7 if day.weekday() >= 5 else 0)
