"""Facts about model calls: what is sent, what it may cost, how answers and errors are read (contracts 7, spec 12.3)."""

import hashlib
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx
import pytest
from wire_answers import answering, connected, value_of

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.domain.types import canonical_json
from socialanalyzer_dagster.vendors.images import evidence_grid
from socialanalyzer_dagster.vendors.llm import LanguageModel, ModelRequest, minutes, worst_units
from socialanalyzer_dagster.vendors.model_tokens import image_tokens
from socialanalyzer_dagster.vendors.openai_channel import OpenAIChannel
from socialanalyzer_dagster.vendors.quotas import duration_seconds

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["decision"],
    "properties": {"decision": {"type": "string"}},
}
REQUEST = ModelRequest(
    model="gpt-4o",
    system="Judge.",
    user="<<8f3a>> bio ü <<8f3a>>",
    fingerprint_text="<<boundary>> bio ü <<boundary>>",
    schema_name="triage_v1",
    schema=SCHEMA,
    max_output_tokens=500,
)
USAGE = {"prompt_tokens": 905, "completion_tokens": 12, "prompt_tokens_details": {"cached_tokens": 100}}


def model(connection) -> LanguageModel:
    return LanguageModel(OpenAIChannel(connection, "key"))


def completion(
    content: Any = '{"decision":"pass"}', *, reason: str = "stop", refusal: Any = None, usage: Any = USAGE
) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, "refusal": refusal}
    choice = {"index": 0, "finish_reason": reason, "message": message, "logprobs": None}
    return {"id": "c1", "object": "chat.completion", "model": "gpt-4o-2024-08-06", "choices": [choice], "usage": usage}


async def refusal_of(connection, request: ModelRequest = REQUEST) -> VendorError:
    with pytest.raises(VendorError) as caught:
        await model(connection).answer(request).send()
    return caught.value


async def test_a_json_object_is_an_answer_and_its_usage_is_the_bill():
    call = model(answering(200, completion(), {"x-request-id": "req_1"})).answer(REQUEST)
    reply = await call.send()
    answer = call.decode(reply.body)
    assert (answer.content, answer.finish_reason, answer.model) == ({"decision": "pass"}, "stop", "gpt-4o-2024-08-06")
    assert reply.units == {"openai.gpt-4o.input": 805, "openai.gpt-4o.cached_input": 100, "openai.gpt-4o.output": 12}
    assert reply.request_id == "req_1"


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": -1, "completion_tokens": 2}, {"prompt_tokens": "9"}])
async def test_an_answer_that_tells_no_usage_is_billed_at_its_worst(usage):
    call = model(answering(200, completion(usage=usage))).answer(REQUEST)
    assert (await call.send()).units == call.max_units


@pytest.mark.parametrize(
    ("body", "refused", "truncated"),
    [
        (completion(None, refusal="I cannot"), True, False),
        (completion('{"decision":', reason="length"), False, True),
        (completion('{"decision":"pass"}', reason="length"), False, True),
        (completion("", reason="content_filter"), True, False),
        (completion("not json"), False, False),
        (completion("[1]"), False, False),
        (completion('{"a": NaN}'), False, False),
        (completion(None), False, False),
    ],
)
async def test_everything_else_is_no_judgement(body, refused, truncated):
    answer = await value_of(model(answering(200, body)).answer(REQUEST))
    assert (answer.content, answer.is_refused, answer.is_truncated) == (None, refused, truncated)


@pytest.mark.parametrize("body", [{}, {"choices": []}, {"choices": None}, []])
async def test_a_body_without_a_choice_does_not_fit(body):
    call = model(answering(200, body)).answer(REQUEST)
    reply = await call.send()
    assert reply.units == call.max_units
    with pytest.raises(ValueError, match="no choice"):
        call.decode(reply.body)


async def test_the_request_is_a_strict_schema_with_inline_pictures():
    sent = []

    def handler(request):
        sent.append((request.url.path, json.loads(request.content)))
        return httpx.Response(200, json=completion())

    picture = evidence_grid([])
    await model(connected(handler)).answer(replace(REQUEST, images=(picture,), seed=2)).send()
    path, body = sent[0]
    text, image = body["messages"][1]["content"]
    assert path == "/api/chat/completions"
    assert body["response_format"]["json_schema"] == {"name": "triage_v1", "strict": True, "schema": SCHEMA}
    assert (body["max_completion_tokens"], body["temperature"], body["seed"]) == (500, 0.0, 2)
    assert text == {"type": "text", "text": REQUEST.user}
    assert image["image_url"]["url"] == f"data:image/jpeg;base64,{picture.base64_text}"
    assert image["image_url"]["detail"] == "high"


async def test_the_canonical_request_holds_no_boundary_and_pictures_by_their_content():
    picture = evidence_grid([])
    request = model(answering(200)).answer(replace(REQUEST, images=(picture,))).request
    text = canonical_json(request)
    assert "8f3a" not in text
    assert picture.base64_text not in text
    assert request["images"] == [hashlib.sha256(picture.data).hexdigest()]


def test_another_boundary_is_the_same_question_and_another_seed_is_not():
    client = model(answering(200))
    first = client.answer(REQUEST).request
    assert first == client.answer(replace(REQUEST, user=REQUEST.user.replace("8f3a", "77c1"))).request
    assert first != client.answer(replace(REQUEST, seed=1)).request


def test_the_worst_case_bounds_text_schema_and_pictures():
    texts = len(b"Judge.") + len(REQUEST.user.encode()) + len("triage_v1") + len(json.dumps(SCHEMA))
    assert worst_units(REQUEST) == {"openai.gpt-4o.input": texts + 32, "openai.gpt-4o.output": 500}
    with_picture = worst_units(replace(REQUEST, images=(evidence_grid([]),)))
    assert with_picture["openai.gpt-4o.input"] == texts + 32 + 765


@pytest.mark.parametrize(
    ("width", "height", "tokens"),
    [(1200, 1600, 765), (512, 512, 255), (1, 1, 255), (1024, 1024, 765), (2048, 4096, 1105), (4096, 512, 765)],
)
def test_picture_tokens_follow_the_tile_formula(width, height, tokens):
    assert image_tokens(width, height) == tokens


@pytest.mark.parametrize(
    ("status", "problem", "headers", "error_class", "wait"),
    [
        (400, {"type": "invalid_request_error"}, {}, ErrorClass.PERMANENT_ITEM, None),
        (400, {"code": "context_length_exceeded"}, {}, ErrorClass.PERMANENT_ITEM, None),
        (401, {"code": "invalid_api_key"}, {}, ErrorClass.PERMANENT_SERVICE, None),
        (403, {}, {}, ErrorClass.PERMANENT_SERVICE, None),
        (404, {"code": "model_not_found"}, {}, ErrorClass.PERMANENT_SERVICE, None),
        (413, {}, {}, ErrorClass.PERMANENT_ITEM, None),
        (
            429,
            {"code": "rate_limit_exceeded"},
            {"retry-after-ms": "250", "retry-after": "9"},
            ErrorClass.THROTTLED,
            0.25,
        ),
        (429, {"code": "rate_limit_exceeded"}, {"retry-after": "9"}, ErrorClass.THROTTLED, 9),
        (
            429,
            {},
            {"x-ratelimit-reset-requests": "12ms", "x-ratelimit-reset-tokens": "6m0s"},
            ErrorClass.THROTTLED,
            360,
        ),
        (429, {}, {}, ErrorClass.THROTTLED, None),
        (503, {"code": "slow_down"}, {"retry-after": "2"}, ErrorClass.THROTTLED, 2),
        (429, {"type": "insufficient_quota"}, {}, ErrorClass.PERMANENT_SERVICE, None),
        (429, {"code": "insufficient_quota"}, {}, ErrorClass.PERMANENT_SERVICE, None),
        (429, {"code": "credit_balance_exhausted"}, {}, ErrorClass.PERMANENT_SERVICE, None),
        (429, {"code": "organization_spend_limit_exceeded"}, {}, ErrorClass.PERMANENT_SERVICE, None),
        (429, {"code": "project_spend_limit_exceeded"}, {}, ErrorClass.PERMANENT_SERVICE, None),
        (429, {"code": "organization_usage_limit_exceeded"}, {}, ErrorClass.PERMANENT_SERVICE, None),
        (408, {}, {}, ErrorClass.TRANSIENT, None),
        (409, {}, {}, ErrorClass.TRANSIENT, None),
        (500, {}, {}, ErrorClass.TRANSIENT, None),
        (502, {}, {}, ErrorClass.TRANSIENT, None),
        (503, {}, {}, ErrorClass.TRANSIENT, None),
        (504, {}, {}, ErrorClass.TRANSIENT, None),
    ],
)
async def test_the_error_table(status, problem, headers, error_class, wait):
    asked = []

    def handler(request):
        asked.append(request)
        return httpx.Response(status, json={"error": {"message": "secret bio", **problem}}, headers=headers)

    error = await refusal_of(connected(handler))
    assert (error.error_class, error.retry_after_seconds) == (error_class, wait)
    assert "secret" not in f"{error!r}{vars(error)}"
    assert len(asked) == 1, "the SDK must not repeat anything"


async def test_an_error_object_or_no_json_in_a_200_is_a_lost_answer():
    assert (await refusal_of(answering(200, {"error": {"message": "x"}}))).error_class is ErrorClass.UNKNOWN
    assert (await refusal_of(answering(200, "<html>"))).error_class is ErrorClass.UNKNOWN


@pytest.mark.parametrize(
    ("fault", "error_class", "sent"),
    [
        (httpx.ReadTimeout("x"), ErrorClass.UNKNOWN, True),
        (httpx.ReadError("x"), ErrorClass.UNKNOWN, True),
        (httpx.RemoteProtocolError("x"), ErrorClass.UNKNOWN, True),
        (httpx.ConnectError("x"), ErrorClass.TRANSIENT, False),
        (httpx.ConnectTimeout("x"), ErrorClass.TRANSIENT, False),
    ],
)
async def test_a_fault_of_the_connection_is_read_through_the_sdk(fault, error_class, sent):
    def handler(_request):
        raise fault

    error = await refusal_of(connected(handler))
    assert (error.error_class, error.sent) == (error_class, sent)


@pytest.mark.parametrize(
    ("text", "seconds"), [("6m0s", 360), ("12ms", 0.012), ("1h2m3.5s", 3723.5), ("1s", 1), ("", None), ("soon", None)]
)
def test_reset_headers_are_durations(text, seconds):
    assert duration_seconds(text) == seconds


def transcription(connection, seconds: str = "7"):
    return model(connection).transcribe(
        b"audio", content_type="video/mp4", seconds=Decimal(seconds), model="whisper-1", sha256="ab"
    )


async def test_a_transcription_is_billed_by_exact_seconds():
    sent = []

    def handler(request):
        sent.append((request.url.path, request.content))
        return httpx.Response(200, json={"text": "hello", "usage": {"type": "duration", "seconds": 7}})

    call = transcription(connected(handler), "6.2")
    reply = await call.send()
    price = Decimal(6000)
    assert call.decode(reply.body).text == "hello"
    assert call.request == {"model": "whisper-1", "sha256": "ab"}
    assert (reply.units["openai.whisper-1"] * price).to_integral_value(rounding="ROUND_CEILING") == 700
    assert reply.units["openai.whisper-1"] <= call.max_units["openai.whisper-1"]
    assert sent[0][0] == "/api/audio/transcriptions"
    assert b'filename="audio.mp4"' in sent[0][1]


async def test_without_reported_seconds_the_known_length_is_billed():
    reply = await transcription(answering(200, {"text": "", "usage": {"type": "tokens"}}), "30").send()
    assert reply.units == {"openai.whisper-1": Decimal("0.5")}


@pytest.mark.parametrize("seconds", range(1, 200, 7))
def test_whole_prices_stay_whole(seconds):
    micros = minutes(Decimal(seconds)) * 6000
    assert int(micros.to_integral_value(rounding="ROUND_CEILING")) == seconds * 100


@pytest.mark.parametrize(
    ("audio", "content_type", "seconds"),
    [(b"a", "text/plain", "1"), (b"a" * 25_000_001, "audio/wav", "1"), (b"a", "audio/wav", "0")],
)
def test_audio_that_the_vendor_would_refuse_is_never_described(audio, content_type, seconds):
    with pytest.raises(ValueError, match="audio needs"):
        model(answering(200)).transcribe(
            audio, content_type=content_type, seconds=Decimal(seconds), model="whisper-1", sha256="x"
        )


async def test_a_transcription_without_text_does_not_fit():
    with pytest.raises(ValueError, match="no text"):
        await value_of(transcription(answering(200, {"usage": {}})))
