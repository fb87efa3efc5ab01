"""Who starts workers, kills them, starts them again at once, and does what an operator does when a batch waits."""

import contextlib
import os
import signal
import time
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Any

from socialanalyzer_dagster.pipeline.batch_actions import Deed, find_batch, has_work_left, retry, stop
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus, StatusRefused
from tests.chaos.installation import Installation
from tests.chaos.kills import Kill
from tests.chaos.worker import CRASHED, Order, work
from tests.scenarios.processes import warm_processes

_POLL_SECONDS = 0.05
_STUCK_SECONDS = 120
_MOST_STARTS = 60
_RETRIES_AMID_FAULTS, _RETRIES_IN_ALL = 6, 12
_OPERATOR = Deed(by="chaos", reason="it waits")
_WAITS = (BatchStatus.PAUSED, BatchStatus.AWAITING_PROVIDER, BatchStatus.FAILED, BatchStatus.STOPPED)
_ENDED = (BatchStatus.COMPLETED, BatchStatus.COMPLETED_EMPTY)
_OVER_CAP = "select scope from budget_scopes where settled_micros + held_micros + unknown_micros > cap_micros"


@dataclass
class Lane:
    """One batch on its way: kills that are to come and those that came, its worker, and how often it was retried."""

    key: str
    kills: list[Kill]
    stop_after: float | None = None
    """Seconds of a worker after which somebody stops the batch, once."""
    stopped: bool = False
    killed: list[Kill] = field(default_factory=list)
    worker: Any = None
    kill: Kill | None = None
    began: float = 0.0
    starts: int = 0
    retries: int = 0
    is_over: bool = False


class Supervisor:
    """Brings all batches of an installation to their end; at most `most_kills` of the drawn kills are carried out."""

    def __init__(self, house: Installation, lanes: list[Lane], *, most_kills: int = 0) -> None:
        self._house = house
        self._lanes = lanes
        self._most_kills = most_kills
        self._context = warm_processes()

    def run(self) -> None:
        """Until every batch has ended; raises AssertionError when a run crashes, a cap is passed or nothing goes on."""
        try:
            while open_lanes := [lane for lane in self._lanes if not lane.is_over]:
                for lane in open_lanes:
                    self._look(lane)
                self._check_caps()
                wait([lane.worker.sentinel for lane in open_lanes if lane.worker is not None], _POLL_SECONDS)
        finally:
            for lane in self._lanes:
                if lane.worker is not None:
                    lane.worker.kill()
                    lane.worker.join()

    def _look(self, lane: Lane) -> None:
        if lane.worker is None:
            self._start(lane)
            return
        alive = time.monotonic() - lane.began
        if lane.kill is not None and lane.kill.after_seconds is not None and alive >= lane.kill.after_seconds:
            with contextlib.suppress(ProcessLookupError):  # it ended by itself in this moment
                os.kill(lane.worker.pid, signal.SIGKILL)
            lane.worker.join()
        if lane.stop_after is not None and not lane.stopped and alive >= lane.stop_after:
            self._stop(lane)
        assert alive < _STUCK_SECONDS, f"the run of {lane.key} does not end: {self._said(lane)}"
        if not lane.worker.is_alive():
            lane.worker.join()
            self._ended(lane, lane.worker.exitcode)

    def _start(self, lane: Lane) -> None:
        under_way = sum(len(each.killed) + (each.worker is not None and each.kill is not None) for each in self._lanes)
        lane.kill = lane.kills.pop(0) if lane.kills and under_way < self._most_kills else None
        order = Order(lane.key, self._house.environment, self._house.home / f"{lane.key}.log", lane.kill)
        lane.worker = self._context.Process(target=work, args=(order,))
        lane.worker.start()
        lane.began = time.monotonic()
        lane.starts += 1
        assert lane.starts <= _MOST_STARTS, f"the batch {lane.key} does not go on: {self._said(lane)}"

    def _ended(self, lane: Lane, code: int) -> None:
        lane.worker = None
        if code == -signal.SIGKILL:
            assert lane.kill is not None, f"somebody else killed the run of {lane.key}"
            lane.killed.append(lane.kill)
            return
        assert code != CRASHED, f"the run of {lane.key} crashed: {self._said(lane)}"
        self._operate(lane)

    def _operate(self, lane: Lane) -> None:
        """What a person does about a batch whose run has ended."""
        batch = find_batch(self._house.workplace, lane.key)
        is_enough = batch.capped or lane.retries >= _RETRIES_AMID_FAULTS
        if batch.status in _ENDED and (is_enough or not self._has_work_left(lane)):
            lane.is_over = True
        elif batch.status in (*_WAITS, *_ENDED):
            self._retry(lane)

    def _has_work_left(self, lane: Lane) -> bool:
        batch = find_batch(self._house.workplace, lane.key)
        with self._house.database.read() as connection:
            return has_work_left(connection, batch)

    def _retry(self, lane: Lane) -> None:
        lane.retries += 1
        if lane.retries > _RETRIES_AMID_FAULTS:
            self._house.vendors.calm()
        assert lane.retries <= _RETRIES_IN_ALL, f"the batch {lane.key} never ends: {self._said(lane)}"
        try:
            retry(self._house.workplace, lane.key, _OPERATOR)
        except StatusRefused:
            lane.is_over = True

    def _stop(self, lane: Lane) -> None:
        """A person stops the batch amid its run; whoever looks after it retries it as any batch that waits."""
        try:
            stop(self._house.workplace, lane.key, _OPERATOR)
        except StatusRefused:
            return
        lane.stopped = True

    def _check_caps(self) -> None:
        assert self._house.rows(_OVER_CAP) == [], "a cap was passed"

    def _said(self, lane: Lane) -> str:
        said = self._house.home / f"{lane.key}.log"
        return said.read_text(encoding="utf-8")[-4000:] if said.exists() else ""
