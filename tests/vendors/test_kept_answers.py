"""A repeat is answered the same from what is kept of an answer when its raw form is gone (spec 12.4, 19.5)."""

import json

import pytest

from socialanalyzer_dagster.domain.policy import shipped_policy
from socialanalyzer_dagster.vendors.apollo import decode_person
from socialanalyzer_dagster.vendors.kept_answers import PARSED, parsed_part
from socialanalyzer_dagster.vendors.llm import decode_answer, decode_transcript

PERSON = {
    "person": {
        "id": "1", "first_name": "Ada", "email": "ada@site.example", "personal_emails": ["a@b.example"],
        "phone_numbers": [{"raw_number": "+1 303 555 0100", "sanitized_number": "x"}], "photo_url": "https://x/y.jpg",
        "employment_history": [{"organization_name": "Elsewhere"}], "organization": {"name": "Trail", "year": 1},
    }
}  # fmt: skip
CHAT = {
    "id": "chatcmpl-1", "system_fingerprint": "fp", "model": "gpt-4o-2024",
    "choices": [{"index": 0, "finish_reason": "stop", "logprobs": {"a": 1},
                 "message": {"role": "assistant", "content": '{"a": 1}', "refusal": None, "annotations": ["x"]}}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "body", "decode"),
    [
        ("apollo.people_match", PERSON, decode_person),
        ("apollo.people_match", {"person": None}, decode_person),
        ("apollo.people_match", {}, decode_person),
        ("openai.chat", CHAT, decode_answer),
        ("openai.transcription", {"text": "hello", "segments": [1, 2]}, decode_transcript),
    ],
)
def test_the_kept_part_decodes_to_the_same_answer(operation, body, decode):
    kept = parsed_part(operation, body)
    assert decode(json.loads(json.dumps(kept))) == decode(body)
    assert parsed_part(operation, kept) == kept


def test_what_no_decoder_reads_is_gone():
    assert "Elsewhere" not in str(parsed_part("apollo.people_match", PERSON))
    assert "annotations" not in str(parsed_part("openai.chat", CHAT))


def test_an_answer_that_cannot_be_read_keeps_nothing():
    assert parsed_part("apollo.people_match", ["no object"]) is None


def test_every_reuse_window_beyond_the_raw_period_has_its_parsed_part():
    policy = shipped_policy()
    longer = {key for key, days in policy.cache.reuse_days.items() if days > policy.retention.raw_days}
    assert longer == set(PARSED)
