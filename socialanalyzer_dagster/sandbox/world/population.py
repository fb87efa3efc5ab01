"""How a world changes over time: creators who are not there yet, and pages that have gone off what is looked for."""

from dataclasses import dataclass, field

from socialanalyzer_dagster.sandbox.world.dice import Dice
from socialanalyzer_dagster.sandbox.world.models import Platform


@dataclass(slots=True)
class Population:
    """`born` is the share of each platform's creators that exist; `spoiled` of them that a search is not after.

    Both only ever grow creator by creator: whoever is there at a share is there at every larger one.
    """

    seed: int
    born: float = 1.0
    spoiled: dict[Platform, float] = field(default_factory=dict)

    def exists(self, platform: Platform, index: int) -> bool:
        """Whether the creator is there already."""
        return self.born >= 1.0 or Dice(self.seed, "born", platform, index).unit() < self.born

    def is_spoiled(self, platform: Platform, index: int) -> bool:
        """Whether the creator has gone off what searches are after."""
        share = self.spoiled.get(platform, 0.0)
        return share > 0.0 and Dice(self.seed, "spoiled", platform, index).unit() < share
