"""A language model that says what a test wants said, in the vendor's wire format, and notes what it was asked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from socialanalyzer_dagster.domain.types import JsonObject, JsonValue
from socialanalyzer_dagster.vendors.llm import ChannelReply, LanguageModel

Said = JsonObject | str | None


def completion(content: Said, *, finish_reason: str = "stop", refusal: str | None = None) -> JsonObject:
    """One chat completion."""
    text = json.dumps(content) if isinstance(content, Mapping) else content
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-2024-08-06",
        "choices": [{
            "index": 0, "finish_reason": finish_reason, "logprobs": None,
            "message": {"role": "assistant", "content": text, "refusal": refusal},
        }],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }  # fmt: skip


@dataclass
class ScriptedChannel:
    """Answers per schema name, in order; the last one repeats."""

    script: dict[str, list[JsonObject]]
    asked: list[JsonObject] = field(default_factory=list)

    async def chat(self, body: JsonObject) -> ChannelReply:
        self.asked.append(body)
        answers = self.script[schema_name(body)]
        return ChannelReply(body=answers.pop(0) if len(answers) > 1 else answers[0], request_id=None)

    async def transcribe(self, model: str, audio: tuple[str, bytes, str]) -> ChannelReply:
        return ChannelReply(body={"text": "", "usage": {"type": "duration", "seconds": 1}}, request_id=None)

    async def models(self) -> int:
        return 1

    async def aclose(self) -> None:
        """Nothing is kept open."""


def schema_name(body: JsonObject) -> str:
    """The name of the answer a request wants."""
    wanted: JsonValue = body["response_format"]
    return str(wanted["json_schema"]["name"])  # type: ignore[index, call-overload]


def scripted_model(**script: list[JsonObject]) -> tuple[LanguageModel, ScriptedChannel]:
    """A model and the channel behind it."""
    channel = ScriptedChannel(script)
    return LanguageModel(channel), channel


TRIAGE = {"decision": "continue", "reject_code": None, "confidence": 0.9, "reasoning": "A hiking creator with a voice."}
SCORE = {
    "niche_and_audience_identity": 0.8, "creator_authenticity_and_presence": 0.7,
    "monetization_and_business_mindset": 0.6, "community_infrastructure": 0.5, "engagement_and_connection": 0.4,
    "score_reasoning": "A clear niche and an audience that wants to meet.",
}  # fmt: skip
