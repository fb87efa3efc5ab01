"""How the simulated OpenAI speaks: bearer keys, error bodies, rate headers, models and multipart uploads."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from socialanalyzer_dagster.sandbox.limits import TOKENS, WINDOWS, Usage
from socialanalyzer_dagster.sandbox.prices import CHAT_MODELS, EMBEDDING_USD_PER_MILLION_TOKENS, TRANSCRIPTION_MODELS
from socialanalyzer_dagster.sandbox.wire import Call, Refusal, VendorWire, json_response
from socialanalyzer_dagster.sandbox.world.dice import token

EMBEDDING_MODELS = tuple(EMBEDDING_USD_PER_MILLION_TOKENS)
MODELS = (*CHAT_MODELS, *EMBEDDING_MODELS, *TRANSCRIPTION_MODELS)
_SNAPSHOTS = {
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano": "gpt-4.1-nano-2025-04-14",
}
_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_TYPES = {
    "unauthorized": "invalid_request_error",
    "forbidden": "insufficient_permissions",
    "not_found": "invalid_request_error",
    "method_not_allowed": "invalid_request_error",
    "rate_limited": "requests",
    "tokens": "tokens",
    "server_error": "server_error",
}
_CODES = {
    "unauthorized": "invalid_api_key",
    "rate_limited": "rate_limit_exceeded",
    "tokens": "rate_limit_exceeded",
    "not_found": "unknown_url",
}
_REQUESTS_PER_MINUTE, _TOKENS_PER_MINUTE = (WINDOWS[key][0].calls for key in ("openai", TOKENS))


class RefusedError(Exception):
    """A request the vendor refuses; carries the finished error answer's parts."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = error_body(message, "invalid_request_error", param=param, code=code)


def error_body(message: str, kind: str, *, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """The vendor's error shape."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def base_model(name: object) -> str:
    """The price table's name of a model, dated snapshots included; RefusedError 404 for a model that is not served."""
    if not isinstance(name, str):
        raise RefusedError(400, "you must provide a model parameter")
    base = _DATED.sub("", name)
    if base not in MODELS:
        message = f"The model `{name}` does not exist or you do not have access to it."
        raise RefusedError(404, message, code="model_not_found")
    return base


def snapshot(model: str) -> str:
    """The dated name that answers carry."""
    return _SNAPSHOTS.get(model, model)


def body_object(call: Call) -> dict[str, Any]:
    """The request body as a JSON object; RefusedError 400 when it is none."""
    try:
        body = call.json()
    except ValueError as error:
        raise RefusedError(400, f"We could not parse the JSON body of your request: {error}") from error
    if not isinstance(body, dict):
        raise RefusedError(400, "We could not parse the JSON body of your request: an object is expected")
    return body


def answering(handler: Callable[[Call], Response]) -> Callable[[Call], Response]:
    """The handler, with every ``RefusedError`` turned into the vendor's error answer."""

    def answer(call: Call) -> Response:
        try:
            return handler(call)
        except RefusedError as error:
            return json_response(error.body, error.status)

    return answer


@dataclass(frozen=True)
class Part:
    """One part of a multipart form."""

    name: str
    filename: str | None
    body: bytes


def multipart_parts(call: Call) -> dict[str, Part]:
    """The parts of a multipart body by name (``name[]`` without the brackets); RefusedError 400 when it is none."""
    content_type = call.request.headers.get("content-type", "")
    found = re.search(r'boundary="?([^";]+)"?', content_type)
    if not content_type.startswith("multipart/form-data") or found is None:
        raise RefusedError(400, "a multipart/form-data body is expected")
    parts = {}
    for section in call.body.split(b"--" + found.group(1).encode()):
        head, separator, body = section.partition(b"\r\n\r\n")
        name = re.search(rb'[; ]name="([^"]*)"', head)
        if not separator or name is None:
            continue
        filename = re.search(rb'filename="([^"]*)"', head)
        key = name.group(1).decode().removesuffix("[]")
        parts[key] = Part(key, filename.group(1).decode() if filename else None, body.removesuffix(b"\r\n"))
    return parts


def _authorize(call: Call) -> Response | None:
    scheme, _, key = call.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key and key != "invalid":
        return None
    message = "Incorrect API key provided." if key else "You didn't provide an API key."
    return json_response(error_body(message, "invalid_request_error", code="invalid_api_key"), 401, _id_headers(call))


def _refuse(call: Call, refusal: Refusal) -> Response:
    message = refusal.message
    if refusal.kind == "not_found":
        message = f"Invalid URL ({call.request.method} {call.request.url.path.removeprefix('/openai')})"
    headers = _id_headers(call)
    if refusal.retry_after_seconds is not None:
        headers["retry-after"] = str(max(1, round(refusal.retry_after_seconds)))
        headers["retry-after-ms"] = str(round(refusal.retry_after_seconds * 1000))
    body = error_body(message, _TYPES.get(refusal.kind, "invalid_request_error"), code=_CODES.get(refusal.kind))
    return json_response(body, refusal.status, headers)


def tokens_refusal(model: str, usage: Usage) -> Refusal:
    """A call that would use more of a model's tokens than the account has left in this minute."""
    message = f"Rate limit reached for {model} on tokens per min (TPM): Limit {usage.window.calls}, Used {usage.used}."
    return Refusal(429, "tokens", message, usage.resets_in_seconds, usage)


def _rate_headers(call: Call) -> Mapping[str, str]:
    requests = next((usage for usage in call.usage if usage.window.name != "tokens"), None)
    tokens = next((usage for usage in call.usage if usage.window.name == "tokens"), None)
    return {
        **_id_headers(call),
        "openai-version": "2020-10-01",
        "openai-processing-ms": "12",
        **_quota_headers("requests", requests, _REQUESTS_PER_MINUTE),
        **_quota_headers("tokens", tokens, _TOKENS_PER_MINUTE),
    }


def _quota_headers(kind: str, usage: Usage | None, limit: int) -> Mapping[str, str]:
    """What is left of a quota, and when it is full again; all of it where nothing is counted."""
    left, resets = (limit, 0.0) if usage is None else (usage.left, usage.resets_in_seconds)
    return {
        f"x-ratelimit-limit-{kind}": str(limit if usage is None else usage.window.calls),
        f"x-ratelimit-remaining-{kind}": str(left),
        f"x-ratelimit-reset-{kind}": f"{resets:.3f}s",
    }


def _id_headers(call: Call) -> dict[str, str]:
    return {"x-request-id": f"req_{token(32, call.state.config.seed, call.fingerprint, call.ordinal)}"}


WIRE = VendorWire("openai", "/openai/v1", _authorize, _refuse, _rate_headers)
