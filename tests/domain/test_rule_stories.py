"""A batch's summary says what rules did, with the numbers of the decision log and no other (spec 14.1, 15.3)."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest

from socialanalyzer_dagster.domain.named_numbers import named_numbers
from socialanalyzer_dagster.domain.rule_stories import DeedKind, RuleDeed, rule_sentences

AT = datetime(2026, 11, 20, 12, 5, tzinfo=UTC)
ASKED = {"kind": DeedKind.ASKED, "what": "whether to search for more of what K found"}
ASKS = "R-3 asked whether to search for more of what K found: "
LOOSER = {"kind": DeedKind.SEARCHED, "changes": "min_patrons 50 instead of 100", "child": "K.2"}


def told(*deeds: dict[str, Any], rule: str = "R-3") -> tuple[str, ...]:
    return rule_sentences([RuleDeed(rule=rule, **each) for each in deeds])


@pytest.mark.parametrize(
    ("deed", "sentence"),
    [
        (
            LOOSER | {"is_done": True},
            "R-3 had the search run again with looser filters (min_patrons 50 instead of 100), as batch K.2.",
        ),
        (
            LOOSER | {"is_done": False, "why_not": "J runs it", "child": None},
            "R-3 wanted the search run again with looser filters (min_patrons 50 instead of 100); not done: J runs it.",
        ),
        (
            {"kind": DeedKind.RETRIED, "minutes": 5, "due_at": AT},
            "R-3 holds the batch and has failed leads tried again at 2026-11-20 12:05 UTC.",
        ),
        ({"kind": DeedKind.HELD, "is_done": True, "vendor": "openai"}, "R-3 paused the batch until openai was back."),
        ({"kind": DeedKind.HELD, "is_done": True}, "R-3 paused the batch."),
        (
            ASKED,
            f"{ASKS.replace('asked', 'asks')[:-2]}; nobody has answered yet (`socialanalyzer rules questions`).",
        ),
        (ASKED | {"answer": "approved", "is_done": True, "child": "K.2"}, ASKS + "a person said yes, as batch K.2."),
        (
            ASKED | {"answer": "modified", "is_done": False, "why_not": "no"},
            ASKS + "a person wanted it otherwise, which could not be done: no.",
        ),
        (ASKED | {"answer": "approved"}, ASKS + "a person said yes, which is being done."),
        (ASKED | {"answer": "rejected", "is_done": True}, ASKS + "a person said no."),
        (ASKED | {"answer": "expired"}, ASKS + "nobody answered, which is a no."),
        (ASKED | {"answer": "overtaken"}, ASKS + "it needs no answer any more."),
    ],
)
def test_each_deed_is_a_sentence_whose_numbers_are_in_the_log(deed: dict[str, Any], sentence: str) -> None:
    assert told(deed) == (sentence,)
    known = asdict(RuleDeed(rule="R-3", **deed)) | {"at": f"{deed.get('due_at', AT):%Y-%m-%d %H:%M}"}
    assert named_numbers(sentence) <= named_numbers("\n".join(map(str, known.values())))


def test_what_a_rule_repeated_is_one_sentence_with_its_waits() -> None:
    tries = [{"kind": DeedKind.RETRIED, "is_done": True, "minutes": each, "due_at": AT} for each in (5, 15, 45)]
    asks = ASKED | {"answer": "rejected"}
    assert told(*tries, asks, rule="R-2") == (
        "R-2 had failed leads tried again after 5, 15 and 45 minutes.",
        "R-2 asked whether to search for more of what K found: a person said no.",
    )
