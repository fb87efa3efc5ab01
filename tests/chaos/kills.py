"""When a worker dies: at an event inside of it, or when some time has passed; drawn from the seed of the run."""

import contextlib
import os
import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.money import Finish

STEPS = ("discovered", "screened", "enriched", "analyzed", "scored", "plan", "approval", "synced")
EVENTS = ("sending", "answered", "booking", "committing", "committed")
"""Before a request leaves, when its answer is here but not booked, and around the commits that book it."""
WHERE_MONEY_MOVES = STEPS[:5]
_LATEST_EVENT = 4
_LATEST_SECONDS = 1.2


@dataclass(frozen=True)
class Kill:
    """Die at the n-th event of a step; or, with `after_seconds`, whatever is going on then."""

    step: str = ""
    event: str = ""
    number: int = 1
    after_seconds: float | None = None


def draw_kills(dice: random.Random, count: int) -> list[Kill]:
    """Kills of one batch in the order in which it comes by; about a third of them by the clock."""
    drawn = sorted((_drawn(dice) for _ in range(count)), key=lambda kill: STEPS.index(kill.step) if kill.step else -1)
    timed = [kill for kill in drawn if kill.after_seconds is not None]
    placed = [kill for kill in drawn if kill.after_seconds is None]
    for kill in timed:
        placed.insert(dice.randint(0, len(placed)), kill)
    return placed


def _drawn(dice: random.Random) -> Kill:
    if dice.random() < 1 / 3:
        return Kill(after_seconds=dice.uniform(0, _LATEST_SECONDS))
    step = dice.choice(STEPS)
    events = EVENTS if step in WHERE_MONEY_MOVES else ("committing", "committed")
    return Kill(step, dice.choice(events), dice.randint(1, _LATEST_EVENT if step in WHERE_MONEY_MOVES[1:] else 1))


class Fate:
    """What the worker is doing, and the event it is to die at."""

    def __init__(self, kill: Kill | None) -> None:
        self.step = ""
        self._kill = kill
        self._left = kill.number if kill is not None else 0

    def event(self, name: str) -> None:
        """Something happened; the process is gone when it was the event it was to die at."""
        if self._kill is None or (self.step, name) != (self._kill.step, self._kill.event):
            return
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)


def arm(fate: Fate) -> None:
    """Tell a fate of every event of this process from now on."""
    send, finish = httpx.AsyncClient.send, Finish.apply.__func__  # type: ignore[attr-defined]

    async def sent(client: httpx.AsyncClient, request: httpx.Request, **options: Any) -> httpx.Response:
        fate.event("sending")
        answer = await send(client, request, **options)
        fate.event("answered")
        return answer

    def booked(kind: type[Finish], connection: Any, writes: Any) -> Any:
        result = finish(kind, connection, writes)
        fate.event("booking")
        return result

    unwatched = Database.write

    @contextlib.contextmanager
    def write(database: Database) -> Iterator[Any]:
        with unwatched(database) as connection:
            yield connection
            fate.event("committing")
        fate.event("committed")

    httpx.AsyncClient.send = sent  # type: ignore[method-assign]
    Finish.apply = classmethod(booked)  # type: ignore[method-assign, assignment]
    Database.write = write  # type: ignore[method-assign]
