"""What an actor is: its names, its input, its price events, and the work that yields its items."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from socialanalyzer_dagster.sandbox.vendors.apify_inputs import InputRules
from socialanalyzer_dagster.sandbox.world.world import World

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Item:
    """One row of a run's dataset and the number of price events it costs."""

    body: JsonObject
    events: int = 1


@dataclass(frozen=True)
class Actor:
    """One actor of the store: `event` is what its price is per, `start_key` the price key of starting a run."""

    id: str
    name: str
    title: str
    event: str
    price_key: str
    input: InputRules
    work: Callable[[World, JsonObject], Iterator[Item]]
    start_key: str | None = None
