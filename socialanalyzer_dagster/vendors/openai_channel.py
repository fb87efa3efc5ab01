"""The official OpenAI SDK behind the language model: its own retries off, its errors read as ours (contracts 7.3).

The SDK is typed for HTTPX2 but sends through the HTTPX client it is given; hence the casts (contracts 7).
"""

import re
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, cast

import httpx
from openai import APIConnectionError, APIStatusError, AsyncOpenAI

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.domain.types import JsonObject, JsonValue
from socialanalyzer_dagster.vendors.http import (
    Connection,
    Headers,
    as_object,
    fault_error,
    in_time,
    known_code,
    parse_json,
    retry_after_seconds,
    settle_class,
    status_error,
    unreadable,
)
from socialanalyzer_dagster.vendors.llm import VENDOR, ChannelReply
from socialanalyzer_dagster.vendors.llm_batches import ENDPOINT
from socialanalyzer_dagster.vendors.quotas import duration_seconds, openai_quotas
from socialanalyzer_dagster.vendors.transport import CONNECT_SECONDS

TRANSCRIPTION_SECONDS = 300.0
_NEWEST_BATCHES = 100
_NO_MONEY = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
    }
)
_CODES = _NO_MONEY | {
    "invalid_request_error",
    "context_length_exceeded",
    "invalid_api_key",
    "model_not_found",
    "rate_limit_exceeded",
    "slow_down",
}


class OpenAIChannel:
    """Sends what the language model describes; repeats nothing."""

    def __init__(self, connection: Connection, api_key: str) -> None:
        self._client = connection.client
        self._sdk = AsyncOpenAI(
            api_key=api_key,
            base_url=connection.base_url,
            max_retries=0,
            http_client=cast(Any, connection.client),
            timeout=cast(Any, connection.client.timeout),
        )

    async def chat(self, body: JsonObject) -> ChannelReply:
        """A chat completion as JSON; by the SDK's generic call, as its typed one spends 4 ms on copying the schema."""
        model = str(body["model"])
        sending = self._sdk.post("/chat/completions", body=body, cast_to=httpx.Response)
        try:
            response = await in_time(VENDOR, "openai.chat", self._client.timeout.read, sending)
        except (APIStatusError, APIConnectionError) as error:
            raise sdk_error("openai.chat", error, model) from None
        return _reply("openai.chat", response, model)

    async def transcribe(self, model: str, audio: tuple[str, bytes, str]) -> ChannelReply:
        """A transcription as JSON; `audio` is file name, bytes and content type."""
        timeout = cast(Any, httpx.Timeout(TRANSCRIPTION_SECONDS, connect=CONNECT_SECONDS))
        sending = self._sdk.audio.transcriptions.with_raw_response.create(
            file=audio, model=model, response_format="json", timeout=timeout
        )
        try:
            raw = await in_time(VENDOR, "openai.transcription", TRANSCRIPTION_SECONDS, sending)
        except (APIStatusError, APIConnectionError) as error:
            raise sdk_error("openai.transcription", error) from None
        return _reply("openai.transcription", cast(httpx.Response, raw.http_response))

    async def upload_lines(self, data: bytes) -> str:
        """The id of an uploaded file of batch lines; uploading twice is harmless."""
        file = ("lines.jsonl", data, "application/jsonl")
        body = await self._asked(
            "openai.batch_read", self._sdk.files.with_raw_response.create(file=file, purpose="batch")
        )
        file_id = body.get("id")
        if not isinstance(file_id, str):
            raise unreadable(VENDOR, "openai.batch_read", code="answer_without_file_id")
        return file_id

    async def create_batch(self, file_id: str, metadata: Mapping[str, str]) -> JsonObject:
        """A new batch over an uploaded file; every call buys another one."""
        batches = self._sdk.batches.with_raw_response
        return await self._asked(
            "openai.batch",
            batches.create(completion_window="24h", endpoint=ENDPOINT, input_file_id=file_id, metadata=dict(metadata)),
        )

    async def batch(self, batch_id: str) -> JsonObject:
        """Where a batch stands, and the names of its files."""
        return await self._asked("openai.batch_read", self._sdk.batches.with_raw_response.retrieve(batch_id))

    async def newest_batches(self) -> Sequence[JsonObject]:
        """The newest batches of the account, newest first."""
        listed = await self._asked("openai.batch_read", self._sdk.batches.with_raw_response.list(limit=_NEWEST_BATCHES))
        batches = listed.get("data")
        return [as_object(each) for each in batches] if isinstance(batches, list) else []

    async def cancel_batch(self, batch_id: str) -> None:
        """Ask the vendor to stop a batch; what it finished until then stays, and is billed."""
        await self._asked("openai.batch_read", self._sdk.batches.with_raw_response.cancel(batch_id))

    async def file_content(self, file_id: str) -> bytes:
        """The bytes of a file."""
        try:
            raw = await self._sdk.files.with_raw_response.content(file_id)
        except (APIStatusError, APIConnectionError) as error:
            raise sdk_error("openai.batch_read", error) from None
        return cast(httpx.Response, raw.http_response).content

    async def _asked(self, operation: str, request: Awaitable[Any]) -> JsonObject:
        try:
            raw = await request
        except (APIStatusError, APIConnectionError) as error:
            raise sdk_error(operation, error) from None
        return as_object(_reply(operation, cast(httpx.Response, raw.http_response)).body)

    async def models(self) -> int:
        """How many models the key may use."""
        try:
            raw = await self._sdk.models.with_raw_response.list()
        except (APIStatusError, APIConnectionError) as error:
            raise sdk_error("openai.status", error) from None
        listed = as_object(_reply("openai.status", cast(httpx.Response, raw.http_response)).body).get("data")
        return len(listed) if isinstance(listed, list) else 0

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _reply(operation: str, response: httpx.Response, model: str | None = None) -> ChannelReply:
    value, is_json = parse_json(response.content)
    refused = classify(response.status_code, response.headers, value if is_json else None)
    if refused is not None:
        raise settle_class(refused, operation)
    if not is_json:
        raise unreadable(VENDOR, operation, status=response.status_code)
    return ChannelReply(value, response.headers.get("x-request-id"), openai_quotas(response.headers, model))


def sdk_error(operation: str, error: APIStatusError | APIConnectionError, model: str | None = None) -> VendorError:
    """The SDK's error as ours; nothing of its text, which may quote the body, is kept."""
    if isinstance(error, APIStatusError):
        value, is_json = parse_json(error.response.content)
        found = classify(error.response.status_code, error.response.headers, value if is_json else None)
        ours = settle_class(found, operation) if found else unreadable(VENDOR, operation, status=error.status_code)
        ours.quotas = openai_quotas(error.response.headers, model)
        return ours
    cause = error.__cause__
    if isinstance(cause, httpx.RequestError):
        return fault_error(VENDOR, operation, cause)
    return unreadable(VENDOR, operation, code="connection_broken")


def classify(status: int, headers: Headers, body: JsonValue) -> VendorError | None:
    """Contracts 7.3: a 429 may mean 'slow down' or 'no money'; a missing model stops the service."""
    problem = as_object(as_object(body).get("error"))
    code = known_code(problem.get("code"), _CODES) or known_code(problem.get("type"), _CODES)
    out_of_money = {known_code(problem.get(key), _NO_MONEY) for key in ("type", "code")} - {None}
    if out_of_money and status >= 400:
        return VendorError(VENDOR, ErrorClass.PERMANENT_SERVICE, min(map(str, out_of_money)), status=status)
    if status == 429 or (status == 503 and code == "slow_down"):
        wait = _wait_seconds(headers)
        return VendorError(VENDOR, ErrorClass.THROTTLED, code or "throttled", status=status, retry_after_seconds=wait)
    if status == 404 and code == "model_not_found":
        return VendorError(VENDOR, ErrorClass.PERMANENT_SERVICE, code, status=status)
    if status == 409:
        return VendorError(VENDOR, ErrorClass.TRANSIENT, "http_409", status=status)
    if problem and 200 <= status < 300:
        return VendorError(VENDOR, ErrorClass.UNKNOWN, code or "error_in_answer", status=status)
    return status_error(VENDOR, status, headers, code=code)


def _wait_seconds(headers: Headers) -> float | None:
    """`retry-after-ms`, else `retry-after`, else the later of the reset headers."""
    text = headers.get("retry-after-ms", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        return float(text) / 1000
    wait = retry_after_seconds(headers)
    if wait is not None:
        return wait
    resets = [duration_seconds(headers.get(f"x-ratelimit-reset-{kind}", "")) for kind in ("requests", "tokens")]
    return max((seconds for seconds in resets if seconds is not None), default=None)
