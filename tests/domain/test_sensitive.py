"""The scanner for sensitive attributes (spec 19.6) and the check of quotes (spec 9.1)."""

import pytest

from socialanalyzer_dagster.domain.answer_schemas import lead_score_schema
from socialanalyzer_dagster.domain.judgements import InvalidAnswer, check_answer
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.quotes import checked_quotes
from socialanalyzer_dagster.domain.sensitive import sensitive_kinds, sensitive_words
from tests.domain.creators import creator, score_answer


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("The creator is a Catholic mother of three.", "religion"),
        ("She appears to be Jewish.", "religion"),
        ("He is openly gay and hosts dinners.", "orientation"),
        ("A lesbian couple who travel by van.", "orientation"),
        ("The host was diagnosed with bipolar disorder.", "health"),
        ("The host is an African American woman.", "ethnicity"),
        ("Their audience likes that they are Republicans.", "politics"),
        ("THE CREATOR IS MUSLIM", "religion"),
    ],
)
def test_an_attribute_of_a_person_is_found(policy: Policy, text: str, kind: str) -> None:
    assert kind in sensitive_kinds(text, sensitive_words(policy.privacy))


@pytest.mark.parametrize(
    "text",
    [
        "A mental health podcast with calm interviews.",
        "Teaches yoga and breathing to desk workers.",
        "The creator hosts gatherings and democratises knitting.",
        "Her gayety is catching.",
        "Asian cooking for beginners, explained step by step.",
        "She bakes bread with her hands and a wood oven.",
        "The book club reads Republic. Walks follow.",
        "",
    ],
)
def test_a_subject_of_content_is_no_attribute(policy: Policy, text: str) -> None:
    assert sensitive_kinds(text, sensitive_words(policy.privacy)) == ()


def test_a_person_may_be_called_like_a_faith(policy: Policy) -> None:
    words = sensitive_words(policy.privacy)
    assert sensitive_kinds("Christian is a warm host.", words, names=["Christian Holm"]) == ()
    assert sensitive_kinds("Christian is a warm host.", words) == ("religion",)


def test_an_answer_with_an_attribute_is_invalid_and_the_reason_names_the_kind_only(policy: Policy) -> None:
    answer = score_answer(score_reasoning="The host is a devout Catholic woman with a strong circle.")
    checked = check_answer(lead_score_schema(creator(), policy), answer)
    assert isinstance(checked, InvalidAnswer)
    assert str(checked) == "score_reasoning: must not say anything about the religion of a person"


def test_quotes_must_occur_in_the_input_whatever_case_and_white_space() -> None:
    inputs = ["Join  my\nLETTER every Sunday", None, "Walks in May"]
    checked = checked_quotes(["join my letter", "walks in may", "never written", " "], inputs)
    assert checked.kept == ("join my letter", "walks in may")
    assert checked.dropped == 2


def test_a_quote_may_not_span_two_inputs() -> None:
    assert checked_quotes(["one two"], ["one", "two"]).kept == ()


def test_no_quotes_is_nothing_dropped() -> None:
    assert checked_quotes(None, ["text"]).dropped == 0


def test_a_true_quote_with_an_attribute_is_dropped(policy: Policy) -> None:
    said = "I am her Catholic mother"
    assert checked_quotes([said], [said], scan=sensitive_words(policy.privacy)).kept == ()
