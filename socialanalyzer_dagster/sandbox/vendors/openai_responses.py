"""The Responses API as far as it is an alternative to chat completions: text in, structured text out."""

from typing import Any

from starlette.responses import Response

from socialanalyzer_dagster.sandbox.store import Json
from socialanalyzer_dagster.sandbox.vendors.openai_chat import Completion, charge, complete
from socialanalyzer_dagster.sandbox.vendors.openai_wire import RefusedError, body_object, snapshot
from socialanalyzer_dagster.sandbox.wire import Call, json_response
from socialanalyzer_dagster.sandbox.world.dice import token

_TEXT_PARTS = ("input_text", "output_text", "text")


def responses(call: Call) -> Response:
    """``POST /responses``: billed like a chat completion of the same text."""
    body = body_object(call)
    done = complete(call, _as_chat(body))
    answer = _answer(call, body, done)
    charge(call, "responses", done, reference=answer["id"])
    return json_response(answer)


def _as_chat(body: dict[str, Any]) -> dict[str, Any]:
    given = body.get("input")
    messages = (
        [{"role": "user", "content": given}] if isinstance(given, str) else [_message(item) for item in given or []]
    )
    if isinstance(body.get("instructions"), str):
        messages.insert(0, {"role": "system", "content": body["instructions"]})
    wanted = (body.get("text") or {}).get("format") or {"type": "text"}
    if wanted.get("type") == "json_schema":
        wanted = {"type": "json_schema", "json_schema": {key: wanted.get(key) for key in ("name", "schema", "strict")}}
    return {
        "model": body.get("model"), "messages": messages, "response_format": wanted,
        "max_completion_tokens": body.get("max_output_tokens"),
    }  # fmt: skip


def _message(item: Json) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise RefusedError(400, "Invalid type for 'input'.", param="input")
    content = item.get("content")
    if isinstance(content, list):
        content = [_part(part) for part in content]
    return {"role": item.get("role", "user"), "content": content}


def _part(part: dict[str, Any]) -> dict[str, Any]:
    if part.get("type") in _TEXT_PARTS:
        return {"type": "text", "text": part.get("text", "")}
    return {"type": "image_url", "image_url": {"url": part.get("image_url"), "detail": part.get("detail", "auto")}}


def _answer(call: Call, body: dict[str, Any], done: Completion) -> dict[str, Any]:
    identity = token(32, call.state.config.seed, call.fingerprint, call.ordinal)
    is_cut = done.finish_reason != "stop"
    if done.refusal is not None:
        content: dict[str, Any] = {"type": "refusal", "refusal": done.refusal}
    else:
        content = {"type": "output_text", "text": done.content or "", "annotations": [], "logprobs": []}
    reason = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(done.finish_reason)
    return {
        "id": f"resp_{identity}", "object": "response", "created_at": call.state.clock.timestamp(),
        "status": "incomplete" if is_cut else "completed", "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "instructions": body.get("instructions"), "metadata": body.get("metadata") or {}, "model": snapshot(done.model),
        "output": [{"type": "message", "id": f"msg_{identity}", "status": "incomplete" if is_cut else "completed",
        "role": "assistant",
                    "content": [content]}],
        "parallel_tool_calls": True, "temperature": body.get("temperature", 1), "top_p": body.get("top_p", 1),
        "tool_choice": "auto", "tools": [],
        "usage": {
            "input_tokens": done.prompt_tokens, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": done.completion_tokens, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": done.prompt_tokens + done.completion_tokens,
        },
    }  # fmt: skip
