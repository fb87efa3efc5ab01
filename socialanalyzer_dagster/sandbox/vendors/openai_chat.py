"""Chat completions: checks of the request, the answer from the hidden truth, token usage and billing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from starlette.responses import Response

from socialanalyzer_dagster.sandbox.prices import CHAT_MODELS
from socialanalyzer_dagster.sandbox.store import Json
from socialanalyzer_dagster.sandbox.vendors.openai_answers import answer_text
from socialanalyzer_dagster.sandbox.vendors.openai_judgement import judge
from socialanalyzer_dagster.sandbox.vendors.openai_tokens import prompt_tokens, text_tokens, texts_of
from socialanalyzer_dagster.sandbox.vendors.openai_wire import (
    WIRE,
    RefusedError,
    base_model,
    body_object,
    error_body,
    snapshot,
    tokens_refusal,
)
from socialanalyzer_dagster.sandbox.wire import Call, json_response
from socialanalyzer_dagster.sandbox.world.dice import base62

_DEFAULT_TOKEN_LIMIT = 16_384
_BYTES_PER_TOKEN = 4
_REFUSAL = "I'm sorry, I can't help with that request."
_PLAIN_ANSWER = "The material describes a creator with a clear topic."


@dataclass(frozen=True)
class Completion:
    """One answered completion: its text (or refusal), why it ended, and what it used."""

    model: str
    content: str | None
    refusal: str | None
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int

    def usage(self) -> dict[str, Any]:
        """Usage in the shape of chat completions."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }  # fmt: skip


def chat_completions(call: Call) -> Response:
    """``POST /chat/completions``: a completion, billed by its usage; refused requests cost nothing."""
    body = body_object(call)
    done = complete(call, body)
    usages = call.state.limits.take_tokens(done.model, done.prompt_tokens + _token_limit(body))
    call.usage.extend(usages)
    if any(usage.is_over for usage in usages):
        return WIRE.refuse(call, tokens_refusal(done.model, usages[0]))
    if call.fault == "out_of_money":
        message = "You exceeded your current quota, please check your plan and billing details."
        return json_response(error_body(message, "insufficient_quota", code="insufficient_quota"), 429)
    answer = completion_body(call, done, f"{call.fingerprint}-{call.ordinal}")
    charge(call, "chat_completions", done, reference=answer["id"])
    return json_response(answer)


def charge(call: Call, operation: str, done: Completion, *, factor: Fraction | int = 1, reference: str) -> None:
    """Bill one completion: exact price of its tokens, rounded up once."""
    items = {f"openai.{done.model}.input": done.prompt_tokens, f"openai.{done.model}.output": done.completion_tokens}
    call.state.bill.charge("openai", operation, items, factor=factor, reference=reference)


def completion_body(call: Call, done: Completion, identity: str) -> dict[str, Any]:
    """The answer of a completion; ``identity`` decides its id."""
    message: dict[str, Any] = {"role": "assistant", "content": done.content, "refusal": done.refusal, "annotations": []}
    return {
        "id": f"chatcmpl-{base62(29, call.state.config.seed, identity)}",
        "object": "chat.completion",
        "created": call.state.clock.timestamp(),
        "model": snapshot(done.model),
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": done.finish_reason}],
        "usage": done.usage(),
        "service_tier": "default",
        "system_fingerprint": f"fp_{base62(10, call.state.config.seed, done.model)}",
    }


def complete(call: Call, body: Mapping[str, Any]) -> Completion:
    """Answer one request body; RefusedError for what the vendor refuses."""
    model = base_model(body.get("model"))
    messages = body.get("messages")
    if model not in CHAT_MODELS:
        raise RefusedError(404, "This is not a chat model and thus not supported in this endpoint.", param="model")
    if not isinstance(messages, list) or not messages:
        raise RefusedError(
            400, "Missing required parameter: 'messages'.", param="messages", code="missing_required_parameter"
        )
    if body.get("stream"):
        raise RefusedError(400, "Streaming is not available for this organization.", param="stream")
    limit = _token_limit(body)
    used = prompt_tokens(call, messages)
    text = _content(call, body, "\n".join(texts_of(messages)))
    return _finished(call, model, text, limit=limit, used=used)


def _token_limit(body: Mapping[str, Any]) -> int:
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or _DEFAULT_TOKEN_LIMIT
    if not isinstance(limit, int) or limit < 1:
        raise RefusedError(400, "Invalid 'max_completion_tokens': a whole number above 0 is expected.")
    return limit


def _finished(call: Call, model: str, text: str, *, limit: int, used: int) -> Completion:
    if call.fault == "refusal":
        return Completion(model, None, _REFUSAL, "stop", used, min(limit, text_tokens(len(_REFUSAL))))
    if call.fault == "content_filter":
        return Completion(model, "", None, "content_filter", used, 0)
    if call.fault == "invalid_json":
        text = text.rstrip("}") + ", oops"
    packed = text.encode()
    if call.fault == "length":
        limit = min(limit, max(1, text_tokens(len(packed)) // 2))
    if text_tokens(len(packed)) > limit:
        cut = packed[: limit * _BYTES_PER_TOKEN].decode(errors="ignore")
        return Completion(model, cut, None, "length", used, limit)
    return Completion(model, text, None, "stop", used, text_tokens(len(packed)))


def _content(call: Call, body: Mapping[str, Any], prompt: str) -> str:
    wanted = body.get("response_format") or {"type": "text"}
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "text":
        return _PLAIN_ANSWER
    if kind == "json_object":
        return json.dumps({"answer": _PLAIN_ANSWER})
    if kind != "json_schema":
        raise RefusedError(400, "Invalid value for 'response_format.type'.", param="response_format")
    described = wanted.get("json_schema") or {}
    name, schema = described.get("name"), described.get("schema")
    if not isinstance(name, str) or not isinstance(schema, dict):
        raise RefusedError(400, "Missing required parameter: 'response_format.json_schema'.", param="response_format")
    return structured(
        call, prompt, name=name, schema=schema, is_strict=bool(described.get("strict")), ordinal=_ordinal(body)
    )


def structured(call: Call, prompt: str, *, name: str, schema: dict[str, Any], is_strict: bool, ordinal: int) -> str:
    """JSON text that fits a schema, from the truth of the creator named in the prompt."""
    if is_strict:
        check_strict(schema, name, "()")
    text = answer_text(call.state.config.seed, judge(call.state.world, prompt), name, schema, ordinal)
    return _out_of_range(text) if call.fault == "out_of_range" else text


def _ordinal(body: Mapping[str, Any]) -> int:
    seed = body.get("seed")
    return seed if isinstance(seed, int) else 0


def _out_of_range(text: str) -> str:
    answer = json.loads(text)
    for name, value in answer.items():
        if isinstance(value, float):
            answer[name] = 1.7
            break
        if isinstance(value, str):
            answer[name] = ""
            break
    return json.dumps(answer, ensure_ascii=False)


def check_strict(schema: Json, name: str, place: str) -> None:
    """RefusedError 400 unless every object lists all its properties as required and forbids others (strict mode)."""
    if isinstance(schema, list):
        for part in schema:
            check_strict(part, name, place)
    if not isinstance(schema, dict):
        return
    complaint = _complaint(schema, is_root=place == "()")
    if complaint is not None:
        message = f"Invalid schema for response_format '{name}': In context={place}, {complaint}"
        raise RefusedError(400, message, param="response_format")
    for key in ("properties", "$defs"):
        for inner_name, inner in (schema.get(key) or {}).items():
            check_strict(inner, name, f"({inner_name!r})")
    for key in ("items", "anyOf"):
        check_strict(schema.get(key), name, f"({key!r})")


def _complaint(schema: dict[str, Any], *, is_root: bool) -> str | None:
    if schema.get("type") != "object" and "properties" not in schema:
        return "schema must be a JSON Schema of 'type: \"object\"'." if is_root and "$ref" not in schema else None
    if schema.get("additionalProperties") is not False:
        return "'additionalProperties' is required to be supplied and to be false."
    if set(schema.get("required", [])) != set(schema.get("properties", {})):
        return "'required' is required to be supplied and to be an array including every key in properties."
    return None
