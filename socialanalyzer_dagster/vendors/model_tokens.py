"""Tokens of model calls: what one may use at most before it is sent, and what an answer says it used (spec 12.3)."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from socialanalyzer_dagster.domain.types import JsonValue
from socialanalyzer_dagster.vendors.http import as_object

_TOKENS_PER_MESSAGE = 16
_BOX, _SHORTEST, _TILE = 2048, 768, 512
_BASE_TOKENS, _TILE_TOKENS = 85, 170


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call; `input_tokens` includes the cached ones."""

    input_tokens: int
    cached_input_tokens: int
    output_tokens: int


def input_tokens_bound(texts: Sequence[str], pictures: Iterable[tuple[int, int]]) -> int:
    """The most input tokens of a system and a user message: a token is at least one byte of text (spec 12.3)."""
    text = sum(len(each.encode()) for each in texts) + 2 * _TOKENS_PER_MESSAGE
    return text + sum(image_tokens(width, height) for width, height in pictures)


def image_tokens(width: int, height: int) -> int:
    """Tokens of a picture at high detail: fitted into 2048, shortest side to 768, 85 + 170 per tile of 512."""
    scale = min(1.0, _BOX / max(width, height))
    scale *= min(1.0, _SHORTEST / (min(width, height) * scale))
    tiles = math.ceil(round(width * scale, 6) / _TILE) * math.ceil(round(height * scale, 6) / _TILE)
    return _BASE_TOKENS + _TILE_TOKENS * max(1, tiles)


def chat_units(model: str, body: JsonValue) -> dict[str, int] | None:
    """What an answer's usage bills, cached input apart; None when the answer tells no usage."""
    usage = read_usage(body)
    if usage is None:
        return None
    units = {
        f"openai.{model}.input": usage.input_tokens - usage.cached_input_tokens,
        f"openai.{model}.cached_input": usage.cached_input_tokens,
        f"openai.{model}.output": usage.output_tokens,
    }
    return {key: count for key, count in units.items() if count}


def read_usage(body: JsonValue) -> Usage | None:
    """Token counts of an answer; None when they are missing or make no sense."""
    usage = as_object(as_object(body).get("usage"))
    sent, made = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not isinstance(sent, int) or not isinstance(made, int) or sent < 0 or made < 0:
        return None
    cached = as_object(usage.get("prompt_tokens_details")).get("cached_tokens")
    known = cached if isinstance(cached, int) and 0 <= cached <= sent else 0
    return Usage(input_tokens=sent, cached_input_tokens=known, output_tokens=made)
