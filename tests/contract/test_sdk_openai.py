"""The official openai package works against the sandbox."""

import io
import json
from collections.abc import Iterator

import httpx
import pytest
from openai import APIStatusError, NotFoundError, OpenAI, RateLimitError

from socialanalyzer_dagster.sandbox.faults import Fault
from socialanalyzer_dagster.sandbox.state import SandboxState

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["decision", "reason"],
    "properties": {
        "decision": {"type": "string", "enum": ["pass", "reject"]},
        "reason": {"type": ["string", "null"]},
    },
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "triage_v1", "strict": True, "schema": SCHEMA}}


@pytest.fixture
def client(base_url: str, state: SandboxState) -> Iterator[OpenAI]:
    with httpx.Client() as transport:
        yield OpenAI(api_key="key", base_url=f"{base_url}/openai/v1", max_retries=0, http_client=transport)


def messages(state: SandboxState) -> list[dict[str, str]]:
    handle = state.world.instagram(11).handle
    return [{"role": "user", "content": f"platform: instagram\nhandle: {handle}\n\nDecide."}]


def ask(client: OpenAI, state: SandboxState, model: str = "gpt-4o") -> object:
    return client.chat.completions.create(model=model, messages=messages(state), response_format=FORMAT)  # type: ignore[call-overload]


def test_a_structured_answer_fits_the_schema_and_is_billed_by_usage(client: OpenAI, state: SandboxState) -> None:
    answer = client.chat.completions.create(model="gpt-4o", messages=messages(state), response_format=FORMAT)  # type: ignore[call-overload]
    body = json.loads(answer.choices[0].message.content)
    assert set(body) == {"decision", "reason"}
    assert body["decision"] in {"pass", "reject"}
    exact = answer.usage.prompt_tokens * 5 / 2 + answer.usage.completion_tokens * 10
    assert state.bill.total_micros("openai") == -(-exact // 1)


def test_embeddings_come_as_base64_by_default_and_keep_their_size(client: OpenAI) -> None:
    packed = client.embeddings.create(model="text-embedding-3-small", input=["hiking", "yoga"], dimensions=64)
    plain = client.embeddings.create(
        model="text-embedding-3-small", input=["hiking"], dimensions=64, encoding_format="float"
    )
    assert [len(row.embedding) for row in packed.data] == [64, 64]
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)


def test_models_are_listed_and_an_unknown_one_is_refused(client: OpenAI, state: SandboxState) -> None:
    names = {model.id for model in client.models.list()}
    assert {"gpt-4o", "gpt-4o-mini", "whisper-1"} <= names
    with pytest.raises(NotFoundError):
        ask(client, state, model="gpt-nosuch")


def test_throttling_and_no_money_arrive_as_rate_limit_errors(client: OpenAI, state: SandboxState) -> None:
    state.faults.add(Fault("openai", "chat_completions", "rate_limited"))
    with pytest.raises(RateLimitError) as throttled:
        ask(client, state)
    assert throttled.value.response.headers["retry-after"]
    state.faults.set([Fault("openai", "chat_completions", "error_503")])
    with pytest.raises(APIStatusError):
        ask(client, state)
    assert state.bill.total_micros("openai") == 0


def test_files_are_kept_and_a_batch_comes_back_by_custom_id(client: OpenAI, state: SandboxState) -> None:
    lines = [
        {
            "custom_id": f"row-{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": "gpt-4o-mini", "messages": messages(state), "response_format": FORMAT, "seed": number},
        }
        for number in range(20)
    ]
    content = "\n".join(map(json.dumps, lines)).encode()
    file = client.files.create(file=("batch.jsonl", io.BytesIO(content)), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    for _ in range(10):
        batch = client.batches.retrieve(batch.id)
        if batch.status == "completed":
            break
    assert batch.output_file_id is not None
    results = [json.loads(line) for line in client.files.content(batch.output_file_id).text.splitlines()]
    ids = [result["custom_id"] for result in results]
    assert sorted(ids) == sorted(line["custom_id"] for line in lines)
    assert ids != [line["custom_id"] for line in lines]
    assert client.files.delete(file.id).deleted
