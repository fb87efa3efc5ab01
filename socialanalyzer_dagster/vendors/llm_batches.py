"""Model calls bought as lines of a batch at a part of the price, within a day, in any order (contracts 7.2)."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

from socialanalyzer_dagster.domain.calls import (
    BatchableLine,
    JobPage,
    JobState,
    JobStatus,
    LineBatch,
    LineResult,
    Reply,
    Units,
    VendorCall,
    VendorJob,
)
from socialanalyzer_dagster.domain.types import JsonObject, JsonValue, sha256_of
from socialanalyzer_dagster.vendors.http import Classify, UnexpectedBodyError, as_object, parse_json, unreadable
from socialanalyzer_dagster.vendors.job_status import job_status_call
from socialanalyzer_dagster.vendors.model_tokens import chat_units

VENDOR = "openai"
_START, _READ = "openai.batch", "openai.batch_read"
ENDPOINT: Literal["/v1/chat/completions"] = "/v1/chat/completions"
_MARK = "socialanalyzer_request"
_KEPT_STATES = {
    "completed": JobState.SUCCEEDED,
    "expired": JobState.SUCCEEDED,
    "cancelled": JobState.SUCCEEDED,
    "failed": JobState.FAILED,
}
"""A batch that expired or was cancelled keeps, and bills, what it finished; a word that is not listed is at work."""


class BatchChannel(Protocol):
    """How batches reach the vendor; raises VendorError."""

    async def upload_lines(self, data: bytes) -> str: ...

    async def create_batch(self, file_id: str, metadata: Mapping[str, str]) -> JsonObject: ...

    async def batch(self, batch_id: str) -> JsonObject: ...

    async def newest_batches(self) -> Sequence[JsonObject]: ...

    async def cancel_batch(self, batch_id: str) -> None: ...

    async def file_content(self, file_id: str) -> bytes: ...


class ModelBatches:
    """Describes batches of chat lines; the gate starts, polls and reads them."""

    def __init__(self, channel: BatchChannel, error_of: Classify) -> None:
        self._channel = channel
        self._error_of = error_of

    def line(self, model: str, body: JsonObject, size_bytes: int) -> BatchableLine:
        """A request as a line; only lines of one model may share a file."""
        return BatchableLine(kind=model, body=body, size_bytes=size_bytes, job=self.job)

    def job(self, batch: LineBatch) -> VendorJob[tuple[LineResult, ...]]:
        """The batch as a job; its results are billed line by line, so the job as a whole bills no unit.

        The vendor has no idempotency key: a lost start is looked for among the newest batches by a digest of what is
        stored, which travels as metadata. Starting a resumed batch raises VendorError: its lines are not at hand.
        """
        mark, model = sha256_of(batch.request), str(batch.request["model"])

        async def start(_max_total_charge_micros: int) -> JobStatus:
            if not batch.bodies:
                raise unreadable(VENDOR, _READ, code="lines_not_at_hand")
            file_id = await self._channel.upload_lines(lines_file(batch.bodies))
            return batch_status(await self._channel.create_batch(file_id, {_MARK: mark}))

        async def find(_since: datetime) -> JobStatus | None:
            ours = [each for each in await self._channel.newest_batches() if _mark_of(each) == mark]
            return batch_status(ours[0]) if ours else None

        return VendorJob(
            operation=_START,
            request=batch.request,
            max_units=batch.max_units,
            start=start,
            poll=self._poll,
            page=self._page,
            units=_no_units,
            decode=lambda items: self._decode(items, model),
            find=find,
            abort=self._channel.cancel_batch,
            outlives_runs=True,
        )

    def job_status(self, job_id: str) -> VendorCall[JobStatus]:
        """Where a batch stands; free."""
        return job_status_call(_READ, job_id, lambda: self._poll(job_id))

    async def _poll(self, job_id: str) -> JobStatus:
        return batch_status(await self._channel.batch(job_id))

    async def _page(self, status: JobStatus, _offset: int) -> JobPage:
        """Everything at once: the answered lines and the lines the vendor refused stand in one file each."""
        batch = await self._channel.batch(status.job_id)
        names = [batch.get(key) for key in ("output_file_id", "error_file_id")]
        files = [await self._channel.file_content(name) for name in names if isinstance(name, str)]
        return JobPage(items=tuple(item for data in files for item in _results(data)), next_offset=None)

    def _decode(self, items: JsonValue, model: str) -> tuple[LineResult, ...]:
        if not isinstance(items, list):
            raise UnexpectedBodyError("not a list of lines")
        return tuple(self._result(as_object(item), model) for item in items)

    def _result(self, item: JsonObject, model: str) -> LineResult:
        line_id, response = str(item.get("custom_id")), as_object(item.get("response"))
        status, body = response.get("status_code"), response.get("body")
        if not isinstance(status, int):
            return LineResult(line_id)
        error = self._error_of(status, {}, body)
        if error is not None:
            return LineResult(line_id, error=error)
        return LineResult(line_id, reply=Reply(body=body, units=chat_units(model, body) or {}))


def lines_file(bodies: Mapping[str, JsonObject]) -> bytes:
    """The file of a batch: one request a line, named by its id."""
    lines = (
        {"custom_id": line_id, "method": "POST", "url": ENDPOINT, "body": body} for line_id, body in bodies.items()
    )
    return b"".join(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n" for line in lines)


def batch_status(batch: JsonObject) -> JobStatus:
    """Where a batch stands; raises VendorError when the answer names no batch."""
    job_id, word = batch.get("id"), str(batch.get("status"))
    if not isinstance(job_id, str) or not job_id:
        raise unreadable(VENDOR, _READ, code="answer_without_job_id")
    state = _KEPT_STATES.get(word, JobState.RUNNING)
    return JobStatus(job_id=job_id, state=state, reason=word if word in ("failed", "expired", "cancelled") else None)


def _mark_of(batch: JsonObject) -> JsonValue:
    return as_object(batch.get("metadata")).get(_MARK)


def _results(data: bytes) -> Iterator[JsonObject]:
    for line in data.splitlines():
        value, is_json = parse_json(line)
        if not is_json:
            raise unreadable(VENDOR, _READ, code="unreadable_line")
        yield as_object(value)


def _no_units(_count: int) -> Units:
    return {}
