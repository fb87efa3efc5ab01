"""Model calls of many leads bought together as lines of one vendor batch, at a part of the price (contracts 7.2)."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from socialanalyzer_dagster.domain.calls import BatchableLine, ErrorClass, VendorCall, VendorError
from socialanalyzer_dagster.domain.operations import OPERATIONS
from socialanalyzer_dagster.domain.ports import Answer, CallFailed
from socialanalyzer_dagster.domain.refusals import BudgetExceeded, PersonSuppressed
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.gate_calls import Desk, Exchange
from socialanalyzer_dagster.pipeline.gate_parts import BatchIdentity, CallKeys, CallSite
from socialanalyzer_dagster.pipeline.gate_rereads import Rereads
from socialanalyzer_dagster.pipeline.line_jobs import BookedLine, LineEnd, LineJobs, PlannedLine
from socialanalyzer_dagster.storage.attempts import CallHistory

T = TypeVar("T")


_UNFINISHED = VendorError("openai", ErrorClass.TRANSIENT, "batch_line_not_done", sent=False)


@dataclass(slots=True, eq=False)
class _Waiting:
    """One call that waits for its line; the future holds its booked answer, or None when it is to be asked live."""

    planned: PlannedLine
    future: "asyncio.Future[BookedLine | None]"


@dataclass(slots=True, eq=False)
class _Group:
    """Lines of one kind, gathered for one batch, and the task that buys it."""

    line: BatchableLine
    lines: list[_Waiting] = field(default_factory=list)
    size_bytes: int = 0
    task: "asyncio.Task[None] | None" = None

    async def leave(self, waiting: _Waiting) -> None:
        """A caller was cancelled; when all have gone, the batch may settle what is in flight and is given up."""
        waiting.future.cancel()
        if self.task is not None and all(each.future.done() for each in self.lines):
            self.task.cancel()
            await asyncio.wait({self.task})


class LineDesk:
    """Gathers the model calls of one stage; belongs to one event loop.

    Calls of one kind are gathered until none came for the policy's time, then bought as one job whose id is stored. A
    job that outlives the run raises JobStillRunning to everybody who waits; the next run reads it before it asks anew.
    """

    def __init__(self, desk: Desk, rereads: Rereads, batch: BatchIdentity, stage: Stage) -> None:
        self._desk = desk
        self._parts = desk.parts
        self._policy = desk.parts.policy.analysis.model_batch
        self._jobs = LineJobs(desk, rereads, batch, stage)
        self._groups: dict[str, _Group] = {}
        self._finishing = asyncio.Lock()
        self._is_finished = False

    async def finish_open(self, line: BatchableLine) -> None:
        """Read the batches that an earlier run bought; raises JobStillRunning while one of them is at work."""
        async with self._finishing:
            if not self._is_finished:
                await self._jobs.finish_open(line.job)
                self._is_finished = True

    async def answer(self, call: VendorCall[T], site: CallSite, keys: CallKeys, history: CallHistory) -> Answer[T]:
        """The answer of the call's line; what the vendor left undone is asked live or fails, as the policy says."""
        exchange = Exchange(self._desk, call, site, keys)
        if not self._desk.till.may_repeat_lost(OPERATIONS[call.operation], history):
            return await exchange.run(history)
        booked = await self._booked(call, self._jobs.planned(call, site, keys, history.issues + 1))
        if booked is None:
            return await exchange.run(history)
        return Answer(
            value=await exchange.decoded(booked.attempt_key, booked.body),
            attempt_key=booked.attempt_key,
            cost_micros=booked.amount_micros,
            reused=False,
            fetched_at=self._parts.clock.now(),
        )

    async def _booked(self, call: VendorCall[T], planned: PlannedLine) -> BookedLine | None:
        if call.line is None:
            raise ValueError("the call does not fit into a line")
        group = self._group(call.line)
        waiting = _Waiting(planned, asyncio.get_running_loop().create_future())
        group.lines.append(waiting)
        group.size_bytes += call.line.size_bytes
        try:
            return await asyncio.shield(waiting.future)
        except asyncio.CancelledError:
            await group.leave(waiting)
            raise

    def _group(self, line: BatchableLine) -> _Group:
        group = self._groups.get(line.kind)
        if group is None or not self._has_room(group, line):
            group = self._groups[line.kind] = _Group(line)
            group.task = asyncio.create_task(self._work(group), name=f"model-batch-{line.kind}")
        return group

    def _has_room(self, group: _Group, line: BatchableLine) -> bool:
        most_bytes = self._policy.most_megabytes * 1_000_000
        return len(group.lines) < self._policy.most_lines and group.size_bytes + line.size_bytes <= most_bytes

    async def _work(self, group: _Group) -> None:
        """Gather until nothing more comes, then buy; whatever stops that is told to everybody who waits."""
        try:
            await self._gather(group)
            await self._buy(group, group.lines)
        except Exception as error:  # noqa: BLE001 - handed to everybody whose call was in this batch
            _tell(group.lines, error)

    async def _gather(self, group: _Group) -> None:
        gathered = -1
        while gathered < len(group.lines) < self._policy.most_lines:
            gathered = len(group.lines)
            await self._parts.sleep(float(self._policy.gather_seconds))
        if self._groups.get(group.line.kind) is group:
            del self._groups[group.line.kind]

    async def _buy(self, group: _Group, lines: Sequence[_Waiting]) -> None:
        """Buy the lines together; in halves where a cap has no room for all, without a person who is suppressed."""
        if not lines:
            return
        try:
            ends = await self._jobs.buy(group.line.kind, [each.planned for each in lines], group.line.job)
        except BudgetExceeded as refused:
            if len(lines) == 1:
                _tell(lines, refused)
                return
            half = len(lines) // 2
            await self._buy(group, lines[:half])
            await self._buy(group, lines[half:])
        except PersonSuppressed as refused:
            theirs = [each for each in lines if each.planned.lead == refused.lead]
            if not theirs:
                raise
            _tell(theirs, refused)
            await self._buy(group, [each for each in lines if each.planned.lead != refused.lead])
        except CallFailed as failure:
            if failure.outcome_unknown:
                raise
            self._hand_out(lines, {})
        else:
            self._hand_out(lines, ends)

    def _hand_out(self, lines: Sequence[_Waiting], ends: Mapping[str, LineEnd]) -> None:
        for each in lines:
            if each.future.done():
                continue
            end = ends.get(each.planned.keys.call_key)
            if isinstance(end, BookedLine):
                each.future.set_result(end)
            elif end is not None and end.error_class is ErrorClass.PERMANENT_ITEM:
                each.future.set_exception(CallFailed(end))
            elif self._policy.unfinished == "live":
                each.future.set_result(None)
            else:
                each.future.set_exception(CallFailed(_UNFINISHED))


def _tell(lines: Sequence[_Waiting], error: Exception) -> None:
    for each in lines:
        if not each.future.done():
            each.future.set_exception(error)
