"""The language model: structured answers, vision and transcription as calls for the gate (contracts 7, spec 9.1)."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import Protocol

from socialanalyzer_dagster.domain.calls import JobStatus, Quota, Reply, VendorCall
from socialanalyzer_dagster.domain.types import JsonObject, JsonValue
from socialanalyzer_dagster.vendors.http import ServiceStatus, UnexpectedBodyError, as_object, parse_json, status_call
from socialanalyzer_dagster.vendors.images import Picture
from socialanalyzer_dagster.vendors.llm_batches import ModelBatches
from socialanalyzer_dagster.vendors.model_tokens import Usage, chat_units, image_tokens, input_tokens_bound, read_usage
from socialanalyzer_dagster.vendors.quotas import expected_tokens

VENDOR = "openai"
MOST_AUDIO_BYTES = 25_000_000
_MINUTE_DIGITS = Decimal("1e-18")
_SUFFIXES = {
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/x-m4a": "m4a",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/ogg": "ogg",
    "audio/webm": "webm",
    "video/mp4": "mp4",
    "video/webm": "webm",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One question with a strict JSON schema.

    `fingerprint_text` is `user` with the data boundary replaced by a constant, so that equal questions are recognised;
    `seed` is the ordinal of a repeat; pictures are sent at high detail.
    """

    model: str
    system: str
    user: str
    fingerprint_text: str
    schema_name: str
    schema: JsonObject
    max_output_tokens: int
    temperature: Decimal = Decimal(0)
    seed: int | None = None
    images: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAnswer:
    """What the model said; `content` is None when it is no JSON object, which is never a judgement (I-5).

    `finish_reason` is `stop`, `length` (truncated), `content_filter` or what else the vendor says.
    """

    content: JsonObject | None
    finish_reason: str | None
    refusal: str | None
    model: str | None
    usage: Usage | None
    text: str | None = field(default=None, repr=False)

    @property
    def is_refused(self) -> bool:
        """True when the model or its filter declined to answer: no re-ask (spec 9.1)."""
        return bool(self.refusal) or self.finish_reason == "content_filter"

    @property
    def is_truncated(self) -> bool:
        """True when the answer ended at the token limit."""
        return self.finish_reason == "length"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """The spoken words; an empty text means that nothing was said."""

    text: str


@dataclass(frozen=True, slots=True)
class ChannelReply:
    """A successful answer of the vendor's SDK."""

    body: JsonValue
    request_id: str | None
    quotas: tuple[Quota, ...] = ()


class Channel(Protocol):
    """How requests reach the vendor; raises VendorError."""

    async def chat(self, body: JsonObject) -> ChannelReply: ...

    async def transcribe(self, model: str, audio: tuple[str, bytes, str]) -> ChannelReply: ...

    async def models(self) -> int: ...

    async def aclose(self) -> None: ...


class LanguageModel:
    """Describes model calls, with `batches` also as lines of one; nothing is sent before the gate does it."""

    def __init__(self, channel: Channel, batches: ModelBatches | None = None) -> None:
        self._channel = channel
        self._batches = batches

    def answer(self, request: ModelRequest) -> VendorCall[ModelAnswer]:
        """One structured answer; the worst case is the bound of spec 12.3."""
        body = chat_body(request)

        async def send() -> Reply:
            reply = await self._channel.chat(body)
            units = chat_units(request.model, reply.body) or worst_units(request)
            return Reply(body=reply.body, units=units, request_id=reply.request_id, quotas=reply.quotas)

        worst, pictures = worst_units(request), sum(image_tokens(each.width, each.height) for each in request.images)
        return VendorCall(
            operation="openai.chat",
            request=canonical_request(request),
            max_units=worst,
            send=send,
            decode=decode_answer,
            line=None if self._batches is None else self._batches.line(request.model, body, _size(request)),
            tokens={request.model: expected_tokens(worst, pictures)},
        )

    def transcribe(
        self, audio: bytes, *, content_type: str, seconds: Decimal, model: str, sha256: str
    ) -> VendorCall[Transcript]:
        """The words of an audio or video file of known length; billed per minute, exactly seconds / 60.

        Raises ValueError when the type is not accepted, the file is above 25 MB or the length is not positive.
        """
        suffix = _SUFFIXES.get(content_type.partition(";")[0].strip().lower())
        if suffix is None or len(audio) > MOST_AUDIO_BYTES or not seconds > 0:
            raise ValueError("audio needs an accepted type, at most 25 MB and a known length")
        price_key = f"openai.{model}"

        async def send() -> Reply:
            reply = await self._channel.transcribe(model, (f"audio.{suffix}", audio, content_type))
            billed = _billed_seconds(reply.body)
            units = {price_key: minutes(seconds if billed is None else billed)}
            return Reply(body=reply.body, units=units, request_id=reply.request_id, quotas=reply.quotas)

        return VendorCall(
            operation="openai.transcription",
            request={"model": model, "sha256": sha256},
            max_units={price_key: minutes(Decimal(math.ceil(seconds)))},
            send=send,
            decode=decode_transcript,
        )

    def batch_status(self, job_id: str) -> VendorCall[JobStatus] | None:
        """Where a batch of lines stands; free. None where answers are not bought as lines."""
        return None if self._batches is None else self._batches.job_status(job_id)

    def status(self) -> VendorCall[ServiceStatus]:
        """A free call that proves the key works and counts the models it may use."""

        async def detail() -> str:
            return f"{await self._channel.models()} models"

        return status_call(VENDOR, "openai.status", detail)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._channel.aclose()


def chat_body(request: ModelRequest) -> JsonObject:
    """The request as it is sent; pictures travel inline, so no link can expire or be fetched twice."""
    if not request.images:
        return _chat(request, request.user)
    return _chat(request, [{"type": "text", "text": request.user}, *map(_image_part, request.images)])


def canonical_request(request: ModelRequest) -> JsonObject:
    """The request for fingerprint and store: no boundary, and pictures by their content (spec 9.1)."""
    return {
        **_chat(request, request.fingerprint_text),
        "images": [picture.sha256 for picture in request.images],
    }


def _chat(request: ModelRequest, content: JsonValue) -> dict[str, JsonValue]:
    schema: JsonObject = {"name": request.schema_name, "strict": True, "schema": request.schema}
    body: dict[str, JsonValue] = {
        "model": request.model,
        "messages": [{"role": "system", "content": request.system}, {"role": "user", "content": content}],
        "response_format": {"type": "json_schema", "json_schema": schema},
        "temperature": float(request.temperature),
        "max_completion_tokens": request.max_output_tokens,
    }
    if request.seed is not None:
        body["seed"] = request.seed
    return body


def _size(request: ModelRequest) -> int:
    """About how many bytes the request takes on the wire."""
    texts = len(request.system) + len(request.user) + len(json.dumps(request.schema))
    return 2 * texts + sum(len(picture.base64_text) for picture in request.images)


def _image_part(picture: Picture) -> JsonObject:
    url = f"data:{picture.content_type};base64,{picture.base64_text}"
    return {"type": "image_url", "image_url": {"url": url, "detail": "high"}}


def decode_answer(body: JsonValue) -> ModelAnswer:
    """The first choice of an answer; raises ValueError when there is none."""
    choices = as_object(body).get("choices")
    if not isinstance(choices, list) or not choices:
        raise UnexpectedBodyError("the answer has no choice")
    choice = as_object(choices[0])
    message = as_object(choice.get("message"))
    text, refusal, reason = message.get("content"), message.get("refusal"), choice.get("finish_reason")
    model = as_object(body).get("model")
    return ModelAnswer(
        content=_json_object(text) if reason == "stop" and not refusal else None,
        finish_reason=reason if isinstance(reason, str) else None,
        refusal=refusal if isinstance(refusal, str) and refusal else None,
        model=model if isinstance(model, str) else None,
        usage=read_usage(body),
        text=text if isinstance(text, str) else None,
    )


def _json_object(text: JsonValue) -> JsonObject | None:
    value, is_json = parse_json(text.encode()) if isinstance(text, str) else (None, False)
    return value if is_json and isinstance(value, Mapping) else None


def worst_units(request: ModelRequest) -> dict[str, int]:
    """Bounds of input and output tokens (spec 12.3)."""
    texts = (request.system, request.user, request.schema_name, json.dumps(request.schema, ensure_ascii=False))
    pictures = [(picture.width, picture.height) for picture in request.images]
    return {
        f"openai.{request.model}.input": input_tokens_bound(texts, pictures),
        f"openai.{request.model}.output": request.max_output_tokens,
    }


def minutes(seconds: Decimal) -> Decimal:
    """Minutes for the price table, rounded down far below a micro-dollar so that whole prices stay whole."""
    return (seconds / 60).quantize(_MINUTE_DIGITS, rounding=ROUND_DOWN)


def _billed_seconds(body: JsonValue) -> Decimal | None:
    usage = as_object(as_object(body).get("usage"))
    seconds = usage.get("seconds")
    if usage.get("type") != "duration" or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return None
    return Decimal(str(seconds)) if seconds >= 0 else None


def decode_transcript(body: JsonValue) -> Transcript:
    """Raises ValueError when the answer has no text."""
    text = as_object(body).get("text")
    if not isinstance(text, str):
        raise UnexpectedBodyError("the transcription has no text")
    return Transcript(text=text)
