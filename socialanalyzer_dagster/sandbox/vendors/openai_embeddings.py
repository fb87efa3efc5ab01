"""Embeddings: vectors by hashing words, so that texts with common words lie close together."""

import base64
import math
import re
from array import array
from functools import lru_cache
from typing import Any

from starlette.responses import Response

from socialanalyzer_dagster.sandbox.vendors.openai_tokens import text_tokens
from socialanalyzer_dagster.sandbox.vendors.openai_wire import EMBEDDING_MODELS, RefusedError, base_model, body_object
from socialanalyzer_dagster.sandbox.wire import Call, json_response
from socialanalyzer_dagster.sandbox.world.dice import Dice

_LENGTHS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072}
_MOST_INPUTS, _MOST_TOKENS = 2048, 8192
_PLACES_PER_WORD = 24
_WORD = re.compile(r"\w+")


def embeddings(call: Call) -> Response:
    """``POST /embeddings``: base64 or float vectors of length 1, ``dimensions`` honoured, billed by input tokens."""
    body = body_object(call)
    model = base_model(body.get("model"))
    if model not in EMBEDDING_MODELS:
        raise RefusedError(400, "You are not allowed to generate embeddings from this model", param="model")
    texts = _inputs(body)
    length = _length(body, model)
    tokens = [text_tokens(len(text.encode())) for text in texts]
    call.state.bill.charge("openai", "embeddings", {f"openai.{model}": sum(tokens)}, reference=call.fingerprint)
    is_packed = body.get("encoding_format", "float") == "base64"
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": _packed(text, length) if is_packed else list(_vector(text, length)),
        }
        for index, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": sum(tokens), "total_tokens": sum(tokens)}
    return json_response({"object": "list", "data": data, "model": model, "usage": usage})


def _inputs(body: dict[str, Any]) -> list[str]:
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise RefusedError(400, "'$.input' is invalid.", param="input")
    if len(texts) > _MOST_INPUTS:
        raise RefusedError(400, f"'$.input' is invalid: at most {_MOST_INPUTS} inputs are allowed.", param="input")
    if any(text_tokens(len(text.encode())) > _MOST_TOKENS for text in texts):
        message = f"This model's maximum context length is {_MOST_TOKENS} tokens."
        raise RefusedError(400, message, param="input", code="context_length_exceeded")
    return texts


def _length(body: dict[str, Any], model: str) -> int:
    wanted = body.get("dimensions", _LENGTHS[model])
    if not isinstance(wanted, int) or not 1 <= wanted <= _LENGTHS[model]:
        raise RefusedError(400, f"'dimensions' must be between 1 and {_LENGTHS[model]}.", param="dimensions")
    return wanted


@lru_cache(maxsize=2048)
def _vector(text: str, length: int) -> tuple[float, ...]:
    totals = [0.0] * length
    for word in _WORD.findall(text.lower()) or [text]:
        dice = Dice("embedding", word)
        for _ in range(_PLACES_PER_WORD):
            totals[dice.below(length)] += 1.0 if dice.chance(0.5) else -1.0
    size = math.sqrt(sum(value * value for value in totals)) or 1.0
    return tuple(round(value / size, 8) for value in totals)


def _packed(text: str, length: int) -> str:
    numbers = array("f", _vector(text, length))
    return base64.b64encode(numbers.tobytes()).decode()
