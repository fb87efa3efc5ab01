"""Jobs made of lines: stored with what each line is for, so that a resume books every answer to its lead (I-25)."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, cast

from socialanalyzer_dagster.domain.calls import (
    LineBatch,
    LineResult,
    Reply,
    Units,
    VendorCall,
    VendorError,
    VendorJob,
)
from socialanalyzer_dagster.domain.operations import OPERATIONS
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable
from socialanalyzer_dagster.domain.types import JsonObject, JsonValue, LeadUid, Stage
from socialanalyzer_dagster.pipeline.gate_calls import Desk
from socialanalyzer_dagster.pipeline.gate_parts import BatchIdentity, CallKeys, CallSite, Sending
from socialanalyzer_dagster.pipeline.gate_rereads import Rereads
from socialanalyzer_dagster.pipeline.jobs import JobOptions, JobRun
from socialanalyzer_dagster.storage.attempts import Attempt, FindAnswer, packed
from socialanalyzer_dagster.storage.batch_lines import BookLines, LineAnswer
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.vendor_jobs import (
    OPEN_PHASES,
    FindJob,
    JobPhase,
    StoredVendorJob,
    jobs_of_step,
)

STEP = "model_batch"
_OPERATION = OPERATIONS["openai.batch"]
_LINE_OPERATION = OPERATIONS["openai.chat"]
JobOfLines = Callable[[LineBatch], VendorJob[tuple[LineResult, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLine:
    """One call as a line: whose it is, how often it was sent before, and the most it can cost."""

    keys: CallKeys
    lead: LeadUid
    step: str
    issue: int
    worst_micros: int
    body: JsonObject = field(default_factory=dict, repr=False)
    max_units: Units = field(default_factory=dict)

    def document(self) -> JsonObject:
        """What is stored of it with the job; the text it asks about is not."""
        return {
            "id": self.keys.call_key,
            "fingerprint": self.keys.fingerprint,
            "lead": self.lead,
            "step": self.step,
            "issue": self.issue,
            "worst_micros": self.worst_micros,
        }

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> "PlannedLine":
        """A line of a stored job."""
        return cls(
            keys=CallKeys(fingerprint=document["fingerprint"], call_key=document["id"]),
            lead=LeadUid(document["lead"]),
            step=document["step"],
            issue=document["issue"],
            worst_micros=document["worst_micros"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedLine:
    """An answered line, booked to its lead."""

    attempt_key: str
    amount_micros: int
    body: JsonValue


LineEnd = BookedLine | VendorError
"""How a line ended: answered and booked, or refused; a line that is in neither list was not done."""


class LineJobs:
    """Buys and resumes the line jobs of one stage of one batch."""

    def __init__(self, desk: Desk, rereads: Rereads, batch: BatchIdentity, stage: Stage) -> None:
        self._desk = desk
        self._parts = desk.parts
        self._rereads = rereads
        self._batch = batch
        self._stage = stage
        self._factor = desk.parts.policy.analysis.model_batch.price_factor

    def planned(self, call: VendorCall[Any], site: CallSite, keys: CallKeys, issue: int) -> PlannedLine:
        """The call as a line; raises UnknownPrice, and ValueError for a call that fits into no line."""
        if call.line is None:
            raise ValueError("the call does not fit into a line")
        units = _scaled(call.max_units, self._factor)
        return PlannedLine(
            keys=keys,
            lead=site.leads[0],
            step=site.step,
            issue=issue,
            worst_micros=self._parts.prices.worst_case(_LINE_OPERATION.key, units),
            body=call.line.body,
            max_units=units,
        )

    async def buy(self, kind: str, lines: Sequence[PlannedLine], job_of: JobOfLines) -> Mapping[str, LineEnd]:
        """How each line ended, by its id; raises CallFailed and the refusals, JobStillRunning among them."""
        request: JsonObject = {
            "model": kind,
            "gathered_at": self._parts.clock.now().isoformat(),
            "lines": [line.document() for line in lines],
        }
        bodies = {line.keys.call_key: line.body for line in lines}
        job = job_of(LineBatch(request=request, bodies=bodies, max_units=_summed(lines)))
        return await self._run(job, lines, buys=True)

    async def finish_open(self, job_of: JobOfLines) -> None:
        """Read and book every job of an earlier run.

        Raises JobStillRunning, or ProviderUnavailable when nobody can tell where a job stands. A job that turns out
        to have failed, or never to have started, leaves its lines to be asked anew.
        """
        for stored in await asyncio.to_thread(self._unbooked):
            lines = [PlannedLine.of_document(each) for each in _documents(stored.request)]
            try:
                await self._run(job_of(LineBatch(request=stored.request)), lines, buys=False)
            except CallFailed as failure:
                if failure.outcome_unknown:
                    raise ProviderUnavailable(_OPERATION.vendor, failure.error.code) from failure

    async def _run(
        self, job: VendorJob[tuple[LineResult, ...]], lines: Sequence[PlannedLine], *, buys: bool
    ) -> Mapping[str, LineEnd]:
        leads = tuple(dict.fromkeys(line.lead for line in lines))
        site = CallSite(batch=self._batch, stage=self._stage, step=STEP, leads=leads)
        keys = site.keys(_OPERATION, job.request, 0)
        call = FindAnswer(
            fingerprint=keys.fingerprint,
            call_key=keys.call_key,
            batch_id=self._batch.batch_id,
            reusable_since=None,
            asked_at=self._batch.asked_at,
        )
        known = {line.keys.call_key: line for line in lines}
        booked: dict[str, BookedLine] = {}

        async def book(attempt: Attempt, items: Sequence[JsonObject]) -> int:
            answers: list[LineAnswer] = []
            for result in job.decode(list(items)):
                line = known.get(result.line_id)
                if line is not None and result.reply is not None:
                    answers.append(self._answer(line, result.reply, attempt))
                    booked[result.line_id] = BookedLine(
                        attempt_key=answers[-1].attempt.attempt_key,
                        amount_micros=answers[-1].amount_micros,
                        body=result.reply.body,
                    )
            return await self._stored(attempt, answers)

        run = JobRun(self._desk, job, site, keys, options=JobOptions(book=book, buys=buys))
        answer = await run.run(FindJob(call=call, stage=self._stage.value, step=STEP), self._rereads)
        refused = {each.line_id: each.error for each in answer.value if each.error is not None}
        return {**refused, **booked}

    def _answer(self, line: PlannedLine, reply: Reply, job: Attempt) -> LineAnswer:
        """What a line is booked as: a sending of its lead, in the scopes of the job; the worst case without usage."""
        site = CallSite(batch=self._batch, stage=self._stage, step=line.step, leads=(line.lead,))
        sending = Sending(
            site=site, operation=_LINE_OPERATION, keys=line.keys, issue=line.issue, worst_micros=line.worst_micros
        )
        units, amount = _scaled(reply.units, self._factor), line.worst_micros
        if units:
            amount = self._desk.till.billed(lambda: self._parts.prices.price(units), line.worst_micros)
        attempt = replace(sending.attempt(self._parts), scopes=job.scopes)
        return LineAnswer(attempt=attempt, amount_micros=amount, body=packed(reply.body))

    async def _stored(self, job: Attempt, answers: Sequence[LineAnswer]) -> int:
        """Book answers in small groups; returns what is left of the job's reservation."""
        left, now = job.reserved_micros, self._parts.clock.now()
        for group in parts(answers, self._parts.policy.runtime.commit_leads) if answers else [[]]:
            left = await self._parts.writer.submit(BookLines(job=job, lines=tuple(group), at=now))
        return left

    def _unbooked(self) -> list[StoredVendorJob]:
        with self._parts.database.read() as connection:
            jobs = jobs_of_step(connection, self._batch.batch_id, self._stage.value, STEP)
        return [job for job in jobs if job.phase in OPEN_PHASES or (job.phase is JobPhase.READ and not job.settled)]


def _scaled(units: Units, factor: Decimal) -> dict[str, Decimal]:
    return {key: Decimal(count) * factor for key, count in units.items()}


def _summed(lines: Sequence[PlannedLine]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for line in lines:
        for key, count in line.max_units.items():
            sums[key] = sums.get(key, Decimal(0)) + Decimal(count)
    return sums


def _documents(request: JsonObject) -> Sequence[JsonObject]:
    lines = request["lines"]
    if not isinstance(lines, list):
        raise TypeError("a stored job of lines names no lines")
    return cast("list[JsonObject]", lines)
